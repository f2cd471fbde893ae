"""State where this project is hosted, and how to install its extras."""

from __future__ import annotations

from . import __version__

# Address of the project's repository, such as https://example.org/owner/meddino. The owner sets it once it exists;
# packaged bundles and DICOM SEGs then contain it. Until then no address is written.
ADDRESS: str | None = None


def extra(name: str) -> str:
    """Return how to install an extra of ``pyproject.toml``, for messages; the project is not on a package index."""
    return (
        f"install the extra '{name}': pip install '.[{name}]' in a checkout of meddino, or "
        f"'meddino-{__version__}-py3-none-any.whl[{name}]'"
    )
