"""Settings by the record, by what is typed and by what the bundle was published with."""

import pytest
import torch
from published_settings import FINGERPRINT, PUBLISHED, settings

from meddino_components.checkpoints import read_record, write_weights
from meddino_components.data import brats_regions
from meddino_components.data.volumes.regions import plain_regions
from meddino_components.errors import InputError
from meddino_components.inference import FillHoles, LargestComponent, network_of_model


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


def test_the_steps_of_postprocessing_are_those_of_the_record_unless_they_are_turned_off(weights):
    path = weights(postprocessing={"kidney": [{"step": "fill_holes", "connectivity": 1}]})
    assert settings(path).postprocess == {"kidney": (FillHoles(),)}
    assert settings(path).postprocess_settings == read_record(path).postprocessing
    assert settings(path, postprocess=False).postprocess == {}
    assert settings(path, postprocess=False).postprocess_settings is None
    bare = settings(weights(), postprocess={"kidney": [LargestComponent()]})
    assert bare.postprocess == {"kidney": (LargestComponent(),)}
    assert settings(weights()).postprocess == {}


def test_steps_for_weights_without_a_record(tmp_path):
    found = settings(tmp_path / "not trained yet.pt", postprocess={"liver": [LargestComponent()]})
    assert found.postprocess == {"liver": (LargestComponent(),)}
    with pytest.raises(InputError, match="postprocess names 'kidney': expected one of spleen, liver"):
        settings(tmp_path / "not trained yet.pt", postprocess={"kidney": [LargestComponent()]})


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
