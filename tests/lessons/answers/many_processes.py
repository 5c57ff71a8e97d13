"""Answers to the exercises of notebook many_processes."""

ANSWERS = {}
