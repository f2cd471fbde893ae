"""Sparse CSV files of OpenKBP: orientation, voxel size, HU, and real patients converted back and forth."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sparse_volumes import write_sparse, write_sparse_ct

from meddino_components.data.volumes.file_checks import read_header
from meddino_components.data.volumes.sparse_csv import is_sparse_csv
from meddino_components.data.volumes.volume_file import read_volume_file
from meddino_components.errors import InputError


def test_index_is_row_column_slice(tmp_path):
    (tmp_path / "ct.csv").write_text(",data\n0,1000.0\n1,1040.0\n128,990.0\n16384,5.0\n", encoding="utf-8")
    (tmp_path / "Larynx.csv").write_text(",data\n2,\n2097151,\n", encoding="utf-8")
    (tmp_path / "voxel_dimensions.csv").write_text("3.5\n4.0\n2.0\n", encoding="utf-8")
    ct, affine = read_volume_file(tmp_path / "ct.csv")
    assert (ct.shape, ct.dtype) == ((128, 128, 128), np.int16)
    assert [ct[0, 0, 0], ct[0, 0, 1], ct[1, 0, 0], ct[0, 1, 0], ct[5, 5, 5]] == [0, 40, -10, -995, -1000]
    assert nib.aff2axcodes(affine) == ("L", "P", "S")
    assert np.abs(np.diag(affine))[:3].tolist() == [4.0, 3.5, 2.0]
    mask, of_mask = read_volume_file(tmp_path / "Larynx.csv", is_label=True)
    assert (np.argwhere(mask).tolist(), mask.dtype) == ([[0, 0, 2], [127, 127, 127]], np.uint8)
    assert np.array_equal(of_mask, affine)
    assert read_header(tmp_path / "ct.csv").shape == (128, 128, 128)
    assert not is_sparse_csv(Path("ct.csv.gz"))


def test_an_empty_mask(tmp_path):
    write_sparse(tmp_path / "Larynx.csv", np.zeros((2, 2, 2)))
    (tmp_path / "voxel_dimensions.csv").write_text("3\n3\n2\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="no data"):
        mask, _ = read_volume_file(tmp_path / "Larynx.csv", is_label=True)
    assert not mask.any()


@pytest.mark.parametrize(
    ("ct", "sizes", "said"),
    [
        (",data\n2097152,1.0\n", "3\n3\n2\n", r"ct\.csv: has voxel 2097152; expected 0 to 2097151"),
        (",data\n5,\n", "3\n3\n2\n", r"ct\.csv: cannot be read as an index and a value a line"),
        (",data\n5,1.0\n", "3\n3\n", r"voxel_dimensions\.csv: expected three numbers in mm, one a line"),
        (",data\n5,1.0\n", "3\n0\n2\n", r"voxel_dimensions\.csv: the voxel size is \[0\.0, 3\.0, 2\.0\]; expected pos"),
        (",data\n5,1.0\n", None, r"voxel_dimensions\.csv: no such file; it has the voxel size of ct\.csv"),
    ],
)
def test_damaged_files(tmp_path, ct, sizes, said):
    (tmp_path / "ct.csv").write_text(ct, encoding="utf-8")
    if sizes is not None:
        (tmp_path / "voxel_dimensions.csv").write_text(sizes, encoding="utf-8")
    with pytest.raises(InputError, match=said) as error:
        read_volume_file(tmp_path / "ct.csv")
    assert "\n" not in str(error.value)


REAL = Path(os.environ.get("MEDDINO_DATA", "")) / "openkbp_hn_ct"


@pytest.mark.skipif(not (REAL / "pt_100_ct.nii.gz").is_file(), reason="needs the volumes of OpenKBP in MEDDINO_DATA")
@pytest.mark.parametrize("patient", ["pt_100", "pt_101"])
def test_real_patients_written_as_published_and_read_again(tmp_path, patient):
    """The volumes are crops of the authors' grid, and their affines say from where."""
    image, organs = (nib.load(REAL / f"{patient}_{name}.nii.gz") for name in ("ct", "organs"))
    spacing_mm = np.abs(np.diag(image.affine))[:3]
    corner = np.rint(np.abs(image.affine[:3, 3]) / spacing_mm).astype(int)
    hu, labels = np.asarray(image.dataobj), np.asarray(organs.dataobj)
    write_sparse_ct(tmp_path, hu, spacing_mm, corner)
    inside = tuple(slice(start, start + size) for start, size in zip(corner, hu.shape, strict=True))
    read, affine = read_volume_file(tmp_path / "ct.csv")
    assert np.array_equal(read[inside], hu)
    assert np.allclose(affine @ [*corner, 1], image.affine @ [0, 0, 0, 1], atol=1e-3)
    assert np.allclose(affine[:3, :3], image.affine[:3, :3], atol=1e-5)
    assert int((read > -1000).sum()) == int((hu > -1000).sum())
    for label in np.unique(labels)[1:]:
        write_sparse(tmp_path / "organ.csv", labels == label, corner)
        mask, _ = read_volume_file(tmp_path / "organ.csv", is_label=True)
        assert np.array_equal(mask[inside], labels == label)
