"""Adapt a patch embedding to another number of input channels or another patch size."""

import torch
import torch.nn.functional as F


def adapt_patch_embedding(weight: torch.Tensor, in_chans: int) -> torch.Tensor:
    r"""Return patch embedding weights for ``in_chans`` channels that give the same output for a grey image.

    With C channels in the file, n requested channels and :math:`S = \sum_c W_c`, the channels are repeated in turn,
    scaled, and all shifted by the same amount so that their sum stays the same at every pixel of the patch:

    .. math:: W'_j = \frac{C}{n} W_{j \bmod C} + \frac{1}{n}\Big(S - \frac{C}{n} \sum_i W_{i \bmod C}\Big)

    An input with n identical channels therefore gives the same output as one with C identical channels and the original
    weights: one channel gets the sum over channels, and a multiple of C gets scaled copies. Different channels
    (modalities) still get different filters.

    Args:
        weight: patch embedding weights [D, C, p, p].
        in_chans: requested number of channels n, at least 1.

    Returns:
        Weights [D, n, p, p] in the dtype of ``weight``; ``weight`` itself if n equals C.
    """
    n_given = weight.shape[1]
    if weight.ndim != 4 or in_chans < 1:
        raise ValueError(f"expected a weight [D, C, p, p] and in_chans >= 1, got {tuple(weight.shape)} and {in_chans}")
    if n_given == in_chans:
        return weight
    exact = weight.double()  # keeps the sum over channels exact to the last bit of a float32
    total = exact.sum(dim=1, keepdim=True)
    cycled = exact[:, torch.arange(in_chans) % n_given] * (n_given / in_chans)
    shift = (total - cycled.sum(dim=1, keepdim=True)) / in_chans
    return (cycled + shift).to(weight.dtype)


def resample_patch_embedding(weight: torch.Tensor, patch_size: int) -> torch.Tensor:
    r"""Return patch embedding weights for patches of another size.

    With B the matrix that resizes a patch from p to q pixels a side bilinearly, the filter w becomes

    .. math:: w' = (B^T)^+ w

    so that w' responds to the resized patch as w does to the original: exactly if q is larger than p, and in the
    least-squares sense if q is smaller.

    Args:
        weight: patch embedding weights [D, C, p, p].
        patch_size: requested patch size q in pixels, at least 1.

    Returns:
        Weights [D, C, q, q] in the dtype of ``weight``; ``weight`` itself if q equals p.

    Reference: Beyer et al., FlexiViT, arXiv 2212.08013, section 3.4.
    """
    given = weight.shape[-1]
    if weight.ndim != 4 or weight.shape[-2] != given or patch_size < 1:
        raise ValueError(
            f"expected a weight [D, C, p, p] and patch_size >= 1, got {tuple(weight.shape)} and {patch_size}"
        )
    if given == patch_size:
        return weight
    pixels = torch.eye(given**2, dtype=torch.float64, device=weight.device).view(-1, 1, given, given)
    resized = F.interpolate(pixels, size=(patch_size, patch_size), mode="bilinear", antialias=True)
    inverse = torch.linalg.pinv(resized.flatten(1))  # [q * q, p * p], applied to flattened patches
    changed = weight.double().flatten(2) @ inverse.T
    return changed.unflatten(-1, (patch_size, patch_size)).to(weight.dtype)
