"""The bundle that weights name."""

import json

import pytest
import torch
from command_lines import AMOS, BRATS

from meddino_components.bundle import choose_bundle
from meddino_components.checkpoints import WeightsRecord, write_weights
from meddino_components.errors import InputError


@pytest.fixture
def weights(tmp_path):
    def write(bundle):
        path = tmp_path / f"{bundle}.pt"
        write_weights({"x": torch.ones(1)}, path, record=WeightsRecord(bundle=bundle))
        return path

    return write


@pytest.mark.parametrize("from_the_repository", [True, False])
def test_the_record_decides(weights, tmp_path, monkeypatch, from_the_repository):
    monkeypatch.chdir(AMOS.parent.parent if from_the_repository else tmp_path)
    assert choose_bundle(None, weights("meddinov3_seg_brats")).resolve() == BRATS
    assert choose_bundle(None, None).resolve() == AMOS
    assert choose_bundle(BRATS, weights("meddinov3_seg_brats")) == BRATS
    # no such file is said by what loads it
    assert choose_bundle(None, tmp_path / "lost.pt").resolve() == AMOS


def test_another_bundle_is_refused_with_both_names(weights, tmp_path):
    with pytest.raises(
        InputError, match=r"its record names bundle meddinov3_seg_brats, but --bundle is .*meddinov3_seg_a"
    ):
        choose_bundle(AMOS, weights("meddinov3_seg_brats"))
    with pytest.raises(InputError, match=r"bundle mine: not in .*: There are .*; give a name or a folder by --bundle"):
        choose_bundle(None, weights("mine"))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps({"name": "mine"}))
    assert choose_bundle(tmp_path, weights("mine")) == tmp_path


def test_several_weights_name_one_bundle_or_it_is_typed(weights):
    first, second = weights("meddinov3_seg_amos"), weights("meddinov3_seg_brats")
    assert choose_bundle(None, [second, second]).resolve() == BRATS
    with pytest.raises(
        InputError, match=r"different bundles, meddinov3_seg_amos \(.*\), meddinov3_seg_brats .*--bundle"
    ):
        choose_bundle(None, [first, second])
    assert choose_bundle(AMOS, [first, second]) == AMOS
