"""Cases whose preprocessed volumes are known: arrays in files, read by a transform that does nothing else."""

import numpy as np
from monai.transforms import Compose, Transform


class ReadArrays(Transform):
    """Read `image` and `label` to [1, H, W, D]."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, case):
        image, label = np.load(case["image"]), np.load(case["label"])
        return {"image": self.scale * image[None], "label": label[None]}


class Identity(Transform):
    """A slice transform without randomness."""

    def __call__(self, sample):
        return sample


def write_case(folder, name, image, label):
    """Volumes [H, W, D]."""
    folder.mkdir(parents=True, exist_ok=True)
    case = {"case_id": name, "modality": "ct"}
    for key, array in (("image", image), ("label", label)):
        path = folder / f"{name}_{key}.npy"
        np.save(path, np.asarray(array, np.float32))
        case[key] = str(path)
    return case


def preprocessing(scale=1.0):
    return Compose([ReadArrays(scale)])
