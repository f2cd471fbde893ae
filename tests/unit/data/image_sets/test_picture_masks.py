"""Pictures with masks: the table, and masks whose values are classes."""

import numpy as np
import pytest
from PIL import Image

from meddino_components.data.image_sets.picture_masks import load_mask, read_mask_table
from meddino_components.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / f"{name}.png")
        Image.fromarray(np.eye(6, 8, dtype=np.uint8) * 3).save(tmp_path / f"{name}_mask.png")
    return tmp_path


def write(folder, *lines, header="picture,mask,video"):
    (folder / "list.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return {"table": "list.csv", "path_column": "picture", "patient_column": "video"}


def test_rows_become_cases_with_their_patients(folder):
    columns = write(folder, "a.png,a_mask.png,v1", "b.png,b_mask.png,v1")
    cases = read_mask_table(folder, **columns)
    assert [(case["case_id"], case["patient"], case["modality"]) for case in cases] == [
        ("a.png", "v1", "picture"),
        ("b.png", "v1", "picture"),
    ]
    assert cases[1]["image"] == str(folder / "b.png")
    assert cases[1]["label"] == str(folder / "b_mask.png")
    columns["patient_column"] = None
    assert [case["patient"] for case in read_mask_table(folder, **columns)] == ["a.png", "b.png"]


def test_a_column_a_file_or_a_second_row_of_a_picture(folder):
    columns = write(folder, "a.png,a_mask.png,v1")
    with pytest.raises(InputError, match=r"list.csv: no column 'patient'"):
        read_mask_table(folder, **{**columns, "patient_column": "patient"})
    columns = write(folder, "a.png,a_mask.png,v1", "c.png,a_mask.png,v2")
    with pytest.raises(InputError, match=r"row 3: .*c.png does not exist"):
        read_mask_table(folder, **columns)
    columns = write(folder, "a.png,a_mask.png,v1", "a.png,b_mask.png,v2")
    with pytest.raises(InputError, match=r"row 3: a.png is listed twice"):
        read_mask_table(folder, **columns)


def test_values_are_classes_also_of_a_palette_and_of_16_bits(folder):
    expected = np.eye(6, 8, dtype=np.uint8) * 3
    np.testing.assert_array_equal(load_mask(folder / "a_mask.png"), expected)
    palette = Image.fromarray(expected, mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(folder / "palette.png")
    np.testing.assert_array_equal(load_mask(folder / "palette.png"), expected)
    Image.fromarray(expected.astype(np.uint16)).save(folder / "deep.png")
    np.testing.assert_array_equal(load_mask(folder / "deep.png"), expected)


def test_colours_high_values_and_damage_are_named(folder):
    with pytest.raises(InputError, match=r"a.png: .*Write colours as numbers"):
        load_mask(folder / "a.png")
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(folder / "deep.png")
    with pytest.raises(InputError, match=r"deep.png: holds values up to 300"):
        load_mask(folder / "deep.png")
    (folder / "torn.png").write_bytes((folder / "a_mask.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"torn.png"):
        load_mask(folder / "torn.png")
    with pytest.raises(InputError, match=r"gone.png"):
        load_mask(folder / "gone.png")
