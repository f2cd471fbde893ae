"""Signed distances of shapes against those found by hand."""

import numpy as np
import pytest

from meddino_components.phantoms import anatomy


def distance(shape, *point):
    return float(shape.distance(*(np.float32([x]) for x in point))[0])


def test_a_sphere_has_exact_distances_and_a_box_around_it():
    sphere = anatomy.ellipsoid((10, 0, 0), (5, 5, 5))
    assert [distance(sphere, *p) for p in ((20, 0, 0), (10, 3, 4), (10, 0, 8))] == pytest.approx([5, 0, 3], abs=1e-5)
    assert (sphere.low, sphere.high) == (pytest.approx((5, -5, -5)), pytest.approx((15, 5, 5)))


def test_a_tilt_turns_the_box():
    turned = anatomy.ellipsoid((0, 0, 0), (20, 5, 10), (0, 0, 90))
    assert turned.high == pytest.approx((5, 20, 10), abs=1e-4)


def test_a_tube_narrows_along_its_line():
    tube = anatomy.tube([(0, 0, 0), (0, 0, 10)], [4, 2])
    assert [distance(tube, 10, 0, s) for s in (-3, 0, 5, 10)] == pytest.approx([109**0.5 - 4, 6, 7, 8], abs=1e-5)


def test_a_union_fills_the_crease_and_a_hole_is_outside():
    a, b = anatomy.ellipsoid((-6, 0, 0), (5, 5, 5)), anatomy.ellipsoid((6, 0, 0), (5, 5, 5))
    assert distance(anatomy.union(a, b), 0, 0, 0) == pytest.approx(1)
    assert distance(anatomy.union(a, b, smooth_mm=8), 0, 0, 0) == pytest.approx(1 - 8 / 4)
    assert distance(anatomy.without(a, anatomy.ellipsoid((-6, 0, 0), (2, 2, 2))), -6, 0, 1) == pytest.approx(1)


def test_rotations_keep_lengths_and_turn_about_s_last():
    turn = anatomy.rotation((30, 40, 50))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(anatomy.rotation((90, 0, 90)) @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_there_are_the_fifteen_organs_of_amos():
    assert sorted(anatomy.organs()) == list(range(1, 16))
