"""The policy: its network, its observation, the cost table, and how it is saved and loaded."""
