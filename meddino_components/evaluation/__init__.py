"""Metrics of segmentations, and the report on them."""

from .organ_dice import OrganDice

__all__ = ["OrganDice"]
