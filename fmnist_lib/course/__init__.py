"""What a teacher runs: the `fmnist` command, whole runs, sweeps, handouts."""
