"""Read the command line before fire does: the command's signature checks every word before anything runs."""

from .command import Command
from .dispatch import dispatch

__all__ = ["Command", "dispatch"]
