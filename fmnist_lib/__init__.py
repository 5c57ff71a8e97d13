"""The package that the notebooks of the Fashion-MNIST course import.

What a student reads, in this order:

    data       what goes in: images with labels, in three splits
    model      the networks
    recipe     how a network is trained: one line for each option
    train      the training itself
    history    what it reports, and which epoch is best
    evaluate   what the network learned

Beside them, one idea each: `images` (what is done to images before a network sees them), `device`,
`threads`, `architecture` (how to build a network again), `checkpoints`, `runs` (results on disk),
`distributed` (many processes), `confidence`, `sources` (where images come from), `synthetic` (the
stand-in images), `versions`, `errors`. `storage` gets files from anywhere to memory and back.
`lessons` is what notebooks draw, play and check answers with. `course` is what a teacher runs.

Imports point down only: course → lessons → runs → train → checkpoints → history, model, recipe →
data → sources → storage → errors.
"""

from fmnist_lib import threads

threads.wait_less()
