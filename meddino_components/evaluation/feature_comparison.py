"""Encoders side by side on held-out patches, with the confidence interval of one's gain over another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .paired_bootstrap import Gain, paired_bootstrap
from .probe_metrics import ClassCounts, Score, organ_score


@dataclass(frozen=True)
class FeatureComparison:
    """Scores by encoder, and the gain of the first over each of the others."""

    scores: dict[str, float]
    gains: dict[str, Gain]

    def as_dict(self) -> dict[str, object]:
        """Plain data, for JSON."""
        gains = {
            name: {"gain": g.gain, "low": g.low, "high": g.high, "units": g.n_units, "excludes_zero": g.excludes_zero}
            for name, g in self.gains.items()
        }
        return {"scores": self.scores, "gain_over": gains}

    def text(self) -> str:
        """A table to print."""
        width = max(len(name) for name in self.scores)
        lines = [f"{'encoder':<{width}}  score  gain of the first (95 % interval)"]
        for name, score in self.scores.items():
            gain = self.gains.get(name)
            shown = f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}, {gain.n_units} units)" if gain else ""
            lines.append(f"{name:<{width}}  {score:.3f}  {shown}".rstrip())
        return "\n".join(lines)


def compare_features(
    counts: Mapping[str, ClassCounts],
    *,
    score: Score = organ_score,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> FeatureComparison:
    """Compare what a probe found in the first encoder's patches with the others by a paired bootstrap over units.

    Args:
        counts: name -> `patch_counts` of an encoder, all of the same patches; the first is the one in question, the
            others controls.
        score: of counts.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two units, or encoders that were given different patches.
    """
    first, *others = counts
    settings = {"score": score, "n_resamples": n_resamples, "seed": seed}
    return FeatureComparison(
        scores={name: float(score(c.total())) for name, c in counts.items()},
        gains={name: paired_bootstrap(counts[first], counts[name], **settings) for name in others},  # type: ignore[arg-type]
    )
