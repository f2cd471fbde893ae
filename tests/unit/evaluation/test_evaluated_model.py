"""What is said about the weights."""

import pytest

from meddino_components.evaluation import EvaluatedModel


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (
            {"kept": "best", "val_mean_dice": 0.81254, "epoch": 50},
            "best validation of its training (val_mean_dice 0.8125), after epoch 50",
        ),
        ({"kept": "last", "epoch": 1000}, "end of its training, after epoch 1000"),
        (None, "the weights do not say which checkpoint of their training they are"),
    ],
)
def test_the_checkpoint_in_words(selection, words):
    model = EvaluatedModel(selection=selection, inference={"_desc_": "why", "sw_overlap": 0.5})
    assert model.settings() == {"network": words, "sw_overlap": 0.5}


def test_the_networks_of_an_ensemble_have_their_own_settings():
    members = [
        {"model": "a.pt", "network": {"kept": "last", "epoch": 5}, "roi_size": [64, 64]},
        {"model": "b.pt", "network": None, "roi_size": [96, 96]},
    ]
    found = EvaluatedModel(inference={"roi_size": [64, 64], "sw_overlap": 0.5}, members=members).settings()
    assert found["roi_size"] == [[64, 64], [96, 96]]
    assert found["sw_overlap"] == 0.5
    assert found["network"] == (
        "mean of 2 networks; a.pt: end of its training, after epoch 5; "
        "b.pt: the weights do not say which checkpoint of their training they are"
    )
