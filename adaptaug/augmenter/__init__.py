"""The object in a user's training loop."""
