"""Evaluation: trains children under controllers; measures children, ops and generated samples."""
