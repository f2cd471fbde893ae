"""A label map has the header of its source, but no text that may name the patient."""

from __future__ import annotations

import gzip
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
from inference_support import evaluator, oblique_affine, phantom, save

from meddino_components.data import list_cases
from meddino_components.errors import InputError
from meddino_components.inference.label_map import label_path, nifti_like_source


def test_a_source_on_another_grid_lends_no_header(tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii.gz", affine=np.diag([2.0, 2.0, 3.0, 1.0]))
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    image = nifti_like_source(np.ones((2, 2, 2), np.uint8), affine, source)
    np.testing.assert_array_equal(image.affine, affine)
    assert image.header.get_xyzt_units()[0] == "mm"
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    np.testing.assert_array_equal(nifti_like_source(np.ones((2, 2, 2), np.uint8), affine, source).affine, affine)


def test_a_label_map_is_called_by_its_case(tmp_path: Path) -> None:
    assert label_path(str(tmp_path), "a.b c") == tmp_path / "a.b c.nii.gz"
    with pytest.raises(InputError, match="cannot be used as a file name: give each case a plain, unique id"):
        label_path(tmp_path, "a\\b")


def test_header_text_and_extensions_are_left_out(tmp_path: Path) -> None:
    image = nib.Nifti1Image(phantom(), np.diag([1.5, 1.5, 4.0, 1]))
    image.header["descrip"] = b"DOE^JANE 1961-02-03"
    texts = ("descrip", "aux_file", "intent_name", "db_name", "data_type")
    for field in texts[1:]:
        image.header[field] = b"PAT-4711"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "a.nii")
    evaluator(list_cases(tmp_path, modality="ct"), tmp_path / "out").run()
    written = nib.load(tmp_path / "out" / "a.nii.gz")
    for field in texts:
        assert bytes(written.header[field]).strip(b"\0") == b""
    content = gzip.decompress((tmp_path / "out" / "a.nii.gz").read_bytes())
    assert not any(text in content for text in (b"DOE", b"PAT-4711", b"Jane"))
    assert not written.header.extensions
    assert written.header.get_xyzt_units()[0] == "mm"
    assert "Jane" not in (tmp_path / "out" / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_nrrd_and_metaimage_become_nifti_on_the_same_grid(tmp_path: Path, suffix: str) -> None:
    affine = oblique_affine()
    save(tmp_path / "a.nii.gz", affine=affine)
    (tmp_path / "b").mkdir()
    itk.imwrite(itk.imread(str(tmp_path / "a.nii.gz")), str(tmp_path / "b" / f"a{suffix}"))
    evaluator(list_cases(tmp_path / "b", modality="ct"), tmp_path / "out").run()
    written = nib.load(tmp_path / "out" / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), phantom())
    np.testing.assert_allclose(written.affine, affine, atol=1e-4)
