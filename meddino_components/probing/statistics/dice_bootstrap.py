"""Mean Dice over classes of their means over cases, with a bootstrap over patients.

Shapes: N cases, K classes, U patients, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .intervals import Interval
from .resampling import mean_over_classes, percentile_interval, resampled_units, units_that_show


class BootstrappedDice:
    """Mean Dice of several decoders on the same cases, all under the same resamples of the patients.

    A resample in which no patient shows some class has no mean, and where more than a quarter of the resamples have
    none there is no interval: see `resampling` for the reason.

    Args:
        patients: of each case.
        n_resamples: R.
        seed: of the resampling; the global random states are not touched.
    """

    def __init__(self, patients: Sequence[str], *, n_resamples: int = 1000, seed: int = 0) -> None:
        names, units = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self.n_units = len(names)
        # one patient tells nothing about others: a value without an interval
        weights = (
            torch.ones(1, 1) if self.n_units < 2 else resampled_units(self.n_units, n_resamples=n_resamples, seed=seed)
        )
        self._units = torch.from_numpy(units)
        self._weights = weights[:, self._units].double()

    def means(self, dice: Tensor) -> Tensor:
        """[1 + R] of Dice [N, K], NaN where a case lacks a class: the value, and those of the resamples."""
        present = dice.isfinite().double()
        return mean_over_classes((self._weights @ dice.double().nan_to_num()) / (self._weights @ present))

    def interval(self, values: Tensor) -> Interval:
        """Of `means`, or of the difference of two."""
        return percentile_interval(values)

    def shown_by(self, dice: Tensor, names: Sequence[str]) -> dict[str, int]:
        """How many patients show each of the K classes, of Dice as for `means`."""
        return dict(zip(names, units_that_show(dice.isfinite(), self._units).tolist(), strict=True))
