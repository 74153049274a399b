"""AdaptAug: learn when and how strongly to augment."""
