"""Code of the five studies: scales and set-ups, analysis of ops, quality of generated samples."""
