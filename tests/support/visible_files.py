"""What a user sees in a folder that this project wrote to: its record and lock are hidden."""

from pathlib import Path


def visible(folder):
    """Names in a folder."""
    return sorted(path.name for path in Path(folder).iterdir() if path.name != ".meddino")


def partial_files(folder):
    """Temporary files below a folder."""
    return [path for path in Path(folder).rglob("*") if ".partial" in path.name]
