"""Answers to the exercises of notebook train_sgd."""

ANSWERS = {}
