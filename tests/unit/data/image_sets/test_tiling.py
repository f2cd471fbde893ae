"""How many tiles are drawn, and which settings make no sense."""

import numpy as np
import pytest

from meddino_components.data.image_sets import Tiling
from meddino_components.errors import InputError


@pytest.mark.parametrize(
    "changes",
    [{"tile_px": 0}, {"mpp": -1}, {"unstated_mpp": 0.0}, {"tissue_share": 0.0}, {"tissue_share": 2}, {"max_tiles": 0}],
)
def test_settings_that_make_no_sense(changes):
    with pytest.raises(InputError, match=f"{next(iter(changes))} is"):
        Tiling(**changes)


def test_a_draw_keeps_the_order_and_depends_on_the_seed_alone():
    origins = np.column_stack([np.arange(40), np.zeros(40, int)]).astype(np.int32)
    drawn = {seed: Tiling(max_tiles=6, seed=seed).drawn(origins) for seed in (0, 1)}
    assert len(drawn[0]) == 6
    assert (np.diff(drawn[0][:, 0]) > 0).all()
    assert np.array_equal(drawn[0], Tiling(max_tiles=6).drawn(origins + 0))
    assert not np.array_equal(drawn[0], drawn[1])
    assert Tiling(max_tiles=40).drawn(origins) is origins
    assert Tiling().drawn(origins) is origins
