"""A slice store that holds its slices in memory, with what the crops need of `SliceStore`."""

from types import SimpleNamespace

import numpy as np


class SlicesInMemory:
    """Volumes [D, H, W] int16, all of one spacing and modality."""

    def __init__(self, volumes, *, spacing_mm=(0.7, 0.7, 3.0), modality="ct", scale=1.0, offset=0.0):
        self.volumes, self._spacing_mm = volumes, spacing_mm
        self._record = {"source_set": "set", "modality": modality, "scale": scale, "offset": offset}
        places = [(number, k) for number, slices in enumerate(volumes) for k in range(len(slices))]
        self.slices = np.array(places, dtype=[("volume", "<i4"), ("slice", "<i4")])
        self.n_read = 0

    def __len__(self):
        return len(self.slices)

    def read(self, index):
        self.n_read += 1
        volume, number = self.slices[index].item()
        return self.volumes[volume][number]

    def spacing_mm(self, index):
        return self._spacing_mm

    def volume(self, number):
        return SimpleNamespace(case_id=f"case_{number}", **self._record)


def random_store(n=5, shape=(64, 48), **settings):
    """Smooth enough that crops differ, with values beyond the window in both directions."""
    rng = np.random.default_rng(0)
    return SlicesInMemory([rng.integers(-1500, 3000, (n, *shape)).astype(np.int16)], **settings)
