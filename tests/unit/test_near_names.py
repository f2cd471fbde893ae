"""A hint is true, or there is none."""

import pytest

from meddino_components.near_names import near_name

KEYS = ["epochs", "batch_size", "validate::batch_size", "segment_codes", "record::encoder", "roi_size", "num_workers"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("epoch", "epochs"),
        ("max_epoch", "epochs"),
        ("roi_sise", "roi_size"),
        ("batch", "batch_size"),
        ("workers", "num_workers"),
        ("freeze_encoder", None),
        ("size", None),
        ("lr", None),
        ("", None),
    ],
)
def test_near_name(typed, meant):
    assert near_name(typed, KEYS) == meant
