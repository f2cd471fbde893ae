"""Bundles as files: YAML layers to JSON, one zip to release, and what a configuration needs to know of itself."""

from .archive import unpack
from .build import build
from .checks import check_overrides
from .package import package
from .root import config_files, find_bundle_root

__all__ = ["build", "check_overrides", "config_files", "find_bundle_root", "package", "unpack"]
