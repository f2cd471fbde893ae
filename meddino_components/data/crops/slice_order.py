"""Shuffle slices anew in each epoch, without storing the order."""

from __future__ import annotations

_N_ROUNDS = 6
_WORD = 2**64 - 1


def shuffled(index: int, *, n_items: int, seed: int) -> int:
    """Return item ``index`` of an endless stream of epochs, each of which contains every item once in its own order.

    A Feistel network permutes the smallest power of 4 that covers all items; a result beyond the items is permuted
    again until it is one of them. Memory does not depend on ``n_items``.

    Args:
        index: position in the stream, from 0.
        n_items: number of items in an epoch.
        seed: seed for all orders.

    Raises:
        ValueError: there are no items, or the index is negative.

    Reference: Black and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002, section 4 (cycle-walking).

    Example:
        >>> sorted(shuffled(i, n_items=5, seed=0) for i in range(5, 10))
        [0, 1, 2, 3, 4]
    """
    if n_items < 1 or index < 0:
        raise ValueError(f"expected items and an index from 0, got {n_items} items and index {index}")
    epoch, place = divmod(index, n_items)
    # at least 2 bits: with halves of one bit there are too few round functions for every order
    half_bits = max(2, ((n_items - 1).bit_length() + 1) // 2)
    keys = [_mix(_mix(_mix(seed) + epoch) + i) for i in range(_N_ROUNDS)]
    while True:
        place = _permute(place, half_bits, keys)
        if place < n_items:
            return place


def _permute(number: int, half_bits: int, keys: list[int]) -> int:
    """Permute numbers of 2 * half_bits bits."""
    mask = (1 << half_bits) - 1
    left, right = number >> half_bits, number & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return left << half_bits | right


def _mix(number: int) -> int:
    """Return 64 bits that all depend on all bits of ``number`` (Steele et al., SplitMix64, OOPSLA 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _WORD
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _WORD
    return number ^ (number >> 31)
