"""Settings by the record, by what is typed and by what the bundle was published with."""

import json
from dataclasses import replace

import pytest
import torch

from meddino_components.checkpoints import WeightsRecord, describe_network, write_weights
from meddino_components.data import brats_regions
from meddino_components.data.volumes.regions import plain_regions
from meddino_components.errors import InputError
from meddino_components.inference import model_settings, network_of_model
from meddino_components.networks import MedDinoSegmenter, vit_backbone

FINGERPRINT = {"percentile_00_5": -300.0, "percentile_99_5": 300.0, "mean": 60.0, "std": 70.0}
PUBLISHED = {
    "backbone": "vit_tiny",
    "random_start": {"qkv_bias": False, "norm_layer": "layernorm"},
    "interaction_indices": [2, 5, 8, 11],
    "context_slices": 1,
    "roi_size": [896, 896],
    "pixdim": [0.5, 0.5],
    "fingerprint": None,
    "background": None,
    "label_names": ["background", "spleen", "liver"],
    "channel_names": ["image"],
    "segment_codes": None,
    "dataset_layout": "amos",
    "fold": 0,
    "n_folds": 5,
}
NOTHING = dict.fromkeys(PUBLISHED)


@pytest.fixture(scope="module")
def network():
    backbone = vit_backbone("vit_mini", qkv_bias=False, norm_layer="layernorm")
    return MedDinoSegmenter(backbone=backbone, num_classes=2, interaction_indices=[1, 7])


@pytest.fixture(scope="module")
def record(network):
    return WeightsRecord(
        architecture=describe_network(network),
        plan={
            "roi_size": [64, 96],
            "pixdim": [2.5, 2.0],
            "context_slices": 1,
            "fingerprint": FINGERPRINT,
            "background": None,
            "axcodes": "PLS",
            "intensity_version": 1,
        },
        labels={0: "background", 1: "kidney"},
        codes={"kidney": {"kind": ["64033007", "SCT", "Kidney"]}},
        channels=("image",),
        modality="ct",
        data={"fold": 3, "n_folds": 4},
        bundle="meddinov3_seg_amos",
    )


@pytest.fixture
def weights(network, record, tmp_path):
    def write(**changes):
        write_weights(network.state_dict(), tmp_path / "model.pt", record=replace(record, **changes))
        return tmp_path / "model.pt"

    return write


def settings(path, published=PUBLISHED, modality=None, root=".", **typed):
    return model_settings(
        model_path=path, typed={**NOTHING, **typed}, published=published, modality=modality, bundle_root=root
    )


def test_the_record_says_all(weights, network):
    found = settings(weights())
    assert (found.roi_size, found.pixdim, found.fingerprint) == ([64, 96], [2.5, 2.0], FINGERPRINT)
    assert (found.label_names, found.num_outputs, found.in_channels) == (["background", "kidney"], 2, 1)
    assert (found.fold, found.n_folds) == (3, 4)
    assert found.segment_codes == {"kidney": {"kind": ["64033007", "SCT", "Kidney"]}}
    built = network_of_model(settings=found)
    built.load_state_dict(network.state_dict())
    assert built.backbone.norm.eps == 1e-6


@pytest.mark.parametrize(
    ("data", "typed", "layout"),
    [
        ({}, {}, "amos"),
        ({"layout": "msd"}, {}, "msd"),
        ({"layout": "msd"}, {"dataset_layout": "nnunet_raw"}, "nnunet_raw"),
    ],
)
def test_the_data_set_is_as_typed_then_as_in_training_then_as_published(weights, data, typed, layout):
    found = settings(weights(data=data, modality="mr"), **typed)
    assert (found.dataset_layout, found.modality) == (layout, "mr")
    assert settings(weights(data=data, modality=None), modality="ct", **typed).modality == "ct"


def test_the_split_is_as_typed_then_as_in_training(weights):
    assert settings(weights()).split is None
    assert settings(weights(data={"split": "nnunet"})).split == "nnunet"
    assert settings(weights(data={"split": "nnunet"}), split="patients").split == "patients"


