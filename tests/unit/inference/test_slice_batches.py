"""Each slice is handed on once, also where memory runs out."""

import torch
from labels_as_images import ShortOfMemory, labels_volume

from meddino_components.inference.slice_batches import SliceBatches
from meddino_components.inference.slice_scorer import SliceScorer


def batches(network, **more):
    scorer = SliceScorer(
        network=network,
        image_size=(16, 16),
        roi_size=(16, 16),
        overlap=0.5,
        mode="gaussian",
        mirror_axes=(),
        device=torch.device("cpu"),
    )
    settings = {"size": (16, 16), "network_size": (16, 16), "padding": torch.zeros(1), "max_batch": 8}
    return SliceBatches(scorer=scorer, score_bytes=2**20, **{**settings, **more})


def test_each_slice_is_used_once_where_memory_runs_out():
    slices = labels_volume(16, 16, 11)[0].permute(3, 0, 1, 2)
    total = torch.zeros(11, 4, 16, 16)

    def use(scores, position):
        total[position : position + scores.shape[0]] += scores

    found = batches(ShortOfMemory(most=3))
    found.score_block(slices, 0, use)
    assert torch.equal(total, ShortOfMemory(most=11)(slices))
    assert (found.n_classes, found.max_batch <= 3) == (4, True)


def test_scores_handed_on_before_memory_ran_out_are_not_repeated():
    slices = labels_volume(16, 16, 6)[0].permute(3, 0, 1, 2)
    seen = []

    def use(scores, position):
        if position == 2 and seen.count(2) == 0 and len(seen) == 2:
            seen.append(2)
            raise RuntimeError("CUDA error: out of memory")
        seen.extend(range(position, position + scores.shape[0]))

    # a limit that lets one slice at a time reach the labels' grid
    found = batches(ShortOfMemory(most=6), n_classes=4, network_size=(16, 16))
    found.score_bytes = 4 * 16 * 16 * 4
    found._batch_size = lambda: 3
    found.score_block(slices, 0, use)
    assert sorted(seen) == [0, 1, 2, 2, 3, 4, 5]  # the second 2 is the attempt that failed
