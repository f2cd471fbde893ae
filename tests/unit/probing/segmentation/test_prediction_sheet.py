"""One slice of each case with its reference and every encoder's prediction."""

import numpy as np
import pytest
from PIL import Image
from volume_files import ct_voxels, save_nifti

from meddino_components.pictures import overlay
from meddino_components.probing.segmentation import prediction_sheet
from meddino_components.probing.segmentation.prediction_sheet import ShownCase, write_prediction_sheet

NAMES = ["background", "organ", "lesion"]


@pytest.fixture
def drawn(monkeypatch):
    """Labels and texts of the tiles, in their order."""
    tiles, original = [], overlay.draw_slice

    def draw(axes, image, labels, window, aspect, text, **settings):
        tiles.append((np.array(labels), text, image.shape))
        return original(axes, image, labels, window, aspect, text, **settings)

    monkeypatch.setattr(prediction_sheet.overlay, "draw_slice", draw)
    return tiles


def labels(n_slices, most):
    """Labels of a volume, of which slice ``most`` shows most."""
    found = np.zeros((n_slices, 32, 32), np.uint8)
    found[:, 4:8, 4:8] = 1
    found[most, 4:20, 4:20] = 2
    return found


def test_the_slice_with_most_of_the_reference(drawn, tmp_path):
    save_nifti(tmp_path / "a.nii.gz", ct_voxels(0))
    case = {"image": str(tmp_path / "a.nii.gz"), "case_id": "a", "modality": "ct", "label": ""}
    predictions = {"mine": labels(5, 0), "raw pixels": np.zeros((5, 32, 32), np.uint8)}
    shown = ShownCase(case, labels(5, 3), predictions)
    write_prediction_sheet(tmp_path / "sheet.png", [shown], label_names=NAMES, size_px=32, title="conv_3d")
    assert [text for _, text, _ in drawn] == ["a 4/5", "", ""]
    for (found, _, shape), volume in zip(drawn, (labels(5, 3), *predictions.values()), strict=True):
        np.testing.assert_array_equal(found, volume[3])
        assert shape == (32, 32)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 2 * picture.height


def test_pictures_keep_their_colours(drawn, tmp_path):
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :, 0] = 250
    Image.fromarray(pixels).save(tmp_path / "b.png")
    case = {"image": str(tmp_path / "b.png"), "case_id": "b", "modality": "picture", "label": ""}
    shown = ShownCase(case, labels(1, 0), {"mine": labels(1, 0)})
    write_prediction_sheet(tmp_path / "sheet.png", [shown], label_names=NAMES, size_px=32, title="linear")
    assert [(text, shape) for _, text, shape in drawn] == [("b", (32, 32, 3)), ("", (32, 32, 3))]
    image, is_picture = prediction_sheet._image(case, 0, 32)
    assert is_picture
    np.testing.assert_allclose(image, pixels / 255, atol=0.02)
