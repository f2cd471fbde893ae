"""What a checkpoint remembers of a configuration."""

from monai.bundle import ConfigParser

CASES = [{"case_id": "b"}, {"case_id": "a"}]


def settings_of(config, **arguments):
    component = {"_target_": "meddino_components.bundle.run_settings", "may_change": ["settings"], **arguments}
    return ConfigParser({**config, "settings": component}).get_parsed_content("settings")


def test_values_as_written_but_for_those_that_may_change():
    config = {"epochs": 2, "rate": "$@epochs / 4", "part": {"size": 1, "_desc_": "why", "other": {"deep": [1, (2,)]}}}
    assert settings_of(config) == {"epochs": 2, "rate": "$@epochs / 4", "part::size": 1, "part::other::deep": [1, [2]]}
    assert settings_of(config, may_change=["settings", "epochs", "part::other"]) == {
        "rate": "$@epochs / 4",
        "part::size": 1,
    }


def test_remarks_and_what_is_made_first_are_no_settings():
    component = {"_target_": "torch.nn.ReLU", "_desc_": "why", "_requires_": "@seed", "_disabled_": True}
    assert settings_of({"seed": 0, "part": component}) == {
        "seed": 0,
        "part::_target_": "torch.nn.ReLU",
        "part::_disabled_": True,
    }


def test_cases_in_any_order_and_further_facts():
    found = settings_of({}, cases={"training cases": CASES}, facts={"store": "abc"})
    assert found == settings_of({}, cases={"training cases": CASES[::-1]}, facts={"store": "abc"})
    assert found["training cases"].startswith("2 cases, SHA-256 of their ids ")
    assert found["store"] == "abc"
    assert settings_of({}, cases={"training cases": CASES[:1]})["training cases"] != found["training cases"]


def test_other_annotations_of_the_same_cases_are_other_data():
    found = [
        settings_of({}, cases={"training cases": [CASES[0], CASES[1] | partial]})["training cases"]
        for partial in ({}, {"annotated": ["liver"]}, {"annotated": ["spleen"]}, {"label_values": {"4": 255}})
    ]
    assert len(set(found)) == 4
    assert found[0] == settings_of({}, cases={"training cases": CASES})["training cases"]
