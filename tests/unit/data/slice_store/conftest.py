"""A store of four small volumes."""

import pytest
from slice_stores import random_slices, write_store

PLANES = [(64, 48), (33, 517), (1, 7), (200, 3)]


@pytest.fixture
def volumes():
    return [random_slices(plane, seed=number) for number, plane in enumerate(PLANES)]


@pytest.fixture
def root(tmp_path, volumes):
    write_store(tmp_path / "störe 1", volumes)
    return tmp_path / "störe 1"
