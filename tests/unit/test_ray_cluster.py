import sys
from types import SimpleNamespace

import pytest

from meddino_components.errors import InputError
from meddino_components.ray_cluster import ray_cluster


def cluster(started):
    """A module like ray that notes what is asked of it."""
    asked = []

    def init(address, log_to_driver):
        asked.append(address)
        if address == "nowhere":
            raise ConnectionError("no route")

    return asked, SimpleNamespace(is_initialized=lambda: started, init=init, shutdown=lambda: asked.append("shutdown"))


def test_a_connection_made_here_is_closed_here(monkeypatch):
    asked, ray = cluster(started=False)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with ray_cluster("auto") as found:
        assert found is ray
    assert asked == ["auto", "shutdown"]


def test_a_connection_that_was_there_stays(monkeypatch):
    asked, ray = cluster(started=True)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with ray_cluster(None):
        pass
    assert asked == []


def test_what_is_missing_is_said(monkeypatch):
    _, ray = cluster(started=False)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(InputError, match=r"no Ray cluster at nowhere \(no route\)\. Start one: ray start --head"):
        ray_cluster("nowhere").__enter__()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"a Ray cluster needs ray: install the extra 'ray'.*omit --ray"):
        ray_cluster(None).__enter__()
