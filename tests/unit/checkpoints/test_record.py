"""The record as plain data: what it refuses, and what stays the same."""

import json

import pytest

from meddino_components.checkpoints import WeightsRecord, hash_of_case
from meddino_components.errors import InputError

FULL = WeightsRecord(
    architecture={"_target_": "meddino_components.networks.MedDinoSegmenter", "num_classes": 3},
    plan={"pixdim": [2.5, 2.0], "roi_size": [64, 96], "context_slices": 3, "fingerprint": {"mean": 60}},
    labels={0: "background", 1: "Leber", 4: "Gefäß"},
    regions={"convention": "x", "names": ["a", "b"], "members": [[1, 4], [4]], "written": [1, 4]},
    channels=("t1", "flair"),
    modality="mr",
    parents=({"source": "hf://a/b", "sha256": "0" * 64},),
    licences=("CC-BY-4.0",),
    metrics={"val_mean_dice": 0.5, "epoch": 3},
    bundle="meddinov3_seg_brats",
)


def changed(**changes):
    return json.dumps(json.loads(FULL.to_json()) | changes)


def test_weights_without_postprocessing_keep_the_id_that_they_had_before_the_field():
    assert "postprocessing" not in json.loads(FULL.to_json())
    steps = {"a": [{"step": "largest_component", "connectivity": 3}], "b": []}
    read = WeightsRecord.from_json(changed(postprocessing=steps), source="model.pt")
    assert read.postprocessing == steps
    assert read.id != FULL.id
    assert WeightsRecord.from_json(read.to_json(), source="model.pt") == read


def test_comes_back_as_it_was_with_the_same_id():
    read = WeightsRecord.from_json(FULL.to_json(), source="model.pt")
    assert read == FULL
    assert read.id == FULL.id
    other = WeightsRecord.from_json(changed(modality="ct"), source="model.pt")
    assert other.modality == "ct"
    assert other.id != FULL.id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "has no format version"),
        (changed(format_version=2), "has format version 2, expected 1: install the version of meddino that wrote"),
        (changed(colour="red"), "holds 'colour', which is not a field of a record"),
        (changed(labels={"256": "x"}), "expected names by number, 0 to 255"),
        (changed(labels={"liver": 1}), "record is not valid"),
        (changed(labels=["liver"]), "record is not valid"),
        (changed(plan={"pixdim": [0, 1]}), r"pixdim is \[0, 1\], expected two positive numbers \(mm\) or null"),
        (changed(plan={"pixdim": "1"}), "pixdim is '1'"),
        (changed(plan={"roi_size": [10**9, 64]}), "expected two numbers of pixels up to 65536"),
        (changed(plan={"roi_size": [64.5, 64]}), "roi_size is"),
        (changed(plan={"roi_sise": [64, 64]}), "plan holds 'roi_sise'"),
        (changed(plan={"background": "$open('x')"}), "background is"),
        (changed(modality="pet"), "expected 'ct', 'mr', a modality for each channel, or null"),
        (changed(bundle="../elsewhere"), "expected a bundle's name"),
        (changed(architecture={"depth": 3}), "expected a mapping with _target_"),
        (
            changed(regions={"convention": "x", "names": ["a"], "members": [[1], [2]], "written": [1]}),
            "equally many names",
        ),
        (changed(channels=[1]), "channels is"),
        (changed(postprocessing={"a": "largest"}), "expected a list of steps by the name of each organ"),
        (changed(postprocessing={"a": [{"name": "largest"}]}), "postprocessing is"),
        (changed(postprocessing=["largest"]), "postprocessing is"),
        (changed(parents=["x"]), "parents is"),
        (changed(metrics={"dice": float("nan")}), "metrics is"),
    ],
)
def test_another_content_is_refused_by_name(text, said):
    with pytest.raises(InputError, match=said) as error:
        WeightsRecord.from_json(text, source="model.pt")
    assert str(error.value).startswith("model.pt: its record ")
    assert "\n" not in str(error.value)


def test_a_record_nested_beyond_reason_is_refused():
    deep = {}
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(InputError, match="data is"):
        WeightsRecord.from_json(changed(data=deep), source="model.pt")
    with pytest.raises(InputError, match="is not JSON"):
        WeightsRecord.from_json("[" * 100_000, source="model.pt")


def test_case_ids_are_hashed():
    assert hash_of_case("amos_0001") == hash_of_case("amos_0001") != hash_of_case("amos_0002")
    assert len(hash_of_case("amos_0001")) == 16
