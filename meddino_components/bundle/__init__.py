"""Bundles as files: YAML layers to JSON, what a configuration needs to know of itself, and inference with one."""

from .build import build
from .checks import check_overrides
from .root import find_bundle_root
from .segment import segment

__all__ = ["build", "check_overrides", "find_bundle_root", "segment"]
