"""The command line in front of fire: every word is judged by the command's signature before anything is called."""

from .dispatch import dispatch

__all__ = ["dispatch"]
