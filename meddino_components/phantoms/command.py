"""The command ``python -m meddino_components phantom``."""

from __future__ import annotations

from .data_set import write_phantoms


def phantom(
    output_dir: str,
    n_ct: int = 16,
    n_mr: int = 4,
    n_val_ct: int = 4,
    n_val_mr: int = 2,
    seed: int = 0,
    num_workers: int = 2,
) -> str:
    """Write a synthetic data set in the layout of AMOS22.

    Args:
        output_dir: new folder.
        n_ct: number of CT cases for training.
        n_mr: number of MR cases for training.
        n_val_ct: number of held-out CT cases.
        n_val_mr: number of held-out MR cases.
        seed: random seed.
        num_workers: number of processes that make the cases.
    """
    root = write_phantoms(
        output_dir, n_ct=n_ct, n_mr=n_mr, n_val_ct=n_val_ct, n_val_mr=n_val_mr, seed=seed, num_workers=num_workers
    )
    return str(root)
