"""The warm start: explores constant magnitudes and initialises a policy before PPO."""
