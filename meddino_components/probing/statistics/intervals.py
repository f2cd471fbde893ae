"""A value with its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its confidence interval; the bounds are NaN if there is no interval."""

    value: float
    low: float
    high: float

    @property
    def has_bounds(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def text(self, *, signed: bool = False) -> str:
        """The value with three decimals, and the bounds in brackets if there are any; differences get a sign."""
        form = "+.3f" if signed else ".3f"
        if math.isnan(self.low) and not math.isnan(self.value):
            return f"{self.value:{form}}"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"
