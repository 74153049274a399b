"""Code that all scripts share: command line, defaults, arms, and the run of a comparison."""
