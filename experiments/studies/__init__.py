"""What the five studies share."""
