"""The box around several structures."""

from meddino_components.data.volumes.joint_box import joint_box


def test_it_holds_all_and_one_voxel_more():
    boxes = [(slice(2, 4), slice(0, 1), slice(5, 6)), None, (slice(3, 7), slice(2, 3), slice(0, 2))]
    assert joint_box(boxes) == (slice(1, 8), slice(0, 4), slice(0, 7))


def test_without_structures_it_is_empty():
    assert joint_box([None, None]) == joint_box([]) == (slice(0, 0),) * 3
