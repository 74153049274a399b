"""Agents: searches for a policy, and for the rivals that need one."""
