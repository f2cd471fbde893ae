"""Every rule of a release is broken once and named."""

import json
import shutil

import pytest
import torch
from command_lines import AMOS, REPOSITORY

from meddino_components.bundle.release_checks import check_release
from meddino_components.errors import InputError


@pytest.fixture
def bundle(tmp_path):
    """A copy of a bundle as it is unpacked, with the one file of the components that the rules look at."""
    root = tmp_path / AMOS.name
    shutil.copytree(AMOS, root, ignore=shutil.ignore_patterns("sources", "models", "output", "eval"))
    (root / "meddino_components").mkdir()
    shutil.copy(REPOSITORY / "meddino_components" / "__init__.py", root / "meddino_components")
    return root


def change(path, **entries):
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(entries)
    path.write_text(json.dumps(content))


def problems(root):
    with pytest.raises(InputError) as error:
        check_release(root)
    first, _, found = str(error.value).partition(" cannot be released: ")
    assert first == root.name
    return found.split("; ")


def test_the_rules_are_kept_by_the_committed_bundle(bundle, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "meddino_components.bundle.release_checks._run_monai", lambda root, *words: asked.append(words[0])
    )
    assert len(check_release(bundle)) == 8
    assert asked == ["verify_metadata", "verify_net_in_out"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$__import__('os').remove('x')", "uses remove"),
        ("$open('x').read()", "uses read"),
        ("$torch.os.system('x')", "uses torch.os.system"),
        ("$().__class__.__mro__", "uses __mro__"),
        ("$import os", "is no Python expression"),
        ("$getattr(@network, 'x')", "uses getattr"),
        ("$[eval(x) for x in @network]", "uses ListComp"),
        ("$1 +", "is no Python expression"),
        ("/home/someone/data", "names a path of one machine"),
        ("$@bundle_root or '/data/x/model.pt'", "names a path of one machine"),
        ("~/data", "names a path of one machine"),
        ("C:\\data", "names a path of one machine"),
    ],
)
def test_expressions_and_paths(bundle, expression, message):
    change(bundle / "configs" / "laptop.json", epochs=[{"deep": expression}])
    (found,) = problems(bundle)
    assert found.startswith("configs/laptop.json: ")
    assert message in found


@pytest.mark.parametrize("target", ["os.system", "torch.load", "torch.hub.load", "builtins.eval", "evil.Component"])
def test_components(bundle, target):
    change(bundle / "configs" / "train.json", inferer={"_target_": target})
    assert f"configs/train.json: the component '{target}' is not among those that a bundle may use" in problems(bundle)


def test_metadata(bundle):
    change(bundle / "configs" / "metadata.json", version="9.9.9", name="other", meddino_components_version="0.0.1")
    found = problems(bundle)
    assert [text.split(": ")[1].split(" ")[0] for text in found] == ["version", "its", "meddino_components_version"]


def test_keys_that_monai_requires(bundle):
    config = json.loads((bundle / "configs" / "inference.json").read_text(encoding="utf-8"))
    del config["inferer"]
    (bundle / "configs" / "inference.json").write_text(json.dumps(config))
    assert problems(bundle) == ["configs/inference.json has no inferer, which MONAI requires"]


def test_files(bundle):
    (bundle / "docs" / "weights_license.txt").unlink()
    (bundle / "weights.pkl").write_bytes(b"x")
    (bundle / "configs" / "train.yaml").write_text("a: 1")
    (bundle / "link.txt").symlink_to("/etc/hosts")
    found = "\n".join(problems(bundle))
    for message in (
        "docs/weights_license.txt is missing",
        "weights.pkl: has no place",
        "configs/train.yaml: has no place",
        "link.txt is a link",
    ):
        assert message in found


class Harmful:
    def __reduce__(self):
        return print, ("code ran",)


def test_weights_that_could_run_code(bundle, capsys):
    (bundle / "models").mkdir()
    torch.save({"model": Harmful()}, bundle / "models" / "model.pt")
    (found,) = problems(bundle)
    assert "model.pt" in found
    assert "code ran" not in capsys.readouterr().out
