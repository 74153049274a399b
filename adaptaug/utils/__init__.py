"""What every other folder may use: files, progress, signals, seeds, timing, hub."""
