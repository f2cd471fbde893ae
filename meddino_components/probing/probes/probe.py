"""Define a probe: its settings, and one method from labelled features to scores.

Shapes: N samples of a split, n items of one sample, D width, K classes or labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from torch import Tensor

from ...data.image_sets import Split
from ...errors import InputError
from .bags import LabelledBags

Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, kw_only=True)
class LabelledFeatures:
    """The features that a probe learns from, and those that it scores.

    Attributes:
        vectors: features by split, [N, D]: "train" and "test", and "val" if there is a validation split.
        targets: labels by split: classes [N], or 0 and 1 [N, K]. Probes never read those of "test", and they may be
            missing.
        n_classes: K.
        metric: measure by which the encoder's vectors are compared.
        bags: by split the items that the vectors were pooled from; None if each sample is a single item.
    """

    vectors: Mapping[Split, Tensor]
    targets: Mapping[Split, Tensor]
    n_classes: int
    metric: Metric = "cosine"
    bags: Mapping[Split, LabelledBags] | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeScores:
    """The scores that a probe gives to the test samples.

    Attributes:
        scores: probabilities or shares of votes, [N, K].
        attention: for each sample the weights of its items [n], which sum to 1; empty if the probe reads no items.
    """

    scores: Tensor
    attention: Sequence[Tensor] = ()


@dataclass(frozen=True, kw_only=True)
class Probe(ABC):
    """The base class of probes: a frozen dataclass whose fields are the probe's settings.

    A subclass gives ``name`` a default and implements `score`. Declare a field that changes no score, such as the
    device, with ``field(compare=False)``: finished cells of a sweep are then reused when it changes.

    Attributes:
        name: the probe's name in tables.
        reads_bags: True if the probe reads the items of each sample (slices, tiles) instead of one vector a sample.
    """

    name: str
    reads_bags: ClassVar[bool] = False

    @abstractmethod
    def score(self, features: LabelledFeatures) -> ProbeScores:
        """Learn from the training split and score the test split; settings may be chosen on the validation split."""

    def identity(self) -> dict[str, Any]:
        """Plain data that changes with the probe's class and with every setting that affects its scores."""
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.compare}
        return {"probe": f"{type(self).__module__}.{type(self).__qualname__}", **settings}


def check_probes(probes: Sequence[Probe], *, has_bags: bool = True) -> None:
    """Check a list of probes as a configuration gives it.

    Args:
        probes: the probes, each a row of the tables for every encoder.
        has_bags: whether samples may have several items.

    Raises:
        InputError: the list is empty, holds something that is not a probe, a probe that reads bags although there are
            none, or two probes of one name.
    """
    if not isinstance(probes, Sequence) or isinstance(probes, str) or not probes:
        raise InputError(f"probes is {probes!r}; expected a list of at least one component, {{'_target_': ...}}")
    if strange := [one for one in probes if not isinstance(one, Probe)]:
        raise InputError(
            f"probes contains {strange[0]!r}; expected components, {{'_target_': ...}}, whose class is a subclass of "
            "meddino_components.probing.Probe"
        )
    names = [probe.name for probe in probes]
    if not has_bags and (readers := [probe.name for probe in probes if probe.reads_bags]):
        raise InputError(
            f"probes contains {', '.join(readers)}, which needs samples of several items; patches are single vectors: "
            "remove it from the list"
        )
    if len(set(names)) < len(names):
        raise InputError(f"probes are named {', '.join(names)}; expected different names: set 'name' of one of them")
