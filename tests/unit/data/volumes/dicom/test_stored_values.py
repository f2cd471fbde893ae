"""Tags that say how stored numbers become intensities."""

import numpy as np
import pytest
from volume_files import PATIENT, ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

CT = ct_voxels()
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
MR = {"modality": "MR", "sop_class": MR_CLASS}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"photometric": "MONOCHROME1"}, r"000\.dcm has MONOCHROME1.*Export the series again as MONOCHROME2"),
        ({"photometric": "MONOCHROME1", **MR}, "has MONOCHROME1"),
        ({"photometric": ["MONOCHROME2"] * 4 + ["MONOCHROME1"], **MR}, r"004\.dcm has MONOCHROME1"),
        ({"photometric": " "}, "has the PhotometricInterpretation ''; expected MONOCHROME2"),
        ({"photometric": "MONOCHROMEX"}, "has the PhotometricInterpretation 'MONOCHROMEX'"),
        ({"extra": ((0x2050, 0x20, "CS", "INVERSE"),)}, "has PresentationLUTShape INVERSE"),
        ({"extra": ((0x28, 0x1054, "LO", "MGML"),)}, "RescaleType 'MGML'; expected HU"),
        ({"extra": ((0x28, 0x1054, "LO", "Z_EFF"),)}, "RescaleType 'Z_EFF'; expected HU"),
        ({"extra": ((0x28, 0x3000, "SQ", None),)}, "has a Modality LUT Sequence"),
        ({"extra": ((0x28, 0x3000, "SQ", None),), "slope": None}, "has a Modality LUT Sequence"),
        ({"slope": "0"}, "rescale slope 0; expected a positive number"),
        ({"slope": "-1"}, "rescale slope -1; expected a positive number"),
    ],
)
def test_refused_with_the_facts(tmp_path, settings, message):
    with pytest.raises(InputError, match=message) as error:
        read_series(write_dicom_series(tmp_path / "s", CT, **settings))
    assert not any(value in str(error.value) for value in PATIENT.values())


@pytest.mark.parametrize("extra", [(0x28, 0x1054, "LO", "HU"), (0x2050, 0x20, "CS", "IDENTITY")])
def test_tags_that_say_nothing_else_pass(tmp_path, extra):
    np.testing.assert_array_equal(read_series(write_dicom_series(tmp_path / "s", CT, extra=(extra,))).voxels, CT)


def test_unspecified_units_are_taken_as_hu_with_a_warning(tmp_path):
    folder = write_dicom_series(tmp_path / "s", CT, extra=((0x28, 0x1054, "LO", "US"),))
    with pytest.warns(UserWarning, match="RescaleType is US"):
        np.testing.assert_array_equal(read_series(folder).voxels, CT)
