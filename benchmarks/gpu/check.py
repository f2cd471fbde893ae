"""What a check is, where it runs, and how it says that it failed or cannot be made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[2]
# the check fills it while it runs, so that one which fails says how far it came
Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a check runs.

    Attributes:
        device: that is checked.
        folder: of all checks of one run, one after another; what one leaves there, a later one may use.
    """

    device: torch.device
    folder: Path

    @property
    def on_cuda(self) -> bool:
        return self.device.type == "cuda"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to the machine.

    Attributes:
        name: on the command line and in the results.
        asks: what it asks, in words.
        run: fills figures; raises `Failed` or `Skipped`, or anything else, which is a failure too.
        limit_s: seconds after which it is ended and has failed; on the CPU it may take longer.
    """

    name: str
    asks: str
    run: Callable[[Place, Figures], None]
    limit_s: float


class Failed(Exception):
    """The machine does not do what was asked; ``log`` is what a command printed last."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Skipped(Exception):
    """The check cannot be made here; says what it needs."""


def require(kept: bool, message: str) -> None:
    """Raise `Failed` unless what is asked for is kept."""
    if not kept:
        raise Failed(message)


def needs(*packages: str) -> None:
    """Raise `Skipped` unless the packages can be imported."""
    missing = []
    for package in packages:
        try:
            import_module(package)
        except ImportError:
            missing.append(package)
    if missing:
        raise Skipped(f"needs {', '.join(missing)}")
