"""A shuffle an epoch, without a table of it."""

import numpy as np
import pytest

from meddino_components.data.crops.slice_order import shuffled


def epoch(number, n_items, seed=0):
    return [shuffled(i, n_items=n_items, seed=seed) for i in range(number * n_items, (number + 1) * n_items)]


@pytest.mark.parametrize("n_items", [1, 2, 3, 4, 5, 16, 17, 64, 1000, 4097])
def test_every_epoch_gives_each_item_once(n_items):
    for number in range(3):
        assert sorted(epoch(number, n_items)) == list(range(n_items))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [epoch(0, 100), epoch(1, 100), epoch(0, 100, seed=1), epoch(1, 100, seed=1)]
    for i, a in enumerate(orders):
        for b in orders[:i]:
            assert np.mean(np.equal(a, b)) < 0.1
    assert epoch(1, 100) == epoch(1, 100)


def test_every_item_comes_first_as_often_as_any_other():
    n_items, n_epochs = 7, 7000
    for place in (0, 3, 6):
        items = [shuffled(k * n_items + place, n_items=n_items, seed=5) for k in range(n_epochs)]
        counts = np.bincount(items, minlength=n_items)
        chi_squared = ((counts - n_epochs / n_items) ** 2 / (n_epochs / n_items)).sum()
        assert chi_squared < 22.5  # 6 degrees of freedom, p = 0.001


def test_neighbours_in_the_order_are_no_neighbours_in_the_store():
    distances = np.abs(np.diff(epoch(0, 4000)))
    assert abs(distances.mean() / 4000 - 1 / 3) < 0.02  # of two independent places
    assert np.mean(distances == 1) < 0.003


def test_four_million_slices_need_no_table():
    n_items = 3_868_833
    items = {shuffled(i, n_items=n_items, seed=0) for i in range(2000)}
    assert len(items) == 2000
    assert max(items) < n_items


def test_refuses_nothing_to_order():
    with pytest.raises(ValueError, match="got 0 items"):
        shuffled(0, n_items=0, seed=0)
    with pytest.raises(ValueError, match="index -1"):
        shuffled(-1, n_items=3, seed=0)
