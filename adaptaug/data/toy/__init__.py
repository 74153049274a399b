"""Toy data sets of generated sentences: "opinions" (text) and "mentions" (tagging)."""
