"""Pieces of a large matrix."""

import pytest

from meddino_components.losses import row_slices


@pytest.mark.parametrize(("n_rows", "n_columns"), [(0, 5), (1, 5), (7, 5), (7, 64), (7, 100), (3, 0)])
def test_slices_cover_all_rows_once_and_stay_small(monkeypatch, n_rows, n_columns):
    monkeypatch.setattr(row_slices, "_PIECE", 64)
    slices = row_slices.row_slices(n_rows, n_columns)
    assert [row for rows in slices for row in range(n_rows)[rows]] == list(range(n_rows))
    assert all(len(range(n_rows)[rows]) * n_columns <= max(64, n_columns) for rows in slices)
