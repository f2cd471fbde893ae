"""Create synthetic patients: analytic anatomy, rendered to CT and MR, written as a data set."""

from .data_set import write_phantoms

__all__ = ["write_phantoms"]
