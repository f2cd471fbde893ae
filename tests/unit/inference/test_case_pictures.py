"""Pictures that a configuration adds are drawn of what the network saw, and written with the case."""

from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
import pytest
from inference_support import phantom, save
from monai.data import MetaTensor
from monai.transforms import Compose, Orientationd

from meddino_components.data import LoadVolumed
from meddino_components.errors import InputError
from meddino_components.inference import WriteCased
from meddino_components.inference.case_pictures import pictures_by_name


@dataclass
class Shapes:
    """Keeps the cases, and writes a file for each."""

    name: str = "shapes"
    seen: list = field(default_factory=list)

    def draw(self, path, case):
        self.seen.append(case)
        path.write_bytes(b"picture")


def test_a_case_is_drawn_in_the_orientation_of_the_network(tmp_path):
    source = nib.load(save(tmp_path / "a.nii.gz", phantom(), np.diag([-1.5, 2.0, 4.0, 1])))
    read = Compose([LoadVolumed("image"), Orientationd("image", axcodes="PLS", labels=None)])
    image = read({"image": str(tmp_path / "a.nii.gz"), "modality": "ct", "case_id": "a"})["image"]
    labels = MetaTensor((image.as_tensor() > 2).byte(), affine=image.affine)
    picture = Shapes()
    write = WriteCased(
        output_dir=tmp_path / "out", label_names=["background", "liver"], overlay=False, pictures=[picture]
    )
    case = {"image": image, "pred": labels, "case_id": "a"}
    assert write.names({"case_id": "a"}) == ["a.nii.gz", "a.json", "a_shapes.png"]
    write(case)
    assert (tmp_path / "out" / "a_shapes.png").read_bytes() == b"picture"
    (seen,) = picture.seen
    assert (seen.case_id, seen.axcodes, seen.label_names) == ("a", "PLS", {0: "background", 1: "liver"})
    assert seen.spacing_mm == (2.0, 1.5, 4.0)
    assert seen.labels.shape == seen.images["image"].shape == (source.shape[1], source.shape[0], source.shape[2])
    np.testing.assert_array_equal(seen.labels, labels.numpy()[0])


@pytest.mark.parametrize("names", [["a", "a"], ["a b"], ["../a"], [""]])
def test_names_that_no_file_can_have(names):
    with pytest.raises(InputError, match="give each its own name of letters, digits and underscores"):
        pictures_by_name([Shapes(name) for name in names])
