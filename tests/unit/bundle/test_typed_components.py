"""A component that was typed and is nowhere is named, with the one most like it."""

import pytest
from monai.bundle import ConfigParser

from meddino_components.bundle.typed_components import check_components
from meddino_components.errors import InputError

OWN = {"loss": {"_target_": "lost.Loss", "inner": {"_target_": "DiceLoss"}}}


def check(target, key="loss"):
    parser = ConfigParser({**OWN, key: {"_target_": target}})
    check_components(parser, OWN)


@pytest.mark.parametrize(
    "target", ["DiceCELoss", "torch.nn.Linear", "meddino_components.losses.GramLoss", "$@a", "@b", "lost.Loss"]
)
def test_components_that_are_there_or_were_there_before(target):
    check(target)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("DiceCELos", "'loss': there is no component 'DiceCELos': did you mean DiceCELoss\\? Name one of MONAI's"),
        ("my_package.Loss", "'loss': there is no component 'my_package.Loss': Name one of MONAI's, or module.name"),
        ("torch.nn.Liner", "there is no component 'torch.nn.Liner'"),
    ],
)
def test_components_that_are_nowhere(target, said):
    with pytest.raises(InputError, match=said):
        check(target)


def test_a_module_that_fails_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("raise ValueError('mine')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    check("failing.Loss")
