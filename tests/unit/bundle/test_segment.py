"""From Python the documented error is raised, whatever MONAI wraps it in."""

import pytest
from command_lines import AMOS

from meddino_components.bundle import segment
from meddino_components.errors import InputError
from meddino_components.export import export


def test_what_contradicts_the_weights_is_an_input_error(tmp_path, model):
    (tmp_path / "scan.nii.gz").touch()
    with pytest.raises(InputError, match="its record contradicts these settings"):
        segment(tmp_path / "scan.nii.gz", tmp_path / "out", modality="ct", model=model, overlay_config="laptop")
    with pytest.raises(InputError, match="its record contradicts these settings"):
        export(str(tmp_path / "model.onnx"), model=str(model), overlay_config="laptop")


def test_weights_that_are_not_there(tmp_path):
    (tmp_path / "scan.nii.gz").touch()
    with pytest.raises(InputError, match=r"lost\.pt: no such file"):
        segment(tmp_path, tmp_path / "out", bundle=AMOS, modality="ct", model=tmp_path / "lost.pt")


def test_a_misspelt_overlay_is_answered_with_the_bundles_own(tmp_path):
    with pytest.raises(
        InputError, match=r"no configuration 'labtop'\. Did you mean laptop\? It has evaluate, inference"
    ):
        segment(tmp_path, tmp_path / "out", bundle=AMOS, overlay_config="labtop")
    with pytest.raises(InputError, match="is no bundle's folder, give one by --bundle"):
        segment(tmp_path, tmp_path / "out", bundle=tmp_path)
