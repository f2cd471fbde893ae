"""Split a large matrix into pieces so that intermediate results stay small."""

from __future__ import annotations

# elements of one piece: 64 MiB in fp32, enough to keep a GPU busy
_PIECE = 2**24


def row_slices(n_rows: int, n_columns: int, piece: int | None = None) -> list[slice]:
    """Return consecutive slices that cover ``n_rows`` rows; none if there are no rows.

    Args:
        n_rows: number of rows of the matrix.
        n_columns: number of columns of the matrix.
        piece: largest number of elements in a slice, unless one row has more; None chooses enough to keep a GPU busy.
    """
    step = max(1, (_PIECE if piece is None else piece) // max(1, n_columns))
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
