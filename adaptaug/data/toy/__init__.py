"""Made-up data sets that need no download."""
