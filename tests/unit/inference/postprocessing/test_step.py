"""A step of a user's own."""

from dataclasses import dataclass

import numpy as np

from meddino_components.inference import LargestComponent, PostprocessingStep, SmallestSize
from meddino_components.inference.postprocessing.label_map_steps import postprocess_labels, structures_of


@dataclass(frozen=True, kw_only=True)
class WithoutEnds(PostprocessingStep):
    """Removes the first slices."""

    n_slices: int = 1
    name = "without_ends"

    def __call__(self, mask, voxel_ml):
        changed = mask.copy()
        changed[:, :, : self.n_slices] = False
        return changed


def test_a_step_is_its_name_and_its_settings():
    assert LargestComponent().plain() == {"step": "largest_component", "connectivity": 3}
    assert SmallestSize(volume_ml=2).plain() == {"step": "smallest_size", "volume_ml": 2, "connectivity": 3}
    assert WithoutEnds(n_slices=2).plain() == {"step": "without_ends", "n_slices": 2}


def test_a_step_of_your_own_runs_like_ours():
    labels = np.ones((3, 3, 5), np.uint8)
    postprocess_labels(labels, {"liver": [WithoutEnds()]}, structures_of(["background", "liver"]), voxel_ml=0.001)
    assert labels[:, :, 0].max() == 0
    assert labels[:, :, 1:].min() == 1