def test_sides_that_the_encoders_patches_do_not_divide(network, tmp_path):
    write_weights(network.state_dict(), tmp_path / "bare.pt")
    sizes = {"backbone": "vit_mini", "interaction_indices": [1, 7], "label_names": ["background", "kidney"]}
    found = settings(tmp_path / "bare.pt", roi_size=[64, 100], **sizes)
    with pytest.raises(InputError, match=r"roi_size is \[64, 100\]; expected multiples of 16"):
        network_of_model(settings=found)


def test_labels_are_in_the_order_of_their_numbers(weights):
    names = {number: f"organ {number}" for number in (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)}
    assert settings(weights(labels=names)).label_names == [f"organ {number}" for number in range(12)]
    with pytest.raises(InputError, match=r"has the classes \[0, 2\], expected 0 to 1"):
        settings(weights(labels={0: "background", 2: "kidney"}))


def test_what_is_typed_may_repeat_it(weights):
    same = {"roi_size": [64, 96], "pixdim": [2.5, 2], "fingerprint": {"_desc_": "why", **FINGERPRINT}}
    same |= {"label_names": ["background", "kidney"], "backbone": "vit_mini", "interaction_indices": [7, 1]}
    same |= {"random_start": {"qkv_bias": False, "layerscale_init": 1.0}, "context_slices": 1, "fold": 1}
    same |= {"channel_names": ["image"]}
    found = settings(weights(), modality="ct", **same)
    assert found.record_id == settings(weights()).record_id
    assert found.fold == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"pixdim": [2.5, 2.1]}, r"pixdim is \[2.5, 2.0\] in the record, but set to \[2.5, 2.1\]"),
        ({"pixdim": 2.5}, r"pixdim is \[2.5, 2.0\] in the record, but set to 2.5"),
        ({"roi_size": [96, 64]}, r"roi_size is \[64, 96\] in the record, but set to \[96, 64\]"),
        ({"fingerprint": {**FINGERPRINT, "std": 71}}, "fingerprint is .*70.0.* in the record, but set to .*71.*"),
        ({"background": 0.0}, "background is null in the record, but set to 0.0"),
        ({"resampling": "cubic"}, "resampling is bilinear in the record, but set to cubic"),
        ({"axcodes": "IPL"}, "axcodes is PLS in the record, but set to IPL"),
        ({"backbone": "vit_base"}, "backbone is vit_mini in the record, but set to vit_base"),
        ({"random_start": {"qkv_bias": True}}, "random_start::qkv_bias is False in the record, but set to True"),
        (
            {"random_start": {"qkv_bias": False, "pos_embed_rope_dtype": "bf16"}},
            "random_start::pos_embed_rope_dtype is fp32 in the record, but set to bf16",
        ),
        ({"interaction_indices": [2]}, r"interaction_indices is \[1, 7\] in the record, but set to \[2\]"),
        ({"context_slices": 3}, "context_slices is 1 in the record, but set to 3"),
        ({"label_names": ["background", "spleen"]}, "label_names is .*kidney.* in the record, but set to .*spleen.*"),
        ({"channel_names": ["t1"]}, "channel_names is .*image.* in the record, but set to .*t1.*"),
        ({"modality": "mr"}, "modality is ct in the record, but set to mr"),
    ],
)
def test_a_contradiction_is_refused_with_both_values(weights, typed, said):
    with pytest.raises(InputError, match=said) as error:
        settings(weights(), **typed)
    assert "\n" not in str(error.value)
    assert "Omit them" in str(error.value)


def test_all_contradictions_are_named_at_once(weights):
    with pytest.raises(InputError, match=r"roi_size is .*; pixdim is .*; backbone is "):
        settings(weights(), roi_size=[1, 1], pixdim=1.0, backbone="vit_base")


def test_regions_come_from_the_record_and_another_year_is_refused(weights):
    regions = brats_regions("brats2023")
    path = weights(
        labels={0: "background", **dict(regions.label_names)},
        regions=plain_regions(regions),
        channels=("t1", "flair"),
        modality="mr",
    )
    published = {**PUBLISHED, "label_convention": "brats2021", "channel_names": ["t1", "t1ce", "t2", "flair"]}
    found = settings(path, published)
    assert found.regions.written == regions.written == (2, 1, 3)
    assert found.regions.members == regions.members
    assert found.label_names == dict(regions.label_names)
    assert (found.num_outputs, found.channel_names) == (3, ["t1", "flair"])
    assert settings(path, published, label_convention="brats2024").regions == found.regions
    with pytest.raises(InputError, match="label_convention is brats2023 in the record, but set to brats2021"):
        settings(path, published, label_convention="brats2021")
    with pytest.raises(InputError, match=r"expects the channels t1, flair, but this bundle has image: use the bundle"):
        settings(path)


