"""The search for a policy, its adaptation to new data, and the search for a best constant."""
