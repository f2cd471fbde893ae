"""What a list of probes may hold, and what tells two probes apart."""

from dataclasses import dataclass, field

import pytest

from meddino_components.errors import InputError
from meddino_components.probing import GatedAttention, KNearestNeighbours, LinearLayer, Probe, ProbeScores
from meddino_components.probing.probes.probe import check_probes


@dataclass(frozen=True, kw_only=True)
class Constant(Probe):
    value: float = 0.5
    name: str = "constant"
    device: str = field(default="cpu", compare=False)

    def score(self, features):
        n = len(features.vectors["test"])
        return ProbeScores(scores=features.vectors["test"].new_full((n, features.n_classes), self.value))


def test_the_identity_holds_the_class_and_the_settings_that_change_scores():
    found = Constant(value=0.25, device="cuda").identity()
    assert found == {"probe": f"{__name__}.Constant", "value": 0.25, "name": "constant"}
    assert Constant(value=0.25).identity() == found
    kinds = [KNearestNeighbours(), KNearestNeighbours(n_neighbours=5), LinearLayer(), LinearLayer(seed=1)]
    identities = [str(probe.identity()) for probe in kinds]
    assert len(set(identities)) == 4


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        ([], r"probes is \[\]; expected a list of at least one component"),
        ("knn", "probes is 'knn'; expected a list"),
        ([KNearestNeighbours(), {"n_neighbours": 3}], r"probes contains {'n_neighbours': 3}; expected components"),
        ([KNearestNeighbours(), KNearestNeighbours(n_neighbours=1)], "probes are named knn, knn; expected different"),
        ([KNearestNeighbours(), GatedAttention()], "probes contains attention, which needs samples of several items"),
    ],
)
def test_lists_that_are_refused(probes, message):
    with pytest.raises(InputError, match=message):
        check_probes(probes, has_bags=False)


def test_lists_that_are_taken():
    check_probes([Constant(), KNearestNeighbours(), KNearestNeighbours(n_neighbours=1, name="1-nn"), GatedAttention()])
    check_probes((Constant(),), has_bags=False)
