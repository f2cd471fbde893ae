"""One function over many items, on processes of this machine or on Ray."""

import os
import sys
from functools import partial

import pytest

from meddino_components.data.curation.workers import map_locally, map_on_ray
from meddino_components.errors import InputError


def squared(item, refuse=None):
    if item == refuse:
        raise KeyError(item)
    return item**2, os.getpid()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_results_in_order_with_their_numbers(num_workers):
    found = list(map_locally(squared, [3, 1, 2], num_workers=num_workers))
    assert [(number, result) for number, (result, _) in found] == [(0, 9), (1, 1), (2, 4)]
    processes = {process for _, (_, process) in found}
    assert (processes == {os.getpid()}) == (num_workers == 0)
    assert list(map_locally(squared, [], num_workers=num_workers)) == []


def test_by_default_a_process_for_each_core_but_not_more_than_items():
    (result,) = map_locally(squared, [5], num_workers=None)
    assert result[0] == 0
    assert result[1][0] == 25
    assert result[1][1] != os.getpid()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_error_comes_where_its_result_would(num_workers):
    results = map_locally(partial(squared, refuse=2), [1, 2, 3], num_workers=num_workers)
    assert next(results)[1][0] == 1
    with pytest.raises(KeyError):
        next(results)


def test_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"a Ray cluster needs ray: install the extra 'ray'.*omit --ray"):
        next(map_on_ray(squared, [1], address=None))


class Ray:
    """A cluster of one core whose newest task is ready first; it notes how many tasks wait at once."""

    def __init__(self):
        self.started, self.waiting, self.most = False, [], 0

    def is_initialized(self):
        return self.started

    def init(self, address, log_to_driver):
        if address == "nowhere":
            raise ConnectionError("no route")
        self.started = True

    def shutdown(self):
        self.started = False

    def cluster_resources(self):
        return {"CPU": 1.0}

    def remote(self, function):
        outer = self

        class Task:
            @staticmethod
            def remote(item):
                outer.waiting.append(item)
                outer.most = max(outer.most, len(outer.waiting))
                return (item, function)

        return Task

    def wait(self, running, num_returns):
        self.waiting.pop()
        return [running[-1]], running[:-1]

    def get(self, reference):
        item, function = reference
        return function(item)


def test_results_of_ray_come_as_they_are_ready_with_their_numbers(monkeypatch):
    cluster = Ray()
    monkeypatch.setitem(sys.modules, "ray", cluster)
    found = list(map_on_ray(squared, [10, 11, 12, 13, 14, 15], address="auto"))
    assert [number for number, _ in found] == [3, 4, 5, 2, 1, 0]
    assert all(result[0] == (10 + number) ** 2 for number, result in found)
    assert cluster.most == 4
    # started here, so ended here
    assert not cluster.started
    with pytest.raises(InputError, match=r"no Ray cluster at nowhere \(no route\)\. Start one: ray start --head"):
        next(map_on_ray(squared, [1], address="nowhere"))


def test_a_cluster_that_was_there_stays(monkeypatch):
    cluster = Ray()
    cluster.started = True
    monkeypatch.setitem(sys.modules, "ray", cluster)
    assert [result[0] for _, result in map_on_ray(squared, [2], address=None)] == [4]
    assert cluster.started
