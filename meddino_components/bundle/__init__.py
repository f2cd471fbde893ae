"""Bundles as files: YAML layers to JSON, one zip to release, checks of a configuration, inference with one."""

from .archive import unpack
from .build import build
from .checks import check_overrides
from .choice import choose_bundle
from .component_list import write_component_list
from .network_definition import network_definition
from .new_bundle import make_bundle, what_to_edit
from .own_files import CHECK_KEY
from .package import package
from .root import config_files, find_bundle_root
from .run_settings import run_settings
from .segment import EXPORTED_SUFFIXES, segment
from .settings_page import write_settings_page
from .trained_model import check_trained_model, find_trained_model
from .verbatim import wrap

__all__ = [
    "CHECK_KEY",
    "EXPORTED_SUFFIXES",
    "build",
    "check_overrides",
    "check_trained_model",
    "choose_bundle",
    "config_files",
    "find_bundle_root",
    "find_trained_model",
    "make_bundle",
    "network_definition",
    "package",
    "run_settings",
    "segment",
    "unpack",
    "what_to_edit",
    "wrap",
    "write_component_list",
    "write_settings_page",
]