def test_without_a_record_typed_comes_before_published(network, tmp_path):
    write_weights(network.state_dict(), tmp_path / "model.pt")
    for path in (tmp_path / "model.pt", tmp_path / "not trained yet.pt"):
        sizes = {"backbone": "vit_mini", "interaction_indices": [1, 7]}
        found = settings(path, pixdim=3, label_names={"0": "background", "1": "kidney"}, **sizes)
        assert (found.record, found.record_id, found.pixdim, found.roi_size) == (None, None, [3.0, 3.0], [896, 896])
        assert found.label_names == ["background", "kidney"]
        with torch.device("meta"):
            assert network_of_model(settings=found).backbone.depth == 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": {}}, "its record does not describe a segmentation network"),
        ({"plan": {"pixdim": [1, 1]}}, "its record does not describe a segmentation network"),
    ],
)
def test_an_encoder_is_no_segmentation_network(weights, changes, said):
    with pytest.raises(InputError, match=said):
        settings(weights(**changes))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "axcodes",
            "RAS",
            r"was trained with orientation RAS, but this version has PLS \(axial\), ILP \(coronal\) or IPL",
        ),
        ("intensity_version", 2, "was trained with intensity table 2, but this version has 1"),
    ],
)
def test_what_this_version_computes_otherwise_is_refused(weights, record, key, value, said):
    with pytest.raises(InputError, match=said):
        settings(weights(plan={**record.plan, key: value}))


@pytest.mark.parametrize("axcodes", ["PLS", "ILP", "IPL"])
def test_slices_lie_as_in_training(weights, record, axcodes):
    path = weights(plan={**record.plan, "axcodes": axcodes})
    assert settings(path).axcodes == settings(path, axcodes=axcodes).axcodes == axcodes
    other = "IPL" if axcodes == "PLS" else "PLS"
    with pytest.raises(InputError, match=f"axcodes is {axcodes} in the record, but set to {other}"):
        settings(path, axcodes=other)


def test_a_record_that_does_not_say_how_slices_lie_means_axial_ones(weights, record):
    path = weights(plan={key: value for key, value in record.plan.items() if key != "axcodes"})
    assert settings(path, published={**PUBLISHED, "axcodes": "ILP"}).axcodes == "PLS"
    with pytest.raises(InputError, match="axcodes is PLS in the record, but set to IPL"):
        settings(path, axcodes="IPL")


def test_how_slices_lie_of_weights_without_a_record(network, tmp_path):
    write_weights(network.state_dict(), tmp_path / "bare.pt")
    published = {**PUBLISHED, "axcodes": "ILP"}
    assert settings(tmp_path / "bare.pt", published).axcodes == "ILP"
    assert settings(tmp_path / "bare.pt", published, axcodes="IPL").axcodes == "IPL"
    with pytest.raises(InputError, match="axcodes is 'RAS'; expected PLS"):
        settings(tmp_path / "bare.pt", published, axcodes="RAS")


def test_a_bundles_own_weights_have_to_be_those_that_its_metadata_describes(network, record, tmp_path):
    for folder in ("configs", "models"):
        (tmp_path / folder).mkdir()
    outputs = {"pred": {"channel_def": {"0": "background", "1": "spleen"}}}
    metadata = {"network_data_format": {"outputs": outputs}}
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    write_weights(network.state_dict(), tmp_path / "models" / "model.pt", record=record)
    with pytest.raises(
        InputError, match=r"the labels \{1: 'kidney'\}, but .*metadata.json has \{1: 'spleen'\}: package"
    ):
        settings(tmp_path / "models" / "model.pt", root=tmp_path)
    outputs["pred"]["channel_def"]["1"] = "kidney"
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    assert settings(tmp_path / "models" / "model.pt", root=tmp_path).num_outputs == 2
