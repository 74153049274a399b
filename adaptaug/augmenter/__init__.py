"""The `Augmenter`: augments the batches of a user's training loop as a policy decides."""
