"""The package that the notebooks of the Fashion-MNIST course import.

What a student reads, in this order:

    data       what goes in: images with labels, in three splits
    model      the networks
    recipe     how a network is trained: one line for each option
    train      the training itself
    history    what it reports, and which epoch is best
    evaluate   what the network learned

Beside them, one idea each: `images` (what is done to images before a network sees them), `device`,
`checkpoints`, `runs` (results on disk), `distributed` (many processes), `sources` (where images
come from), `synthetic` (the stand-in images), `versions`, `errors`. `storage` gets files from
anywhere to memory and back. `lessons` is what notebooks draw, play and check answers with. `course`
is what a teacher runs.

Imports point down only: course → lessons → runs → train → checkpoints → history, model, recipe →
data → sources → storage → errors.
"""

import os
import sys

# After every operation PyTorch's threads wait for each other, and spin meanwhile for up to 300,000
# rounds (GNU's OpenMP) or 200 ms (LLVM's and Intel's). Where another program has work to do, they
# take the core from the thread that they wait for: an epoch took 10 times as long. So they are told
# to spin less (benchmarks/threads.py), unless the user has said how. It is read once, when PyTorch
# is loaded.
OPENMP_WAIT = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
threads_spin = False  # because PyTorch was there first
if not {"OMP_WAIT_POLICY", *OPENMP_WAIT} & set(os.environ):
    threads_spin = "torch" in sys.modules
    os.environ.update(OPENMP_WAIT)  # for the processes that this one starts, too
