"""Experiments: one script each; its docstring is the command that runs it."""
