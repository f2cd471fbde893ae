"""Scores of samples, resampled; intervals."""
