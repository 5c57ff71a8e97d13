"""Answers to the exercises of notebook confusion_matrix."""

ANSWERS = {}
