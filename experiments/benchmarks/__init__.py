"""The contests that `make benchmark` times, and their contestants."""
