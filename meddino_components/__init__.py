"""MedDINOv3 components for MONAI bundles."""

__version__ = "0.1.0"
