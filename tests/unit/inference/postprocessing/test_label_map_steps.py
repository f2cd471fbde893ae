"""Steps of organs and regions on label maps made by hand."""

from itertools import pairwise

import numpy as np
import pytest

from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.inference import FillHoles, LargestComponent, SmallestSize
from meddino_components.inference.postprocessing.label_map_steps import (
    check_steps,
    postprocess_labels,
    structures_of,
)

NAMES = ["background", "liver", "spleen", "tumour"]
REGIONS = brats_regions("brats2023")  # whole tumour 1, 2, 3; core 1, 3; enhancing 3


def label_map():
    """A liver with a hole and a tumour in another, an island of liver, and two parts of the spleen."""
    labels = np.zeros((12, 11, 10), np.uint8)
    labels[1:8, 1:8, 1:8] = 1
    labels[3, 3, 3] = 0
    labels[5, 5, 4:6] = [0, 3]
    labels[10, 1, 1] = 1
    labels[10, 5:9, 2] = 2
    labels[1:3, 9, 8] = 2
    return labels


def processed(labels, steps, names=NAMES, regions=None, voxel_ml=0.001):
    changed = labels.copy()
    postprocess_labels(changed, steps, structures_of(names, regions), voxel_ml=voxel_ml)
    return changed


def test_largest_part_and_holes_of_one_organ():
    before = label_map()
    after = processed(before, {"liver": [LargestComponent(), FillHoles()]})
    assert (after[10, 1, 1], after[3, 3, 3], after[5, 5, 4]) == (0, 1, 1)
    assert after[5, 5, 5] == 3  # the tumour in the hole stays
    assert (before != after).sum() == 3


def test_an_organ_without_steps_never_changes():
    before = label_map()
    after = processed(before, {"liver": [SmallestSize(volume_ml=1)]})
    assert not (after == 1).any()
    for label in (2, 3):
        assert ((before == label) == (after == label)).all()
    assert (processed(before, {}) == before).all()


def test_each_organ_has_its_own_steps():
    before = label_map()
    after = processed(before, {"spleen": [SmallestSize(volume_ml=0.003)], "tumour": [SmallestSize(volume_ml=0.002)]})
    assert [(after == label).sum() for label in (1, 2, 3)] == [(before == 1).sum(), 4, 0]


def test_the_volume_of_a_voxel_counts():
    assert (processed(label_map(), {"spleen": [SmallestSize(volume_ml=0.003)]}, voxel_ml=0.002) == 2).sum() == 6


def test_an_organ_that_is_not_there():
    labels = np.zeros((4, 4, 4), np.uint8)
    assert not processed(labels, {"liver": [LargestComponent(), FillHoles(), SmallestSize(volume_ml=1)]}).any()


def test_any_memory_layout():
    before = label_map()
    steps = {"liver": [LargestComponent(), FillHoles()], "spleen": [LargestComponent()]}
    turned = np.ascontiguousarray(before.transpose(2, 0, 1)).transpose(1, 2, 0)
    postprocess_labels(turned, steps, structures_of(NAMES), voxel_ml=0.001)
    assert (turned == processed(before, steps)).all()


def brain():
    """Two nested tumours, the second one small, and an enhancing voxel of its own in the first."""
    labels = np.zeros((14, 12, 12), np.uint8)
    labels[1:9, 1:9, 1:9] = 2
    labels[3:7, 3:7, 3:7] = 1
    labels[4:6, 4:6, 4:6] = 3
    labels[7, 7, 7] = 3
    labels[11:13, 10, 10] = [2, 3]
    return labels


def is_nested(labels):
    masks = [np.isin(labels, members) for members in REGIONS.members]
    return all((inner <= outer).all() for outer, inner in pairwise(masks))


def test_what_an_outer_region_loses_its_inner_regions_lose():
    before = brain()
    after = processed(before, {REGIONS.names[0]: [LargestComponent()]}, regions=REGIONS)
    assert not after[11:13].any()
    assert (after[:10] == before[:10]).all()
    assert is_nested(after)


def test_what_an_inner_region_loses_is_the_region_around():
    before = brain()
    after = processed(before, {REGIONS.names[2]: [LargestComponent()]}, regions=REGIONS)
    core, whole = REGIONS.written[1], REGIONS.written[0]
    assert after[7, 7, 7] == after[12, 10, 10] == core != whole
    assert (after == 3).sum() == 8
    assert ((before > 0) == (after > 0)).all()
    after = processed(before, {REGIONS.names[1]: [LargestComponent(connectivity=1)]}, regions=REGIONS)
    assert after[7, 7, 7] == after[12, 10, 10] == whole
    assert is_nested(after)


def test_a_hole_in_a_region_gets_the_label_of_its_ring():
    before = brain()
    before[2, 2, 2] = before[3, 4, 4] = 0  # in the oedema, and at the edge of the core
    before[5, 5, 3] = 2  # a voxel of oedema at the edge of the core is no hole of it
    before[4, 5, 5] = 2  # in the core, next to the enhancing part
    after = processed(before, {REGIONS.names[0]: [FillHoles()], REGIONS.names[1]: [FillHoles()]}, regions=REGIONS)
    assert (after[2, 2, 2], after[3, 4, 4], after[5, 5, 3]) == (2, 2, 2)
    assert after[4, 5, 5] == REGIONS.written[1]
    assert is_nested(after)


def test_names_and_steps_are_checked():
    structures = structures_of(NAMES)
    steps = check_steps({"liver": [LargestComponent()], "spleen": [], "tumour": FillHoles()}, structures, "here")
    assert steps == {"liver": (LargestComponent(),), "tumour": (FillHoles(),)}
    with pytest.raises(InputError, match="here names 'livr': did you mean 'liver'"):
        check_steps({"livr": [LargestComponent()]}, structures, "here")
    with pytest.raises(InputError, match="here names 'background'"):
        check_steps({"background": [LargestComponent()]}, structures, "here")
    with pytest.raises(InputError, match="here has 'largest' for 'liver'; expected a list of steps"):
        check_steps({"liver": ["largest"]}, structures, "here")
    with pytest.raises(InputError, match=f"expected one of {', '.join(REGIONS.names)}"):
        check_steps({"liver": [LargestComponent()]}, structures_of(NAMES, REGIONS), "here")


def test_numbers_of_labels_may_be_any():
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[0, 0, 0] = labels[3:5, 3, 3] = 200
    assert (processed(labels, {"bone": [LargestComponent()]}, {0: "background", 200: "bone"}) == 200).sum() == 2
