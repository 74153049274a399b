"""The warm start: constants explored with a Gaussian process before PPO learns."""
