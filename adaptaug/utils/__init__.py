"""Utilities for all other folders: files, progress bars, signals, random state, timing, the hub."""
