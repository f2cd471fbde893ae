"""Series that are irregular are refused with what was found."""

import shutil

import pytest
from volume_files import PATIENT, ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

CT = ct_voxels()
TRANSVERSE, CORONAL = "1\\0\\0\\0\\1\\0", "1\\0\\0\\0\\0\\-1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"skip": (2,)}, r"001\.dcm and 003\.dcm are 8\.000 mm apart, other slices 4\.000 mm \(1 missing\)"),
        ({"slope": None}, "lacks rescale slope or intercept"),
        ({"tilt": 1.0}, r"gantry tilt of 14\.0 degrees"),
        ({"spacing_mm": (0.7, 0.9, 0.0)}, r"000\.dcm and 001\.dcm have the same position"),
        ({"spacing_mm": (0.7, float("nan"), 4.0)}, "PixelSpacing"),
        ({"spacing_mm": (0.7, 0.9, float("nan"))}, "ImagePositionPatient"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.2.1"}, "enhanced CT"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.7", "samples": 3}, r"000\.dcm is a colour picture"),
        ({"orientation": [TRANSVERSE] * 4 + [CORONAL]}, r"differs from 00\d\.dcm in orientation"),
    ],
)
def test_refused_with_the_facts(tmp_path, settings, message):
    with pytest.raises(InputError, match=message) as error:
        read_series(write_dicom_series(tmp_path / "s", CT, **settings))
    assert not any(value in str(error.value) for value in PATIENT.values())


def test_a_localiser_among_the_slices_is_refused(tmp_path):
    write_dicom_series(tmp_path, CT)
    write_dicom_series(tmp_path, CT[:12, :, :1], orientation=CORONAL, name="scout.dcm")
    with pytest.raises(InputError, match=r"expected one size\. Remove the slices .* \(such as a localiser\)"):
        read_series(tmp_path)


def test_a_slice_there_twice_is_refused(tmp_path):
    write_dicom_series(tmp_path, CT)
    shutil.copy(tmp_path / "002.dcm", tmp_path / "copy.dcm")
    with pytest.raises(InputError, match=r"(002|copy)\.dcm and (002|copy)\.dcm have the same position"):
        read_series(tmp_path)
