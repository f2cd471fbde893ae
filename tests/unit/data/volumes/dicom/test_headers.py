"""Which files are DICOM, and what is read of their headers."""

import numpy as np
import pytest
from volume_files import PATIENT, SERIES_UID, ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom.headers import SliceHeader, is_dicom_file, read_slice_header, read_uids
from meddino_components.errors import InputError

pydicom = pytest.importorskip("pydicom")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_dicom_series(tmp_path_factory.mktemp("ct"), ct_voxels()) / "001.dcm"


def test_tags_as_text_and_nothing_that_names_a_patient(path):
    header = read_slice_header(path)
    assert header.tags["series_uid"] == SERIES_UID
    assert (header.tags["modality"], header.tags["photometric"]) == ("CT", "MONOCHROME2")
    assert header.floats("pixel_spacing", 2).tolist() == [0.9, 0.7]
    assert header.number("rows", 0) == ct_voxels().shape[1]
    assert header.tags["transfer_syntax"] == str(pydicom.dcmread(path).file_meta.TransferSyntaxUID)
    assert not set(PATIENT.values()) & set(header.tags.values())


def test_uids_are_those_that_pydicom_reads(path):
    stored = pydicom.dcmread(path)
    assert read_uids(path) == (str(stored.SeriesInstanceUID), str(stored.SOPInstanceUID))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.dcm", b"", True), ("scan", b"\0" * 128 + b"DICM", True), ("scan", b"text", False), (".a.dcm", b"", False),
        ("DICOMDIR", b"\0" * 128 + b"DICM", False), ("a.png", b"\0" * 128 + b"DICM", False),
    ],
)  # fmt: skip
def test_by_preamble_or_suffix(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_dicom_file(tmp_path / name) is expected


def test_numbers_that_are_none(path):
    header = SliceHeader(path=path, tags={"rows": "12a", "slope": "1\\2", "intercept": "inf"})
    assert header.number("rows", 5) == 5
    assert header.floats("slope", 1) is None
    assert header.floats("intercept", 1) is None
    np.testing.assert_array_equal(header.floats("slope", 2), [1, 2])


def test_a_file_that_is_cut_short(path, tmp_path):
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.dcm: cannot be read as a DICOM image"):
        read_slice_header(tmp_path / "cut.dcm")
