"""Classify bags of slices or tiles by gated attention, which also shows the instances that decide.

Shapes: B bags, n instances of the longest bag, D width of an instance, H hidden width, A width of the attention,
K outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GatedAttention(nn.Module):
    """A classifier of bags: instances are projected, weighted by gated attention, summed and classified linearly.

    h = relu(P x);  a = softmax over the bag of w (tanh(V h) * sigmoid(U h));  logits = C (sum of a h) + c

    MONAI's `MILModel` has tanh without the gate, and no mask: all its bags must have the same length.

    Args:
        in_dim: width D of an instance.
        n_outputs: number of outputs K.
        hidden_dim: hidden width H.
        attention_dim: width A of the attention.

    Shape: instances [B, n, D] and mask [B, n] (true for an instance, false for padding) to logits [B, K] and attention
    [B, n], which sums to 1 over a bag and is 0 for padding. Every bag needs at least one instance.

    Reference: Ilse, Tomczak and Welling, Attention-based Deep Multiple Instance Learning, ICML 2018
    (arXiv 1802.04712), equations 7 and 9.
    """

    def __init__(self, *, in_dim: int, n_outputs: int, hidden_dim: int = 256, attention_dim: int = 128) -> None:
        super().__init__()
        self.projection = nn.Linear(in_dim, hidden_dim)
        self.content = nn.Linear(hidden_dim, attention_dim)
        self.gate = nn.Linear(hidden_dim, attention_dim)
        # no bias, as the softmax would cancel it
        self.weight = nn.Linear(attention_dim, 1, bias=False)
        self.classifier = nn.Linear(hidden_dim, n_outputs)

    def forward(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.projection(instances).relu()
        logits = self.weight(self.content(hidden).tanh() * self.gate(hidden).sigmoid()).squeeze(-1)
        attention = logits.masked_fill(~mask, -torch.inf).softmax(1)
        pooled = torch.einsum("bn,bnh->bh", attention, hidden)
        return self.classifier(pooled), attention
