"""A configuration of a bundle with what the user typed for it: as a command line, and read in this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..bundle import CHECK_KEY, wrap
from ..bundle.text_keys import holds_text
from ..errors import unwrapped


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One configuration and its overrides.

    Attributes:
        bundle_root: folder of the bundle.
        files: configuration files; later ones override earlier ones.
        run_id: what `monai.bundle run` is told to run; None for its default.
        overrides: values by key, as typed.
    """

    bundle_root: Path
    files: tuple[str, ...]
    run_id: str | None
    overrides: Mapping[str, Any]

    def command(self, more: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the stock command line that runs this configuration, with further overrides."""
        values = {**self.overrides, **more}
        return (
            *(sys.executable, "-m", "monai.bundle", "run"),
            *([self.run_id] if self.run_id else []),
            *("--config_file", repr(list(self.files))),
            *(f"--{key}={value if isinstance(value, (str, Path)) else repr(value)}" for key, value in values.items()),
        )

    def content(self) -> dict[str, Any]:
        """Return the configuration as its files state it, without overrides."""
        return dict(ConfigParser.load_config_files(list(self.files)))

    def values(self, keys: Sequence[str], more: Mapping[str, Any]) -> list[Any]:
        """Return the values of keys as a run with these overrides and further ones makes them.

        Args:
            keys: keys, nested ones as ``a::b``.
            more: further overrides.

        Raises:
            InputError: a key or a value is refused, see `check_overrides`, or a component refuses its arguments.
        """
        content = self.content()
        values = {**self.overrides, **more, "bundle_root": str(self.bundle_root)}
        parser = ConfigParser(content)
        # paths and names as they are; the check reads the other values
        parser.update({**values, **wrap({key: one for key, one in values.items() if holds_text(content, key)})})
        with unwrapped():
            parser.get_parsed_content(CHECK_KEY)
            return [parser.get_parsed_content(key) for key in keys]
