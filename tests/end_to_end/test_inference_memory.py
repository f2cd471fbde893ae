"""The memory of a run does not grow with the number of classes or slices."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_RUN = """
import resource, sys
import torch
from torch import nn
from meddino_components.inference import VolumeInferer
classes, slices, resample = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "resample"
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
    def forward(self, x):
        return x.new_zeros(1).expand(x.shape[0], classes, *x.shape[2:]).clone()
from monai.data import MetaTensor
volume = MetaTensor(torch.zeros(1, 1, 320, 320, slices))
inferer = VolumeInferer(
    roi_size=(256, 256), pixdim=0.8 if resample else None, slice_batch_size=16, score_memory_mb=160
)
labels = inferer(volume, Net())
assert labels.shape == volume.shape
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(classes: int, slices: int, how: str) -> int:
    # glibc would otherwise keep freed blocks of changing sizes
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    arguments = [sys.executable, "-c", _RUN, str(classes), str(slices), how]
    return int(subprocess.run(arguments, capture_output=True, encoding="utf-8", check=True, env=env).stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["resample", "native"])
def test_64_classes_need_the_memory_of_16(how: str) -> None:
    few, many = peak_mb(16, 20, how), peak_mb(64, 20, how)
    assert many <= 1.1 * few, (few, many)


@pytest.mark.slow
def test_slices_need_their_voxels_and_labels_only() -> None:
    few, many = peak_mb(8, 16, "native"), peak_mb(8, 160, "native")
    volume_mb = 144 * 320 * 320 * (4 + 1) / 2**20
    assert many - few <= 1.3 * volume_mb, (few, many, volume_mb)
