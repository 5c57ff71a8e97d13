"""Answers to the exercises of notebook train_better."""

ANSWERS = {}
