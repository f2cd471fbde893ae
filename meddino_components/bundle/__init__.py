"""Bundles as files: YAML layers to JSON, and what a configuration needs to know of itself."""

from .build import build
from .checks import check_overrides
from .root import config_files, find_bundle_root

__all__ = ["build", "check_overrides", "config_files", "find_bundle_root"]
