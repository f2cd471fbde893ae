"""The command line in front of fire: every word is judged by the command's signature before anything is called."""

from .command import Command
from .dispatch import dispatch

__all__ = ["Command", "dispatch"]
