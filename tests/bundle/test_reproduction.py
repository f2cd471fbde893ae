"""The overlays that set what the published fine-tuning had."""

import pytest
from bundle_configs import SEGMENTATION, read
from command_lines import AMOS
from monai.bundle import ConfigParser

from meddino_components.data import NormalizeIntensityByModalityd
from meddino_components.errors import InputError, input_error

FINGERPRINT = {"percentile_00_5": -300, "percentile_99_5": 300, "mean": 60, "std": 70}


def overlaid(bundle, *names, **typed):
    parser = ConfigParser(read(bundle, *names))
    for key, value in typed.items():
        parser[key] = value
    return parser


@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
def test_images_go_through_the_spline_in_training_and_at_inference(bundle):
    parser = overlaid(bundle, "train", "reproduction", fingerprint=FINGERPRINT)
    resample = parser.get_parsed_content("train::preprocessing").transforms[-1]
    assert tuple(resample.modes) == ("cubic", "per_label")
    assert parser.get_parsed_content("inferer").resampling == "cubic"
    assert parser["record"]["plan"]["resampling"] == "@resampling"
    assert overlaid(bundle, "train").get_parsed_content("inferer").resampling == "bilinear"


@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize(("overlays", "kept"), [((), "BestModel"), (("reproduction",), "LastModel")])
def test_the_network_of_the_end_is_kept(bundle, overlays, kept):
    parser = overlaid(bundle, "train", *overlays)
    parser["validate"]["dataset"]["data"] = [{"case_id": "a"}]
    handlers = {
        handler["_target_"].rpartition(".")[2]: (key, number)
        for key in ("train", "validate")
        for number, handler in enumerate(parser[key]["handlers"])
    }
    found = []
    for name in ("BestModel", "LastModel"):
        key, number = handlers[name]
        if not parser.get_parsed_content(f"{key}::handlers::{number}::_disabled_"):
            found.append(name)
    assert found == [kept]


def test_ct_is_normalised_by_the_data_sets_statistics_or_not_at_all():
    with pytest.raises(Exception, match="stated_fingerprint") as error:
        overlaid(AMOS, "train", "reproduction").get_parsed_content("normalize_image")
    assert "fingerprint is null" in str(input_error(error.value))
    assert isinstance(input_error(error.value), InputError)
    normalize = overlaid(AMOS, "train", "reproduction", fingerprint=FINGERPRINT).get_parsed_content("normalize_image")
    assert isinstance(normalize, NormalizeIntensityByModalityd)
    assert normalize.fingerprint == FINGERPRINT


@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
def test_evaluation_averages_over_both_mirrors(bundle):
    assert overlaid(bundle, "evaluate", "reproduction_evaluate").get_parsed_content("mirror_axes") == [0, 1]
