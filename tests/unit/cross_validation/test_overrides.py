import pytest

from meddino_components.cross_validation.overrides import shared_out
from meddino_components.errors import InputError

TRAINING = {"epochs": 9, "amp": True, "roi_size": [8, 8], "network_def": {}, "split": None, "fold": 0}
EVALUATION = {
    "amp": True,
    "roi_size": None,
    "metrics": [],
    "network_def": {},
    "split": None,
    "published": {"roi_size": [8, 8], "split": None, "fold": 0},
}


def test_each_configuration_gets_its_own_settings():
    typed = {"epochs": 2, "amp": False, "metrics": ["a"], "split": "nnunet"}
    training, evaluation = shared_out(typed, TRAINING, EVALUATION)
    assert training == {"epochs": 2, "amp": False, "split": "nnunet"}
    assert evaluation == {"amp": False, "metrics": ["a"], "split": "nnunet"}


def test_the_evaluation_takes_the_network_from_the_weights():
    typed = {"roi_size": [4, 4], "network_def::dropout": 0.1}
    assert shared_out(typed, TRAINING, EVALUATION) == (typed, {})
    # a network of the user's own, which no record describes
    whole = {"network_def": {"_target_": "UNet"}}
    assert shared_out(whole, TRAINING, EVALUATION) == (whole, whole)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("fold", r"cross_validate sets fold itself \(all folds are run\): leave out --fold"),
        ("resume", "cross_validate sets resume itself"),
        ("epoch", "no key 'epoch': did you mean epochs"),
    ],
)
def test_wrong_keys(key, message):
    with pytest.raises(InputError, match=message):
        shared_out({key: 1}, TRAINING, EVALUATION)
