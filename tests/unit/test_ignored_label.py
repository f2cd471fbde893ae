"""The ignored label is the highest one that a label map can hold, so that it is never a class of a network."""

from meddino_components.data.volumes.voxel_checks import MAX_LABEL
from meddino_components.ignored_label import IGNORE


def test_is_the_highest_label():
    assert IGNORE == MAX_LABEL
