"""Answers to the exercises of notebook build_cnn."""

ANSWERS = {}
