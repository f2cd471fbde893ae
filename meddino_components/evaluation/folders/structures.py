"""The structures that predictions and references have in common, whatever each of them numbers or spells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...data.cases.layout import plain_name
from ...data.volumes.regions import Regions
from ...errors import InputError
from ...near_names import near_name
from ...wording import first_few
from .named_labels import NamedLabels


@dataclass(frozen=True, kw_only=True)
class Side:
    """The predictions, or the references.

    Attributes:
        folder: folder of the label maps, for messages.
        labels: meaning of the numbers in them; None for masks, whose files have the names.
        names: names of the structures.
    """

    folder: str
    labels: NamedLabels | None
    names: Sequence[str]

    @property
    def source(self) -> str:
        """Return what the names are from."""
        return "the names of the masks" if self.labels is None else self.labels.source


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What is scored. Its labels are 1, 2 and so on, in the order of the names, or those that the regions have.

    Attributes:
        names: names as the references spell them.
        predicted_as: names as the predictions spell them, in the same order.
        regions: nested regions of the labels; None for classes.
        only_in_references: names that the predictions lack.
        only_in_predictions: names that the references lack.
    """

    names: Sequence[str]
    predicted_as: Sequence[str]
    regions: Regions | None = None
    only_in_references: Sequence[str] = ()
    only_in_predictions: Sequence[str] = ()


def shared_structures(predictions: Side, references: Side, rename: Mapping[str, str] | None = None) -> Structures:
    """Match structures by their names; capitals, spaces, hyphens and underscores make no difference.

    Args:
        predictions: the predictions.
        references: the references.
        rename: name in the references by name in the predictions, for those that differ; not used for regions.

    Raises:
        InputError: nothing matches, ``rename`` has a name that is not there or makes two predictions one structure, or
            the sides have different regions.
    """
    if (regions := _shared_regions(predictions, references)) is not None:
        # the same sets of labels in the same order, so names do not matter
        return Structures(names=regions.names, predicted_as=regions.names, regions=regions)
    renamed = {name: name for name in predictions.names} | _checked(rename or {}, predictions, references)
    predicted: dict[str, str] = {}
    for name, meant in renamed.items():
        if (other := predicted.setdefault(plain_name(meant), name)) != name:
            raise InputError(f"{predictions.folder}: {other!r} and {name!r} both stand for {meant!r}; correct --rename")
    wanted = {plain_name(name): name for name in references.names}
    common = [plain for plain in wanted if plain in predicted]
    if not common:
        raise InputError(
            f"{predictions.folder}: has {first_few(predictions.names, 8)}; none of them is in {references.folder}: "
            f"{first_few(references.names, 8)}. Map the names by --rename, such as "
            f"\"{{'{predictions.names[0]}': '{references.names[0]}'}}\""
        )
    return Structures(
        names=[wanted[plain] for plain in common],
        predicted_as=[predicted[plain] for plain in common],
        only_in_references=[name for plain, name in wanted.items() if plain not in predicted],
        only_in_predictions=[name for plain, name in predicted.items() if plain not in wanted],
    )


def _shared_regions(predictions: Side, references: Side) -> Regions | None:
    found, wanted = (None if side.labels is None else side.labels.regions for side in (predictions, references))
    if (found or wanted) and None in (predictions.labels, references.labels):
        masks = predictions if predictions.labels is None else references
        raise InputError(
            f"{masks.folder}: has masks, and the other folder has label maps of regions; expected label maps in both. "
            "Write the masks into label maps"
        )
    if (found is None) != (wanted is None) or (found and wanted and found.members != wanted.members):
        option, side = ("--reference_labels", predictions) if wanted is None else ("--prediction_labels", references)
        raise InputError(
            f"{predictions.folder}: has {_in_words(found)}, {references.folder} has {_in_words(wanted)}; expected the "
            f"same. If all numbers mean the same in both, give {option} {side.folder}"
        )
    if found and wanted and found.names != wanted.names and set(found.names) == set(wanted.names):
        raise InputError(
            f"{predictions.folder}: has {_in_words(found)}, {references.folder} has {_in_words(wanted)}; expected the "
            "same names for the same labels. Correct one of them"
        )
    return wanted


def _in_words(regions: Regions | None) -> str:
    if regions is None:
        return "classes without regions"
    pairs = zip(regions.names, regions.members, strict=True)
    return "the regions " + ", ".join(f"{name} {list(labels)}" for name, labels in pairs)


def _checked(rename: Mapping[str, str], predictions: Side, references: Side) -> dict[str, str]:
    for names, side in ((rename.keys(), predictions), (rename.values(), references)):
        if unknown := _missing(names, side.names):
            near = near_name(unknown, side.names)
            raise InputError(
                f"--rename: {unknown!r} is not in {side.folder}, which has {first_few(side.names, 8)}"
                + (f". Did you mean {near!r}?" if near else "")
            )
    return {name: meant for name in predictions.names for old, meant in rename.items() if _same(old, name)}


def _missing(names: Iterable[str], known: Sequence[str]) -> str | None:
    return next((name for name in names if not any(_same(name, one) for one in known)), None)


def _same(first: str, second: str) -> bool:
    return plain_name(first) == plain_name(second)
