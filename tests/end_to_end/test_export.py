"""Export of a bundle's network, and what runs the file, as users type it."""

import json

import nibabel as nib
import numpy as np
import pytest
from command_lines import AMOS
from in_process import run_here, untouched_process, write_laptop_model
from visible_files import visible

from meddino_components.__main__ import main
from meddino_components.checkpoints import sha256_of
from meddino_components.errors import input_error
from meddino_components.export import export

LAPTOP = {"bundle": str(AMOS), "overlay_config": "laptop"}


def error_of(*arguments):
    with untouched_process(), pytest.raises(SystemExit) as end:
        main(["export", *map(str, arguments), "--bundle", str(AMOS)])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("model.pt", [], "exported networks are .onnx or .pt2 files"),
        ("model.pt2", ["--model", "lost.pt"], "lost.pt"),
        ("model.pt2", ["--overlay_config", "lost"], "has no configuration 'lost'. It has evaluate"),
        ("model.pt2", ["--roi_sise", "[64,64]"], "no key 'roi_sise': did you mean 'roi_size'?"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, capsys, name, options, said):
    error_of(tmp_path / name, *options)
    assert said in capsys.readouterr().err
    assert not visible(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_an_exported_network_segments_like_the_original(phantoms, tmp_path, suffix):
    if suffix == "onnx":
        pytest.importorskip("onnxruntime")
    weights, exported = tmp_path / "model.pt", tmp_path / f"model.{suffix}"
    write_laptop_model(weights)
    with untouched_process():
        said = export(str(exported), model=str(weights), **LAPTOP)
    assert said.startswith(f"wrote {exported}\n1 x 1 x 128 x 128: logits differ by at most")
    assert said.endswith(f"SHA-256 {sha256_of(exported)}")
    record = json.loads((tmp_path / f"model.{suffix}.json").read_text(encoding="utf-8"))
    assert record["bundle"] == "meddinov3_seg_amos"
    assert record["input"]["fixed_axes"] == ["channels"]
    assert record["output"]["labels"][1] == "spleen"
    case = sorted((phantoms / "imagesTr").glob("*.nii.gz"))[0]
    labels = {}
    for model in (weights, exported):
        stated = ["--model_sha256", sha256_of(model)] if model.suffix == ".pt2" else []
        output = tmp_path / f"output of {model.name}"
        with untouched_process():
            main(["segment", str(case), str(output), "--model", str(model), "--bundle", str(AMOS),
                  "--overlay_config", "laptop", "--modality", "ct", *stated])  # fmt: skip
        (written,) = output.glob("*.nii.gz")
        labels[model] = np.asarray(nib.load(written).dataobj)
        assert json.loads(next(output.glob("amos*.json")).read_text(encoding="utf-8"))["model_sha256"]
    # the bundle computes in bf16 where the processor does, the file in fp32
    assert np.mean(labels[weights] == labels[exported]) > 0.98


def test_tensorrt_is_refused_where_it_is_not(phantoms, tmp_path):
    weights = tmp_path / "model.pt"
    write_laptop_model(weights)
    settings = {
        "dataset_dir": str(phantoms / "imagesTr"),
        "output_dir": str(tmp_path),
        "model_path": str(weights),
        "modality": "ct",
    }
    with pytest.raises(Exception) as error:
        run_here(["inference", "laptop", "inference_trt"], {**settings, "device": "$torch.device('cpu')"})
    assert "TensorRT needs a CUDA device, got cpu" in str(input_error(error.value))
