"""Which keys hold texts is told by their defaults and by who takes them."""

import pytest

from meddino_components.bundle.text_keys import holds_text, is_null

CONFIG = {
    "path": "",
    "weights": "hf://a/b",
    "made": "$@path + '/models/model.pt'",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "through": "@path",
    "number": 3,
    "flag": False,
    "some": [1, 2],
    "null_path": None,
    "null_number": None,
    "null_unread": None,
    "bundle_root": {"_target_": "x"},
    "loader": {
        "_target_": "meddino_components.data.list_cases",
        "source": "@path",
        "modality": "@null_path",
        "exclude": None,
    },
    "stopping": {"_target_": "meddino_components.training.EarlyStopping", "patience": "@null_number"},
}


@pytest.mark.parametrize(
    "key", ["path", "weights", "made", "through", "null_path", "bundle_root", "loader::source", "loader::exclude"]
)
def test_texts(key):
    assert holds_text(CONFIG, key)


@pytest.mark.parametrize("key", ["device", "number", "flag", "some", "null_number", "null_unread", "stopping", "none"])
def test_others(key):
    assert not holds_text(CONFIG, key)


def test_null_is_seen_through_a_reference():
    assert is_null(CONFIG, "null_path")
    assert is_null({"a": "@b", "b": None}, "a")
    assert not is_null(CONFIG, "path")
