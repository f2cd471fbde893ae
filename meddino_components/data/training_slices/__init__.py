"""Provide slices of preprocessed volumes for fine-tuning, cached on disk, in global batches."""
