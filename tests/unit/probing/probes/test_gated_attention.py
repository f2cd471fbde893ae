"""The attention probe finds the one instance of a bag that decides, and nothing where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from probed import scored
from torch.testing import assert_close

from meddino_components.data.image_sets import SPLITS
from meddino_components.embeddings import EmbeddingStore
from meddino_components.errors import InputError
from meddino_components.probing import Bootstrap, GatedAttention, LabelledFeatures, LinearLayer
from meddino_components.probing.probes import gated_attention as probe_module
from meddino_components.probing.probes.bags import LabelledBags
from meddino_components.probing.probes.standardisation import Standardisation
from meddino_components.probing.statistics.bootstrap import percentile_interval
from meddino_components.probing.statistics.metrics import measure

WIDTH = 8


def labelled_bags(folder, bags, targets, samples=None):
    """Bags of any length by way of a store on disk."""
    store = EmbeddingStore(
        folder, identity={"a": 1}, sample_ids=[f"s{k}" for k in range(len(bags))], kinds=("cls",), part_samples=16
    )
    for part in range(store.n_parts):
        found = [bags[k] if isinstance(bags[k], str) else {"cls": bags[k]} for k in store.part(part)]
        store.write_part(part, found)
    kept = np.arange(len(bags)) if samples is None else np.array(samples)
    return LabelledBags(embeddings=store.read(), kind="cls", samples=kept, targets=torch.as_tensor(targets))


def planted(folder, n, seed, *, signal=4.0, lengths=(8, 20)):
    """Of each bag one instance carries the class, and the mean hardly shows it.

    The instance that decides is marked in feature 0 and says the class by the sign of feature 1; the sign of the others
    is drawn. Returns the bags and which instance decides.
    """
    rng = np.random.default_rng(seed)
    targets = rng.integers(2, size=n)
    bags, deciding = [], []
    for target in targets:
        bag = rng.normal(size=(rng.integers(*lengths), WIDTH))
        marked = rng.integers(len(bag))
        bag[:, 1] += signal * rng.choice([-1, 1], len(bag))
        bag[marked, :2] = signal, signal * (2 * target - 1)
        # on scales that differ
        bags.append((bag * np.logspace(-1, 1, WIDTH) + 2).astype(np.float16))
        deciding.append(int(marked))
    return labelled_bags(folder, bags, targets), deciding


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags")
    return [planted(folder / name, n, k) for k, (name, n) in enumerate((("a", 120), ("b", 30), ("c", 80)))]


def mean_vectors(bags):
    return torch.stack([bags.bag(k).mean(0) for k in range(len(bags))])


def auc(scores, targets):
    resamples = Bootstrap(n_resamples=200).resample(torch.arange(len(targets)))
    return percentile_interval(measure(scores, targets, resamples, ["AUC"])["AUC"])


def run(bags, **settings):
    bags = dict(zip(SPLITS, bags, strict=True))
    vectors = {split: torch.zeros(len(part), WIDTH) for split, part in bags.items()}
    targets = {split: part.targets for split, part in bags.items()}
    probe = GatedAttention(**{"learning_rate": 1e-3, "epochs": 12, "progress": False, **settings})
    return probe.score(LabelledFeatures(vectors=vectors, targets=targets, n_classes=2, bags=bags))


def test_one_instance_decides_which_the_mean_does_not_show(problem):
    (training, validation, test), deciding = [bags for bags, _ in problem], problem[2][1]
    found = run((training, validation, test))
    assert_close(found.scores.sum(1), torch.ones(80))
    assert auc(found.scores, test.targets).value > 0.95
    of_mean = scored(LinearLayer(), mean_vectors(training), training.targets, mean_vectors(test), n_classes=2)
    assert auc(of_mean, test.targets).value < 0.7
    assert [len(weights) for weights in found.attention] == test.embeddings.lengths.tolist()
    assert_close(torch.stack([weights.sum() for weights in found.attention]), torch.ones(80))
    on_deciding = torch.tensor([weights[k] for weights, k in zip(found.attention, deciding, strict=True)])
    shares = 1 / torch.from_numpy(test.embeddings.lengths)
    # to tell two classes it is enough to know the instances of one
    looked_at = (on_deciding > 3 * shares).float()
    assert max(float(looked_at[test.targets == target].mean()) for target in (0, 1)) > 0.95


def test_where_nothing_is_planted_nothing_is_found(tmp_path):
    bags = [planted(tmp_path / str(k), 60, k, signal=0.0)[0] for k in range(3)]
    interval = auc(run(bags, epochs=5).scores, bags[2].targets)
    assert interval.low < 0.5 < interval.high


def test_labels_that_overlap(problem):
    tables = [replace(bags, targets=torch.stack((bags.targets, 1 - bags.targets), 1)) for bags, _ in problem]
    scores = run(tables).scores
    assert float(((scores > 0.5) == tables[2].targets).float().mean()) > 0.9
    assert float((scores.sum(1) - 1).abs().max()) > 1e-3


def test_the_seed_decides_and_nothing_global(problem):
    bags = [bags for bags, _ in problem]
    # some bags are longer than that: items are drawn as well
    settings = {"epochs": 2, "max_instances": 12}
    first = run(bags, **settings)
    torch.rand(3)
    np.random.rand(3)  # noqa: NPY002
    state, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = run(bags, **settings)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], of_numpy)  # noqa: NPY002
    assert torch.equal(first.scores, again.scores)
    assert not torch.equal(first.scores, run(bags, **settings, seed=1).scores)


def test_long_bags_are_drawn_anew_in_training_and_whole_in_the_test(problem, monkeypatch):
    bags = [bags for bags, _ in problem]
    asked = []
    whole = LabelledBags.bag

    def noted(self, number, items=None):
        asked.append((self is bags[0], number, None if items is None else tuple(items)))
        return whole(self, number, items)

    monkeypatch.setattr(LabelledBags, "bag", noted)
    found = run(bags, epochs=3, max_instances=12)
    lengths = bags[0].embeddings.lengths
    longest = int(lengths.argmax())
    drawn = [items for of_training, number, items in asked if of_training and number == longest and items]
    assert len(set(drawn)) == 3
    assert all(len(set(items)) == 12 for items in drawn)
    assert all(items is None for of_training, _, items in asked if not of_training)
    assert max(map(len, found.attention)) > 12
    # a short bag is never cut
    shortest = int(lengths.argmin())
    assert all(items is None for of_training, number, items in asked if of_training and number == shortest)


def test_the_epoch_is_that_which_validation_likes_best(problem, monkeypatch):
    """AUC first, then the loss; the network of that epoch scores the test."""
    bags = [bags for bags, _ in problem]
    values = iter([0.6, 0.9, 0.7])
    monkeypatch.setattr(probe_module, "mean_auc", lambda scores, labels: next(values))
    chosen = run(bags, epochs=3).scores
    monkeypatch.undo()
    monkeypatch.setattr(probe_module, "mean_auc", lambda scores, labels: 0.0)
    assert torch.equal(chosen, run(bags, epochs=2).scores)
    assert not torch.equal(chosen, run(bags, epochs=1).scores)


def test_validation_of_one_class_chooses_by_the_loss(problem):
    bags = [bags for bags, _ in problem]
    of_one = np.flatnonzero(bags[1].targets.numpy() == 1)
    bags[1] = replace(bags[1], samples=of_one, targets=torch.ones(len(of_one), dtype=torch.long))
    assert auc(run(bags).scores, bags[2].targets).value > 0.9


def test_features_are_standardised_by_all_items_of_training(problem):
    training = problem[0][0]
    items = torch.cat([training.bag(k) for k in range(len(training))])
    found = Standardisation.of_parts(training.bag(k) for k in range(len(training)))
    assert_close(found.mean, items.mean(0))
    assert_close(found.std, items.std(0, correction=0))


def test_a_feature_that_does_not_vary_and_samples_that_are_left_out(tmp_path):
    rng = np.random.default_rng(0)
    bags = [rng.normal(size=(4, 3)).astype(np.float16) for _ in range(6)]
    for bag in bags:
        bag[:, 2] = 0.1
    bags[2] = "torn"
    kept = labelled_bags(tmp_path, bags, [0, 1, 0, 1, 1], samples=[0, 1, 3, 4, 5])
    found = run((kept, kept, kept), epochs=2)
    assert found.scores.shape == (5, 2)
    assert bool(found.scores.isfinite().all())
    assert_close(kept.bag(2), torch.from_numpy(bags[3].astype(np.float32)))


def test_what_does_not_fit_is_refused():
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(InputError, match="needs samples of several items, such as volumes or slides"):
        scored(GatedAttention(), x, y, x, n_classes=2)
    with pytest.raises(InputError, match="max_instances of GatedAttention is 0; expected a whole number of at least 1"):
        GatedAttention(max_instances=0)


def test_the_device_and_the_bar_are_no_part_of_the_identity():
    assert GatedAttention(device="cuda", progress=False).identity() == GatedAttention().identity()
    assert GatedAttention(seed=1).identity() != GatedAttention().identity()
