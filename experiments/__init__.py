"""Experiments: one script for each, whose docstring starts with the command that runs it."""
