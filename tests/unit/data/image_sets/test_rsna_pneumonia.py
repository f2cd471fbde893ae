import json
import warnings

import numpy as np
import pytest
from picture_files import save_radiograph, write_csv

from meddino_components.data.image_sets import load_picture
from meddino_components.data.image_sets.rsna_pneumonia import MAPPING, read_rsna_pneumonia
from meddino_components.errors import InputError

NAMES = [f"{k:04x}-uid" for k in range(40)]


def save(root, with_mapping=True):
    """40 radiographs of 20 patients, every fourth with pneumonia in two boxes."""
    rows = ["patientId,x,y,width,height,Target"]
    for k, name in enumerate(NAMES):
        boxes = [f"{name},1.0,2.0,3.0,4.0,1", f"{name},5.0,2.0,3.0,4.0,1"]
        rows += [f"{name},,,,,0"] if k % 4 else boxes
        path = root / "stage_2_train_images" / f"{name}.dcm"
        save_radiograph(path, np.full((3, 4), k, np.uint8), bits_stored=8)
    write_csv(root / "stage_2_train_labels.csv", *rows)
    if with_mapping:
        entries = [{"subset_img_id": n, "img_id": f"{k // 2:08d}_{k % 2:03d}.png"} for k, n in enumerate(NAMES)]
        (root / MAPPING).write_text(json.dumps(entries))
    return root


def test_one_sample_a_radiograph_split_by_patient(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = read_rsna_pneumonia(save(tmp_path), fractions=(0.6, 0.2, 0.2))
    assert found.label_names == ("no pneumonia", "pneumonia")
    assert [sample.sample_id for sample in found.samples] == NAMES
    np.testing.assert_array_equal(found.positives(), [30, 10])
    assert [len(found.of(split)) for split in ("train", "val", "test")] == [24, 8, 8]
    assert [found.of(split).positives()[1] for split in ("train", "val", "test")] == [6, 2, 2]
    assert found.samples[5].patient == "00000002"
    np.testing.assert_allclose(load_picture(found.samples[7]), np.full((1, 3, 4), 7 / 255), rtol=1e-6)
    assert read_rsna_pneumonia(tmp_path, fractions=(0.6, 0.2, 0.2)).samples == found.samples
    assert read_rsna_pneumonia(tmp_path, fractions=(0.6, 0.2, 0.2), seed=1).samples != found.samples


def test_without_the_mapping_there_is_a_warning(tmp_path):
    save(tmp_path, with_mapping=False)
    with pytest.warns(UserWarning, match="each radiograph counts as a patient of its own"):
        found = read_rsna_pneumonia(tmp_path)
    assert [sample.patient for sample in found.samples] == NAMES


def test_what_is_refused(tmp_path):
    save(tmp_path)
    table = tmp_path / "stage_2_train_labels.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text + f"{NAMES[1]},1,2,3,4,1\n")
    with pytest.raises(InputError, match=f"row 52: {NAMES[1]} has Target 0 and 1"):
        read_rsna_pneumonia(tmp_path)
    table.write_text(text.replace("Target", "target"))
    with pytest.raises(InputError, match=r"no column 'Target'\. The columns are 'patientId', 'x', .*'target'"):
        read_rsna_pneumonia(tmp_path)
    table.write_text(text + "new,,,,,0\n")
    with pytest.raises(InputError, match="1 radiographs are not in it: new"):
        read_rsna_pneumonia(tmp_path)
    table.write_text(text)
    (tmp_path / "stage_2_train_images" / f"{NAMES[3]}.dcm").unlink()
    with pytest.raises(InputError, match=f"1 of 40 listed files do not exist: .*{NAMES[3]}.dcm"):
        read_rsna_pneumonia(tmp_path)
    with pytest.warns(UserWarning, match="1 of 40"):
        assert len(read_rsna_pneumonia(tmp_path, allow_missing=True)) == 39
    (tmp_path / MAPPING).write_text('{"a": 1}')
    with pytest.raises(InputError, match="cannot be read as a list of objects with 'subset_img_id'"):
        read_rsna_pneumonia(tmp_path)
