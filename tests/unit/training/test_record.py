"""What a run says about itself."""

from types import SimpleNamespace

import pytest
import torch
from monai.networks.nets import UNet

from meddino_components.checkpoints import WeightsRecord, hash_of_case, write_weights
from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter
from meddino_components.shared_options import flattened
from meddino_components.training import training_record

PLAN = {
    "roi_size": (64, 64),
    "pixdim": 2.0,
    "context_slices": 1,
    "fingerprint": {"_desc_": "why", "mean": 1.0},
    "background": None,
    "check_modality": True,
    "axcodes": "PLS",
}
CASES = [{"case_id": "b", "modality": "ct"}, {"case_id": "a", "modality": "ct"}]


@pytest.fixture
def network():
    backbone = DinoVisionTransformer(embed_dim=16, depth=1, num_heads=2)
    return MedDinoSegmenter(backbone=backbone, num_classes=2, interaction_indices=[0])


def record_of(network, **settings):
    given = {
        "plan": PLAN,
        "channels": ["image"],
        "training_cases": CASES,
        "labels": ["background", "liver"],
        **settings,
    }
    return flattened(training_record)(network=network, **given)


def test_plan_labels_and_split(network):
    record = record_of(network, dataset_dir="/secret/place/Task03", layout="msd", fold=1, n_folds=5, seed=7)
    assert record.plan["roi_size"] == [64, 64]
    assert record.plan["pixdim"] == [2.0, 2.0]
    assert record.plan["fingerprint"] == {"mean": 1.0}
    assert record.plan["intensity_version"] == 1
    assert record.labels == {0: "background", 1: "liver"}
    assert (record.modality, record.data["name"], record.data["fold"]) == ("ct", "Task03", 1)
    assert record.data["training"]["cases"] == [hash_of_case("a"), hash_of_case("b")]
    assert record.seeds == {"training": 7}
    assert "secret" not in record.to_json()
    assert record == WeightsRecord.from_json(record.to_json(), source="x")


@pytest.mark.parametrize(
    ("split", "kept"),
    [(None, None), ("nnunet", "nnunet"), ("/secret/nnUNet_preprocessed/Dataset001", "splits_final.json")],
)
def test_the_rule_of_the_split_is_kept_but_no_path(network, split, kept):
    record = record_of(network, split=split)
    assert record.data["split"] == kept
    assert "secret" not in record.to_json()


def test_the_split_does_not_depend_on_the_order(network):
    first, second = (record_of(network, training_cases=cases) for cases in (CASES, CASES[::-1]))
    assert first.id == second.id
    assert record_of(network, training_cases=CASES[:1]).id != first.id


def test_several_modalities_are_none(network):
    assert record_of(network, training_cases=[*CASES, {"case_id": "c", "modality": "mr"}]).modality is None


def test_regions_in_the_place_of_classes(network):
    record = record_of(network, labels=None, regions=brats_regions("brats2023"))
    assert record.labels == {0: "background", 1: "non-enhancing core", 2: "oedema", 3: "enhancing tumour"}
    assert record.regions["written"] == [2, 1, 3]


def test_parents_and_their_licences(network, tmp_path):
    parent = WeightsRecord(licences=("CC-BY-NC-4.0",))
    sha256 = write_weights({"x": torch.ones(1)}, tmp_path / "encoder.safetensors", record=parent)
    report = SimpleNamespace(source=str(tmp_path / "encoder.safetensors"), sha256=sha256)
    record = record_of(network, encoder=report, licences=["CC-BY-4.0"])
    assert record.parents == (
        {"source": "encoder.safetensors", "sha256": sha256, "role": "encoder", "record_id": parent.id},
    )
    assert record.licences == ("CC-BY-4.0", "CC-BY-NC-4.0")


def test_training_further_needs_the_same_network_and_labels(network, tmp_path):
    path = tmp_path / "model.pt"
    write_weights(network.state_dict(), path, record=record_of(network))
    again = record_of(network, trained_further=path)
    assert [parent["role"] for parent in again.parents] == ["network"]
    # the run's, as in inference
    unchecked = record_of(network, trained_further=path, plan={**PLAN, "check_modality": False})
    assert unchecked.plan["check_modality"] is False
    with pytest.raises(
        InputError, match=r"its record and this configuration differ in 'labels' \(1\): package these weights"
    ):
        record_of(network, trained_further=path, labels=["background", "kidney"])
    with pytest.raises(InputError, match=r"this configuration differ in 'plan' \(pixdim\)"):
        record_of(network, trained_further=path, plan={**PLAN, "pixdim": 3.0})
    with pytest.raises(InputError, match=r"this configuration differ in 'plan' \(axcodes\)"):
        record_of(network, trained_further=path, plan={**PLAN, "axcodes": "IPL"})


def test_weights_that_do_not_say_how_slices_lie_are_trained_further_on_axial_ones(network, tmp_path):
    path = tmp_path / "model.pt"
    plan = {key: value for key, value in PLAN.items() if key != "axcodes"}
    write_weights(network.state_dict(), path, record=record_of(network, plan=plan))
    assert record_of(network, trained_further=path).plan["axcodes"] == "PLS"
    with pytest.raises(InputError, match=r"this configuration differ in 'plan' \(axcodes\)"):
        record_of(network, trained_further=path, plan={**PLAN, "axcodes": "ILP"})


def test_cases_of_monai_label_are_known_by_their_images(network):
    record = record_of(network, training_cases=[{"image": "/studies/scan 1.nii.gz", "label": "x"}])
    assert record.data["training"]["cases"] == [hash_of_case("scan 1")]


def test_a_network_of_monai_by_its_definition():
    definition = {"_target_": "UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 2}
    definition |= {"channels": [4, 8], "strides": [2]}
    record = record_of(UNet(**{k: v for k, v in definition.items() if k != "_target_"}), definition=definition)
    assert record.architecture == {**definition, "_target_": "monai.networks.nets.UNet"}
    assert record_of(torch.nn.Conv2d(1, 2, 1), definition={"_target_": "torch.nn.Conv2d"}).architecture is None


def test_how_many_cases_annotated_each_label(network):
    assert "annotated" not in record_of(network).data
    cases = [{**CASES[0], "annotated": ["spleen"]}, CASES[1]]
    record = record_of(network, training_cases=cases, labels=["background", "liver", "spleen"])
    assert record.data["annotated"] == {"liver": 1, "spleen": 2}
    assert record == WeightsRecord.from_json(record.to_json(), source="x")
