"""Training batches: the same by number, maps and labels of the same slices, rare classes seen."""

import numpy as np
import torch
from planted_cases import PATCH, SIDE, planted_case

from meddino_components.probing.segmentation.map_crops import MapCrops

SETTINGS = {"n_classes": 3, "slices_per_batch": 12, "depth": 4, "foreground_fraction": 0.5, "seed": 0}


def test_a_batch_is_a_function_of_seed_and_number():
    cases = [planted_case(k) for k in range(3)]
    state = torch.random.get_rng_state()
    first, second = MapCrops(cases, **SETTINGS), MapCrops(cases, **SETTINGS)
    first.batch(0)
    for ours, theirs in zip(first.batch(5), second.batch(5), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(first.batch(5)[1], first.batch(6)[1])
    other = MapCrops(cases, **{**SETTINGS, "seed": 1})
    assert not torch.equal(first.batch(5)[0], other.batch(5)[0])
    assert torch.equal(state, torch.random.get_rng_state())


def test_maps_and_labels_are_of_the_same_slices():
    maps, labels = MapCrops([planted_case(k) for k in range(3)], **SETTINGS).batch(0)
    assert maps.shape == (3, 2, 8, 4, SIDE, SIDE)
    assert maps.dtype == torch.float16
    assert labels.shape == (3, 1, 4, SIDE * PATCH, SIDE * PATCH)
    # the planted channel of the last level says the class
    told = maps[:, 1, :3].float().argmax(1)
    agree = (told == labels[:, 0, :, ::PATCH, ::PATCH]).float().mean()
    assert agree > 0.98


def test_a_thin_case_makes_its_own_batches_thin_and_no_others():
    crops = MapCrops([planted_case(0), planted_case(1), planted_case(2, slices=5)], **{**SETTINGS, "depth": 6})
    shapes = [tuple(crops.batch(k)[1].shape[:3]) for k in range(40)]
    # 12 slices: two crops of six, or two of five
    assert set(shapes) == {(2, 1, 6), (2, 1, 5)}
    assert 0.1 < np.mean([shape[2] == 5 for shape in shapes]) < 0.6


def test_the_last_levels_alone_where_a_decoder_reads_no_others():
    cases = [planted_case(k) for k in range(3)]
    everything, labels = MapCrops(cases, **SETTINGS).batch(3)
    last, same_labels = MapCrops(cases, **SETTINGS, last_levels=1).batch(3)
    assert torch.equal(last, everything[:, -1:])
    assert torch.equal(labels, same_labels)


def test_drawn_classes_are_in_their_crops():
    cases = [planted_case(0, classes=2, slices=40), planted_case(1, classes=3, slices=40)]
    for fraction, lowest, highest in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.6)):
        crops = MapCrops(cases, **{**SETTINGS, "slices_per_batch": 2, "depth": 2, "foreground_fraction": fraction})
        shown = np.mean([bool((crops.batch(k)[1] > 0).any()) for k in range(60)])
        assert lowest <= shown <= highest
    rare = MapCrops(cases, **{**SETTINGS, "slices_per_batch": 2, "depth": 2, "foreground_fraction": 1.0})
    # half of the draws ask for class 2, which one case alone has
    assert 0.3 < np.mean([bool((rare.batch(k)[1] == 2).any()) for k in range(100)]) < 0.9
