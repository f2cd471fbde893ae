"""Intensities change inside the patient alone, where a data set marks what lies outside."""

import torch
from monai.data import MetaTensor
from monai.transforms import Lambdad

from meddino_components.data import KeepBackgroundd

# [2 channels, 2, 3]: outside in both channels, in one of them, in none
IMAGE = torch.tensor([[[-1.0, -1.0, 2.0], [-1.0, 3.0, 4.0]], [[-1.0, 5.0, -1.0], [-1.0, 6.0, 7.0]]])


def add_ten(**settings):
    steps = [Lambdad("image", lambda image: image + 9), Lambdad(("image", "other"), lambda image: image + 1)]
    return KeepBackgroundd("image", transforms=steps, **settings)


def test_pixels_that_are_background_in_all_channels_stay():
    case = {"image": IMAGE.clone(), "other": torch.full((1, 2, 3), -1.0)}
    found = add_ten(background=-1.0)(case)
    expected = IMAGE + 10
    expected[:, [0, 1], [0, 0]] = -1
    assert torch.equal(found["image"], expected)
    # an item that nobody looks after changes everywhere
    assert (found["other"] == 0).all()
    assert torch.equal(case["image"], IMAGE)


def test_without_a_marked_background_everything_changes():
    found = add_ten(background=None)({"image": MetaTensor(IMAGE.clone()), "other": torch.zeros(1, 2, 3)})
    assert torch.equal(torch.as_tensor(found["image"]), IMAGE + 10)


def test_a_random_transform_inside_is_seeded_by_the_outer_one():
    from monai.transforms import RandGaussianNoised

    drawn = []
    for seed in (3, 3, 4):
        transform = KeepBackgroundd("image", background=-1.0, transforms=[RandGaussianNoised("image", prob=1.0)])
        transform.set_random_state(seed=seed)
        drawn.append(transform({"image": IMAGE.clone()})["image"])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0][:, [0, 1], [0, 0]] == -1).all()
