"""Connect to a Ray cluster. Ray is an extra, imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import InputError
from .project import extra


@contextmanager
def ray_cluster(address: str | None) -> Iterator[Any]:
    """Yield the module ``ray``, connected to a cluster; a connection that was made here is closed at the end.

    Args:
        address: address of a running cluster, such as "auto" or "ray://head:10001"; None starts Ray on this machine.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(f"a Ray cluster needs ray: {extra('ray')}; or omit --ray") from error
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(
                f"no Ray cluster at {address or 'this machine'} ({error}). Start one: ray start --head"
            ) from error
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()
