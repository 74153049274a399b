"""What `make benchmark` times."""
