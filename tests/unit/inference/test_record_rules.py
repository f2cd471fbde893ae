"""What is typed, and what a bundle says, agrees with the record of the weights, or is refused with both values."""

import json

import pytest
from published_settings import FINGERPRINT, settings

from meddino_components.checkpoints import write_weights
from meddino_components.errors import InputError


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
            r"trained with orientation RAS, but this version has PLS \(axial\), ILP \(coronal\) or IPL",
        ),
        ("intensity_version", 2, "was trained with intensity table 2, but this version has 1"),
    ],
)
def test_what_this_version_computes_otherwise_is_refused(weights, record, key, value, said):
    with pytest.raises(InputError, match=said):
        settings(weights(plan={**record.plan, key: value}))


def test_a_bundles_own_weights_have_to_be_those_that_its_metadata_describes(network, record, tmp_path):
    for folder in ("configs", "models"):
        (tmp_path / folder).mkdir()
    outputs = {"pred": {"channel_def": {"0": "background", "1": "spleen"}}}
    metadata = {"network_data_format": {"outputs": outputs}}
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    write_weights(network.state_dict(), tmp_path / "models" / "model.pt", record=record)
    with pytest.raises(
        InputError, match=r"the labels \{1: 'kidney'\}, .*metadata.json has \{1: 'spleen'\}: package these weights"
    ):
        settings(tmp_path / "models" / "model.pt", root=tmp_path)
    outputs["pred"]["channel_def"]["1"] = "kidney"
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    assert settings(tmp_path / "models" / "model.pt", root=tmp_path).num_outputs == 2
