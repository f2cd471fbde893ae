"""The lines of ``series``."""

import pytest
from volume_files import PATIENT, SERIES_UID, ct_voxels, write_dicom_series

from meddino_components.data import describe_series
from meddino_components.errors import InputError

CT = ct_voxels()


def test_each_series_with_its_files_and_its_place(tmp_path):
    write_dicom_series(tmp_path, CT)
    write_dicom_series(tmp_path / "p2" / "s1", CT[:, :, :1], series_uid="1.2.3")
    write_dicom_series(tmp_path / ".trash", CT, series_uid="1.2.4")
    first, second = describe_series(tmp_path)
    assert first == f"{SERIES_UID}  5 files, CT, 5 slices, 24 x 20, 0.7 x 0.9 mm"
    assert second == "1.2.3  1 file, CT, 1 slice, 24 x 20, 0.7 x 0.9 mm, in p2/s1"
    # a UID is a word of its own
    assert first.split()[0] == SERIES_UID
    assert not any(value in first for value in PATIENT.values())


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="neither it nor a folder below it contains a DICOM image"):
        describe_series(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        describe_series(tmp_path / "lost")
