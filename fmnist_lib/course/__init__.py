"""What a teacher runs: the `fmnist` command, whole-course runs, results on disk."""
