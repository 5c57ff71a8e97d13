"""The package that the notebooks of the Fashion-MNIST course import.

Read it in this order: `data` (what goes in), `model` (the network), `train` (how it learns),
`evaluate` (what it learned), `plots` (every figure). `checks` and `quiz` answer the exercises,
`play` and `photo` are to play with, `synthetic` draws the stand-in images, `course` is what a
teacher runs.
"""
