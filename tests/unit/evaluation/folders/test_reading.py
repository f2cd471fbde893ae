"""Both sides get the same numbers and axes, whatever their own; what cannot be compared is refused."""

import re

import nibabel as nib
import numpy as np
import pytest
from evaluated_cases import AFFINE, REGIONS
from paired_folders import predicted, reference, write_labels, write_masks

from meddino_components.errors import InputError
from meddino_components.evaluation.folders.named_labels import NamedLabels
from meddino_components.evaluation.folders.reading import ReadPairedd
from meddino_components.evaluation.folders.structures import Structures
from meddino_components.ignored_label import IGNORE

NAMED = NamedLabels(names={1: "liver", 2: "spleen"}, source="dataset.json")


def structures(names=("liver", "spleen"), predicted_as=None, regions=None):
    return Structures(
        names=names, predicted_as=predicted_as or names, regions=regions, only_in_references=(), only_in_predictions=()
    )


def read(prediction, reference, predictions=NAMED, references=NAMED, shared=None, **case):
    reader = ReadPairedd(structures=shared or structures(), predictions=predictions, references=references)
    return reader({"case_id": "a", "image": prediction, "label": reference, **case})


def arrays(case):
    """Scan, prediction and reference along the axes of the files."""
    return [np.flip(array, (0, 1)).swapaxes(0, 1) for array in (*case["image"].numpy(), case["label"].numpy()[0])]


def paths(tmp_path, found=None, wanted=None, **settings):
    return [
        str(write_labels(tmp_path / name, voxels, **settings))
        for name, voxels in (("p.nii.gz", found), ("r.nii.gz", wanted))
    ]


def test_numbers_of_either_side_become_those_of_the_structures(tmp_path):
    own = NamedLabels(names={7: "Spleen", 9: "kidney", 200: "liver"}, source="totals")
    changed = np.zeros_like(predicted())
    changed[predicted() == 2], changed[predicted() == 1], changed[0, 0, 0] = 7, 200, 9
    shared = structures(predicted_as=["liver", "Spleen"])
    case = read(*paths(tmp_path, changed, reference()), predictions=own, shared=shared)
    scan, prediction, wanted = arrays(case)
    np.testing.assert_array_equal(prediction, predicted())
    np.testing.assert_array_equal(wanted, reference())
    assert not scan.any()
    assert "annotated" not in case


def test_axes_stored_in_another_order(tmp_path):
    found, wanted = paths(tmp_path, predicted(), reference())
    canonical = nib.load(found)
    turned = canonical.as_reoriented([[1, -1], [2, 1], [0, 1]])
    assert turned.shape != canonical.shape
    nib.save(turned, tmp_path / "turned.nii.gz")
    case = read(str(tmp_path / "turned.nii.gz"), wanted)
    np.testing.assert_array_equal(arrays(case)[1], predicted())
    np.testing.assert_allclose(np.asarray(case["image"].affine), np.asarray(case["label"].affine))


def test_ignored_voxels(tmp_path):
    wanted = reference()
    wanted[0, 0] = 3
    labels = NamedLabels(names=NAMED.names, source="dataset.json", ignored=[3])
    case = read(*paths(tmp_path, predicted(), wanted), references=labels)
    assert (arrays(case)[2][0, 0] == IGNORE).all()
    with pytest.raises(InputError, match="contains label 3"):
        read(*paths(tmp_path, wanted, wanted), references=labels)


def test_regions_keep_their_numbers(tmp_path):
    labels = NamedLabels(names=dict(REGIONS.label_names), source="records", regions=REGIONS)
    voxels = reference() + (reference() == 2)
    shared = structures(REGIONS.names, regions=REGIONS)
    case = read(*paths(tmp_path, voxels, voxels), labels, labels, shared)
    np.testing.assert_array_equal(arrays(case)[2], voxels)


def test_masks_against_a_label_map_and_masks_that_were_not_drawn(tmp_path):
    write_masks(tmp_path / "s1", predicted(), {1: "liver", 2: "Spleen"})
    masks = {path.name[:-7]: str(path) for path in (tmp_path / "s1").iterdir()}
    found, wanted = paths(tmp_path, predicted(), reference())
    np.testing.assert_array_equal(arrays(read(masks, wanted, predictions=None))[1], predicted())
    del masks["Spleen"]
    case = read(found, masks, references=None)
    assert case["annotated"].tolist() == [True, True, False]
    with pytest.raises(
        InputError, match=re.escape(f"{tmp_path / 's1'}: has no mask of spleen, which other cases have")
    ):
        read(masks, wanted, predictions=None)
    with pytest.raises(InputError, match=r"has a mask of none of liver, spleen. Complete the folder"):
        read(found, {"aorta": masks["liver"]}, references=None)


def test_masks_that_overlap_are_told(tmp_path):
    for name in ("liver", "spleen"):
        write_labels(tmp_path / f"{name}.nii.gz", reference() == 1)
    masks = {name: str(tmp_path / f"{name}.nii.gz") for name in ("liver", "spleen")}
    with pytest.warns(UserWarning, match=f"{tmp_path}: 800 voxels in several masks, counted for the last of their"):
        read(masks, masks, None, None)


def test_a_scan_comes_before_the_prediction(tmp_path):
    scan = np.arange(reference().size, dtype=np.int16).reshape(reference().shape)
    nib.save(nib.Nifti1Image(scan, AFFINE), tmp_path / "scan.nii.gz")
    found, wanted = paths(tmp_path, predicted(), reference())
    case = read(found, wanted, scan=str(tmp_path / "scan.nii.gz"))
    np.testing.assert_array_equal(arrays(case)[0], scan)
    nib.save(nib.Nifti1Image(scan[:-1], AFFINE), tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match=r"scan.nii.gz: shape"):
        read(found, wanted, scan=str(tmp_path / "scan.nii.gz"))


def test_labels_and_grids_that_do_not_fit(tmp_path):
    strange = reference()
    strange[0, 0, 0] = 5
    found, wanted = paths(tmp_path, strange, reference())
    with pytest.raises(
        InputError, match=r"p\.nii\.gz: contains label 5; dataset\.json names 1 liver, 2 spleen\. State"
    ):
        read(found, wanted)
    moved = AFFINE.copy()
    moved[0, 3] = 4
    write_labels(tmp_path / "p.nii.gz", predicted(), moved)
    with pytest.raises(InputError, match=r"p\.nii\.gz: its grid lies up to 4 mm from that of .*r\.nii\.gz"):
        read(found, wanted)
