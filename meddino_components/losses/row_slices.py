"""Walk over a large matrix in pieces, so that intermediate results stay small."""

from __future__ import annotations

# elements of one piece: 64 MiB in fp32, enough to keep a GPU busy
_PIECE = 2**24


def row_slices(n_rows: int, n_columns: int) -> list[slice]:
    """Consecutive slices that cover ``n_rows`` rows; none where there are no rows."""
    step = max(1, _PIECE // max(1, n_columns))
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
