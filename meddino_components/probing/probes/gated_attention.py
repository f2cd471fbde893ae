"""Gated attention trained on frozen features: the probe of samples with many items, such as slices or tiles.

Shapes: N samples, n items of one of them, D width, K classes or labels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from ...data.image_sets import Split
from ...embeddings import Embeddings, Kind
from ...networks import GatedAttention
from ..statistics.class_counts import mean_auc

_WEIGHT_DECAY, _BAGS_OF_STEP = 1e-2, 8


@dataclass(frozen=True, kw_only=True)
class LabelledBags:
    """Samples of a store as bags, read where they are asked for.

    Attributes:
        embeddings: see `Embeddings`.
        kind: which of an item's vectors.
        samples: numbers of those that count, [N]; each has an item.
        targets: classes [N], or 0 and 1 [N, K].
    """

    embeddings: Embeddings
    kind: Kind
    samples: NDArray[np.int64]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.samples)

    def width(self) -> int:
        """D."""
        return int(self.embeddings.items(int(self.samples[0]), self.kind).shape[-1])

    def bag(self, number: int, items: NDArray[np.int64] | None = None) -> Tensor:
        """[n, D] float32: all items of the sample in this place, or some of them."""
        found = self.embeddings.items(int(self.samples[number]), self.kind)
        return torch.from_numpy(np.asarray(found if items is None else found[items], dtype=np.float32))


@dataclass(frozen=True, kw_only=True)
class BagScores:
    """What the probe says of the test's bags.

    Attributes:
        scores: probabilities [N, K].
        attention: for each bag the weights of its items [n], which sum to 1.
    """

    scores: Tensor
    attention: Sequence[Tensor]


def attention_probe(
    bags: Mapping[Split, LabelledBags],
    *,
    n_classes: int,
    epochs: int = 50,
    learning_rate: float = 5e-4,
    max_instances: int = 4096,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> BagScores:
    """Train `GatedAttention` on bags of embeddings and score the test.

    Cross-entropy for classes, binary cross-entropy for several labels; AdamW. Features are standardised by all items of
    the training bags. The epoch with the best AUC on the validation bags is kept, of equal ones that with the lower
    loss, which decides alone where their labels give no AUC. The bags of a step are in memory, no more. Everything
    that is drawn comes from a generator of its own.

    Args:
        bags: by split: those to learn from, those that choose the epoch, those to score.
        n_classes: K.
        epochs: passes over the training bags.
        learning_rate: of AdamW, constant.
        max_instances: of a longer bag so many items are drawn, anew in each epoch; validation and test see all.
        seed: of the first weights, the order and the items drawn.
        device: where it is trained.
        progress: show a bar.

    Reference: Ilse, Tomczak and Welling, arXiv 1802.04712; on slides of frozen encoders arXiv 2509.06467.
    """
    training, validation, test = bags["train"], bags["val"], bags["test"]
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not that of GPUs, which is not put back
        network = GatedAttention(in_dim=training.width(), n_outputs=n_classes).to(device)
    mean, std = (statistic.to(device) for statistic in _mean_and_std(training))
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=_WEIGHT_DECAY)

    def answers(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits [B, K] and attention [B, n] of B bags [n, D]."""
        instances = pad_sequence([(bag.to(device) - mean) / std for bag in items], batch_first=True)
        lengths = torch.tensor([len(bag) for bag in items], device=device)
        mask = torch.arange(instances.shape[1], device=device) < lengths[:, None]
        logits, attention = network(instances, mask)
        return logits, attention

    @torch.no_grad()
    def judged(part: LabelledBags) -> tuple[Tensor, list[Tensor]]:
        """Logits [N, K] and attention, a whole bag at a time."""
        found = [answers([part.bag(number)]) for number in range(len(part))]
        return torch.cat([logits for logits, _ in found]).cpu(), [attention[0].cpu() for _, attention in found]

    best, kept = (-1.0, -float("inf")), copy.deepcopy(network.state_dict())
    for _ in tqdm(range(epochs), desc="attention", unit="epoch", disable=not progress, leave=False):
        for rows in torch.randperm(len(training), generator=generator).split(_BAGS_OF_STEP):
            drawn = [training.bag(int(row), _drawn(training, int(row), max_instances, generator)) for row in rows]
            loss = _loss(answers(drawn)[0], training.targets[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        logits, _ = judged(validation)
        auc = mean_auc(_probabilities(logits, validation.targets), _as_table(validation.targets, n_classes))
        quality = (auc if np.isfinite(auc) else 0.0, -float(_loss(logits, validation.targets)))
        if quality > best:
            best, kept = quality, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    logits, attention = judged(test)
    return BagScores(scores=_probabilities(logits, test.targets), attention=attention)


def _drawn(bags: LabelledBags, number: int, max_instances: int, generator: torch.Generator) -> NDArray[np.int64] | None:
    """Numbers of the items of a bag that is too long, in order, as they are quicker to read."""
    length = int(bags.embeddings.lengths[bags.samples[number]])
    if length <= max_instances:
        return None
    return np.sort(torch.randperm(length, generator=generator)[:max_instances].numpy())


def _mean_and_std(bags: LabelledBags) -> tuple[Tensor, Tensor]:
    """[D] each over all items, in one pass; what does not vary is divided by 1."""
    count, total, squares = 0, torch.zeros(bags.width(), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for number in range(len(bags)):
        items = bags.bag(number).double()
        count, total, squares = count + len(items), total + items.sum(0), squares + (items**2).sum(0)
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    return mean.float(), torch.where(std <= 1e-6 * mean.abs(), torch.ones_like(std), std).float()


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, targets.float())
    return F.cross_entropy(logits, targets.long())


def _probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.sigmoid() if targets.ndim == 2 else logits.softmax(1)


def _as_table(targets: Tensor, n_classes: int) -> Tensor:
    return targets if targets.ndim == 2 else F.one_hot(targets.long(), n_classes)
