"""Where this project lives, and how its parts are installed: the one place for both."""

from __future__ import annotations

from . import __version__

# The address of the project's repository, such as https://example.org/owner/meddino. The owner fills it in once there
# is one: packaged bundles and DICOM SEGs then name it. Until then nothing names a place that is not the project's.
ADDRESS: str | None = None


def extra(name: str) -> str:
    """How to install one of the extras of ``pyproject.toml``, for messages; no name on a package index is ours."""
    return (
        f"install the extra '{name}': pip install '.[{name}]' in a checkout of meddino, or "
        f"'meddino-{__version__}-py3-none-any.whl[{name}]'"
    )
