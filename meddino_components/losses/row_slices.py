"""Walk over a large matrix in pieces, so that intermediate results stay small."""

from __future__ import annotations

# elements of one piece: 64 MiB in fp32, enough to keep a GPU busy
_PIECE = 2**24


def row_slices(n_rows: int, n_columns: int, piece: int | None = None) -> list[slice]:
    """Consecutive slices that cover ``n_rows`` rows; none where there are no rows.

    Args:
        n_rows: rows of the matrix.
        n_columns: columns of it.
        piece: elements of a slice at most, unless one row has more; None is what keeps a GPU busy.
    """
    step = max(1, (_PIECE if piece is None else piece) // max(1, n_columns))
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
