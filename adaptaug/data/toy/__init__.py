"""Toy data sets "opinions" and "mentions"; families of made-up tasks, one for each seed."""
