"""Volumes on a known grid: files and DICOM series read, checked, resampled, normalised."""
