"""The projection head of self-distillation, which maps tokens to scores of prototypes.

Shapes: N tokens, D width of the backbone, K prototypes.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class DINOHead(nn.Module):
    """MLP to a narrow unit-length vector, then one linear layer whose rows are the prototypes.

    The prototypes are a plain linear layer without bias; unlike DINO, DINOv3 does not normalise their weight.
    State-dict keys are those of the public checkpoints (``mlp.0.weight``, ..., ``last_layer.weight``; ``mlp.weight``
    where the MLP is one layer).

    Args:
        in_dim: width D of the tokens.
        out_dim: number of prototypes K.
        nlayers: number of linear layers in the MLP, with GELU between them.
        hidden_dim: width of the MLP.
        bottleneck_dim: width of the unit-length vector.
        mlp_bias: whether the MLP's layers have a bias.
        prototype_std: standard deviation of the prototypes' initial values. The published 0.02 makes all scores nearly
            equal at first, which only long runs overcome; 1 / sqrt(bottleneck_dim) gives prototypes of unit length, as
            in DINO.

    Raises:
        ValueError: there is no layer.

    Reference: Caron et al., Emerging properties in self-supervised vision transformers, arXiv 2104.14294, appendix C;
    golden values of the official DINOv3 code.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        out_dim: int,
        nlayers: int = 3,
        hidden_dim: int = 2048,
        bottleneck_dim: int = 256,
        mlp_bias: bool = True,
        prototype_std: float = 0.02,
    ) -> None:
        super().__init__()
        if nlayers < 1:
            raise ValueError(f"nlayers must be at least 1, got {nlayers}")
        widths = [in_dim, *[hidden_dim] * (nlayers - 1), bottleneck_dim]
        layers: list[nn.Module] = []
        for width, next_width in pairwise(widths):
            layers += [nn.Linear(width, next_width, bias=mlp_bias), nn.GELU()]
        layers.pop()
        self.mlp = layers[0] if nlayers == 1 else nn.Sequential(*layers)
        self.last_layer = nn.Linear(bottleneck_dim, out_dim, bias=False)
        self.prototype_std = prototype_std
        self.init_weights()

    def init_weights(self) -> None:
        """Draw weights from a truncated normal (std 0.02, or ``prototype_std``), and set biases to zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                std = self.prototype_std if module is self.last_layer else 0.02
                # the bounds scale with std, so that a large std is not cut off
                nn.init.trunc_normal_(module.weight, std=std, a=-100 * std, b=100 * std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, no_last_layer: bool = False, only_last_layer: bool = False) -> Tensor:
        """Return the scores of the prototypes.

        Args:
            x: tokens [..., D]; with ``only_last_layer`` vectors [..., bottleneck_dim].
            no_last_layer: whether to return the unit-length vectors [..., bottleneck_dim].
            only_last_layer: whether ``x`` holds such vectors instead of tokens.

        Returns:
            Scores [..., K], or unit-length vectors.
        """
        if not only_last_layer:
            x = F.normalize(self.mlp(x), dim=-1, eps=1e-12)
        return x if no_last_layer else self.last_layer(x)
