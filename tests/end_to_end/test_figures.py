"""The figure commands as users type them."""

import numpy as np
import pytest
import torch
from in_process import command
from volume_files import ct_voxels, save_nifti

from meddino_components.checkpoints import write_weights
from meddino_components.networks import vit_backbone

TINY = {"embed_dim": 24, "depth": 1, "num_heads": 2}
OPTIONS = ["--modality", "ct", "--device", "cpu", "--dpi", 60]


@pytest.fixture
def scan(tmp_path):
    return save_nifti(tmp_path / "scan.nii.gz", ct_voxels(shape=(48, 40, 5)), spacing_mm=(4.0, 4.0, 4.0))


@pytest.fixture
def teachers(tmp_path):
    for number in (5, 10):
        torch.manual_seed(number)
        path = tmp_path / "teachers" / f"teacher_{number:07d}.safetensors"
        path.parent.mkdir(exist_ok=True)
        write_weights(vit_backbone("vit_mini", **TINY).state_dict(), path, {"iteration": str(number)})
    return tmp_path / "teachers" / "*.safetensors"


def drawn(path):
    from matplotlib.image import imread

    return np.asarray(imread(path))


def test_three_figures(scan, teachers, tmp_path, capsys):
    one = teachers.parent / "teacher_0000010.safetensors"
    out = {name: tmp_path / f"{name}.png" for name in ("resolutions", "similarity", "checkpoints")}
    assert command("figure", "resolutions", scan, out["resolutions"], one, "--slices", "[1,3]", "--sizes", "[64,128]",
                   *OPTIONS) == 0  # fmt: skip
    assert command("figure", "similarity", scan, out["similarity"], "--weights", one, "--size", 128,
                   "--points", "[[24,20,2],[20,12,2]]", *OPTIONS) == 0  # fmt: skip
    assert command("figure", "checkpoints", scan, out["checkpoints"], "--weights", f"random,{teachers}",
                   "--size", 64, "--slice", 2, *OPTIONS) == 0  # fmt: skip
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {out['checkpoints']}"
    shapes = {name: drawn(path).shape for name, path in out.items()}
    wide, high = ({name: shape[k] for name, shape in shapes.items()} for k in (1, 0))
    assert wide["resolutions"] > wide["checkpoints"]  # three columns, two
    assert high["checkpoints"] > high["resolutions"] > high["similarity"]  # four rows, two, one
    assert all(drawn(path)[..., :3].std() > 0.1 for path in out.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resolutions", "{scan}", "a.png", "--weights", "lost.pt"], "lost.pt: no such file"),
        (["resolutions", "lost.nii.gz", "a.png", "--weights", "random"], "lost.nii.gz: no such file or folder"),
        (["resolutions", "{scan}", "a.jpg", "--weights", "random"], "must end in .png, .pdf or .svg"),
        (["resolutions", "{scan}", "lost/a.png", "--weights", "random"], "the folder lost does not exist"),
        (
            ["resolutions", "{scan}", "a.png", "--weights", "random", "--slices", "9"],
            "no slice 9. Choose an index from 0 (the lowest slice) to 4",
        ),
        (
            ["resolutions", "{scan}", "a.png", "--weights", "random", "--sizes", "[100]"],
            "a multiple of its patch size, 16 px",
        ),
        (
            ["resolutions", "{scan}", "a.png", "--weights", "random", "--sizes", "big"],
            "expected a whole number or a list",
        ),
        (["similarity", "{scan}", "a.png", "--weights", "random", "--points", "[[1,2,99]]"], "lies outside the scan"),
        (["similarity", "{scan}", "a.png", "--weights", "random", "--points", "[[0,0,2]]"], "in the air outside"),
        (["similarity", "{scan}", "a.png", "--weights", "random", "--window", "[3,1]"], "two increasing grey levels"),
        (["checkpoints", "{scan}", "a.png", "--weights", "lost*.pt"], "no file matches"),
    ],
)
def test_wrong_input_is_one_line(scan, tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    given = [str(a).format(scan=scan) for a in arguments]
    assert command("figure", *given, *OPTIONS, "--backbone", "vit_mini") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_weights_have_to_be_said(scan, capsys):
    assert command("figure", "similarity", scan, "a.png", "--modality", "ct") == 2
    assert "needs WEIGHTS" in capsys.readouterr().err
