"""The random transforms of ``train.json`` as a whole: nnU-Net's rates, by their draws and by what happens to slices."""

import math

import numpy as np
import pytest
import torch
from command_lines import AMOS, BRATS
from monai.bundle import ConfigParser
from monai.data import set_track_meta

N = 2000


@pytest.fixture(autouse=True)
def _plain_tensors():
    """Without the record of each transform, which nothing here looks at and which takes half of the time."""
    set_track_meta(False)
    yield
    set_track_meta(True)


def configured(bundle=AMOS, **changes):
    parser = ConfigParser(ConfigParser.load_config_file(str(bundle / "configs" / "train.json")))
    parser["roi_size"] = [16, 16]
    for key, value in changes.items():
        parser[key] = value
    transform = parser.get_parsed_content("train::transform")
    transform.set_random_state(seed=0)
    return transform


def within(found, expected, n=N):
    """Four standard deviations of a share."""
    return abs(found - expected) < 4 * (expected * (1 - expected) / n) ** 0.5


def test_rotation_and_scaling_are_drawn_apart():
    spatial = configured().transforms[0]
    drawn = []
    for _ in range(N):
        spatial.randomize()
        drawn.append((spatial.angle, spatial.factor))
    angles, factors = np.array(drawn).T
    turned, scaled = angles != 0, factors != 1
    assert within(turned.mean(), 0.2)
    assert within(scaled.mean(), 0.2)
    assert within((turned & scaled).mean(), 0.04)
    assert (angles.min(), angles.max()) == pytest.approx((-math.pi, math.pi), abs=0.05)
    assert (factors.min(), factors.max()) == pytest.approx((0.7, 1.4), abs=0.01)


@pytest.mark.parametrize(
    ("number", "rate", "low", "high"),
    [(1, 0.2 * 0.5, 0.5, 1.0), (4, 0.25 * 0.5, 0.5, 1.0), (5, 0.1, 0.7, 1.5), (6, 0.3, 0.7, 1.5)],
    ids=["blur", "low resolution", "inverted gamma", "gamma"],
)
def test_channels_are_changed_at_their_rates(number, rate, low, high):
    step = configured().transforms[1].transforms[number]
    image = torch.zeros(4, 16, 16)
    drawn = []
    for _ in range(N):
        step.randomize(image)
        drawn.append(dict(step.drawn))
    for channel in range(4):
        assert within(sum(channel in of_call for of_call in drawn) / N, rate)
    values = np.array([parameters[0] for of_call in drawn for parameters in of_call.values()])
    assert (values.min(), values.max()) == pytest.approx((low, high), abs=0.01)
    if number in (5, 6):
        assert within((values < 1).mean(), 0.5, len(values))
    # no two channels of a slice by the same
    assert all(len(set(of_call.values())) == len(of_call) for of_call in drawn)


@pytest.mark.parametrize(("number", "rate"), [(0, 0.1), (2, 0.15), (3, 0.15)], ids=["noise", "brightness", "contrast"])
def test_transforms_of_monai_are_set_to_nnunets_rates(number, rate):
    step = configured().transforms[1].transforms[number]
    image = torch.linspace(1, 2, 16 * 16 * 2).view(2, 16, 16)
    changed = [torch.as_tensor(step({"image": image.clone()})["image"]) - image for _ in range(N)]
    n_changed = [difference for difference in changed if difference.abs().max() > 1e-6]
    assert within(len(n_changed) / N, rate)
    if number == 0:
        sigmas = [float(difference.std()) for difference in n_changed]
        assert 0.09 < max(sigmas) < 0.11
        assert np.mean(sigmas) == pytest.approx(0.05, abs=0.008)
    elif number == 2:
        factors = np.array([[float(d[c].mean() / image[c].mean()) for c in (0, 1)] for d in n_changed])
        assert np.abs(factors).max() == pytest.approx(0.25, abs=0.01)
        assert abs(np.corrcoef(factors.T)[0, 1]) < 0.25
    else:
        assert all((image + d).min() >= 1 - 1e-6 and (image + d).max() <= 2 + 1e-6 for d in n_changed)
        assert all(abs(float(d[c].mean())) < 0.02 for d in n_changed for c in (0, 1))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, (0.5, 0.5)), ({"flip_columns_probability": 0.0}, (0.5, 0.0)), ({"flip_rows_probability": 0.0}, (0.0, 0.5))],
)
def test_each_axis_is_mirrored_by_itself(changes, expected):
    mirrors = configured(**changes).transforms[2:]
    image = torch.arange(4.0).view(1, 2, 2)
    rows = columns = 0
    for _ in range(400):
        item = {"image": image, "label": image}
        for mirror in mirrors:
            item = mirror(item)
        found = torch.as_tensor(item["image"])
        rows, columns = rows + int(found[0, 0, 0] // 2 == 1), columns + int(found[0, 0, 0] % 2 == 1)
        assert torch.equal(torch.as_tensor(item["label"]), found)
    for share, probability in zip((rows / 400, columns / 400), expected, strict=True):
        assert within(share, probability, 400) or share == probability == 0


def test_what_is_outside_the_patient_stays_so():
    transform = configured(BRATS)
    image = torch.zeros(4, 19, 19)
    image[:, 5:14, 5:14] = torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, 19, 19)
    for _ in range(50):
        found = transform({"image": image.clone(), "label": label})["image"]
        # corners lie outside whatever the angle
        assert (torch.as_tensor(found)[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
