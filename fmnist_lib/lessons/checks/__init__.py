"""The checks of the exercises, one module for each notebook.

A notebook takes its own: `from fmnist_lib.lessons.checks import build_cnn as checks`, and calls
`checks.receptive_field(answer)`.
"""
