"""Bundles as files: YAML layers to JSON, one zip to release, checks of a configuration, inference with one."""

from .archive import unpack
from .build import build
from .checks import check_overrides
from .choice import choose_bundle
from .package import package
from .root import config_files, find_bundle_root
from .segment import EXPORTED_SUFFIXES, segment

__all__ = [
    "EXPORTED_SUFFIXES",
    "build",
    "check_overrides",
    "choose_bundle",
    "config_files",
    "find_bundle_root",
    "package",
    "segment",
    "unpack",
]
