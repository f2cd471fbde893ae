"""Splitting of one volume into slabs for different purposes, with unused slices between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import InputError


@dataclass(frozen=True)
class Slab:
    """Slices ``first`` to ``last - 1`` of a volume, counted upwards from 0, with the purpose they serve."""

    role: str
    first: int
    last: int


def split_slabs(n_slices: int, *, roles: Sequence[str], gap: int) -> list[Slab]:
    """Split slices into slabs of equal thickness (to one slice), in the order of ``roles`` from the lowest slice up.

    Neighbouring slices look alike, so the slices of one patient must not be assigned at random. Between slabs of
    different roles ``gap`` slices are left unused; consecutive slabs of one role touch.

    Args:
        n_slices: number of slices in the volume.
        roles: purpose of each slab, for instance ``[pretrain, train, test, pretrain]``.
        gap: number of unused slices between slabs of different roles.

    Raises:
        InputError: there is no role, or too few slices for this many slabs and gaps.

    Example:
        >>> [(s.role, s.first, s.last) for s in split_slabs(10, roles=["train", "test"], gap=2)]
        [('train', 0, 4), ('test', 6, 10)]
    """
    gaps = [gap if role != before else 0 for before, role in pairwise(roles)]
    n_used = n_slices - sum(gaps)
    if not roles or gap < 0 or n_used < len(roles):
        raise InputError(
            f"{n_slices} slices cannot be split into {len(roles)} slabs with gaps of {gap} slices: give fewer slabs or "
            "a smaller gap"
        )
    slabs, first = [], 0
    for number, role in enumerate(roles):
        thickness = n_used * (number + 1) // len(roles) - n_used * number // len(roles)
        slabs.append(Slab(role, first, first + thickness))
        first += thickness + (gaps[number] if number < len(gaps) else 0)
    return slabs


def slices_of(slabs: Sequence[Slab], role: str) -> list[int]:
    """Numbers of all slices of a role, in ascending order."""
    return [k for slab in slabs if slab.role == role for k in range(slab.first, slab.last)]


def excluded_slices(n_slices: int, slabs: Sequence[Slab], role: str) -> list[int]:
    """Slices that a role must not use: those of the other roles, and the gaps."""
    return sorted(set(range(n_slices)) - set(slices_of(slabs, role)))
