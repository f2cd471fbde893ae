"""Cases of all folds with labels and maps, each once, and what is left out."""

import numpy as np
import pytest
from PIL import Image

from meddino_components.embeddings import raw_pixels
from meddino_components.errors import InputError
from meddino_components.probing import Encoding
from meddino_components.probing.segmentation import Fold
from meddino_components.probing.segmentation.label_store import UnnamedLabelError
from meddino_components.probing.segmentation.mapped_set import map_cases, selection_of

PIXELS = raw_pixels(patch_size=8)


@pytest.fixture
def cases(tmp_path):
    """Four pictures of 16 pixels, in reverse order of their names."""
    made = []
    for k in (3, 2, 1, 0):
        mask = np.zeros((16, 16), np.uint8)
        mask[:8, :8] = 1
        Image.fromarray(40 * k + 60 * mask).save(tmp_path / f"{k}.png")
        Image.fromarray(mask).save(tmp_path / f"{k}_mask.png")
        files = {"image": str(tmp_path / f"{k}.png"), "label": str(tmp_path / f"{k}_mask.png")}
        made.append({**files, "case_id": f"c{k}", "modality": "picture", "patient": f"p{k // 2}"})
    return tuple(made)


def mapped(cases, tmp_path, n_classes=2):
    folds = [Fold("fold 0", cases[:2], cases[2:]), Fold("fold 1", cases[2:], cases[:2])]
    encoding = Encoding(cache_dir=tmp_path / "cache", progress=False)
    return map_cases(folds, [PIXELS], name="toy", n_classes=n_classes, size_px=16, encoding=encoding)


def test_each_case_once_with_its_own_labels_and_maps(cases, tmp_path):
    found = mapped(cases, tmp_path)
    assert list(found.cases) == ["c0", "c1", "c2", "c3"]
    chosen = found.of("raw pixels", cases[:2])
    assert [(case.case_id, case.patient, case.n_slices) for case in chosen] == [("c3", "p1", 1), ("c2", "p1", 1)]
    assert chosen[0].labels.native[0, :8, :8].all()
    maps = chosen[0].stack(0, 1)
    assert maps.shape[:1] + maps.shape[2:] == (1, 1, 2, 2)
    assert maps[0, :, 0, 0, 0].float().mean() > maps[0, :, 0, 1, 1].float().mean()


def test_a_case_that_cannot_be_read_is_left_out_with_the_reason(cases, tmp_path):
    (tmp_path / "2_mask.png").write_bytes(b"no picture")
    (tmp_path / "1.png").write_bytes(b"no picture")
    found = mapped(cases, tmp_path)
    assert set(found.unreadable) == {"c1", "c2"}
    assert [case.case_id for case in found.of("raw pixels", cases)] == ["c3", "c0"]
    for k in (0, 3):
        (tmp_path / f"{k}.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="toy: none of 4 cases can be read; the first: "):
        mapped(cases, tmp_path)


def test_a_label_without_a_name_is_not_left_out(cases, tmp_path):
    with pytest.raises(UnnamedLabelError, match="label 1, but there are names for 0 to 0 only"):
        mapped(cases, tmp_path, n_classes=1)


def test_one_modality_for_all(cases):
    selection = selection_of(cases, "toy")
    assert (selection.modality, selection.dimensions, len(selection)) == ("picture", 2, 4)
    with pytest.raises(InputError, match="toy: modalities are ct, picture; expected one of ct, mr and picture"):
        selection_of([*cases, {**cases[0], "modality": "ct"}], "toy")
