"""A small data set, and settings to train on it in seconds."""

import os
import tempfile

import pytest
from tiny_settings import TINY
from torch.utils.data import _utils

from meddino_components.phantoms import write_phantoms

# the home of who runs the tests is no place for their volumes; processes that tests start inherit this
_CACHES = tempfile.TemporaryDirectory(prefix="meddino_caches_")
os.environ["MEDDINO_CACHE"] = _CACHES.name

# seconds, where torch has 5: a loader that an error ended waits as long for its workers, in whatever test the garbage
# collector finds it
for _module in (_utils, _utils.worker):
    _module.MP_STATUS_CHECK_INTERVAL = 0.5


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """An AMOS-like data set of six small CT volumes and one MR."""
    return write_phantoms(
        tmp_path_factory.mktemp("data") / "phantoms", n_ct=5, n_mr=0, n_val_ct=1, in_plane_px=64, slice_mm=(16.0, 20.0)
    )


@pytest.fixture
def training_overrides(phantoms, tmp_path):
    output = tmp_path / "run"
    paths = {"output_dir": output, "model_path": output / "model.pt", "cache_dir": output / "cache"}
    return {**TINY, "dataset_dir": str(phantoms), **{key: str(path) for key, path in paths.items()}}
