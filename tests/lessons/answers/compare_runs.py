"""Answers to the exercises of notebook compare_runs."""

ANSWERS = {}
