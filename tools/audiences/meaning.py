"""What a demand meant when its audience was saved, so that its outcome can be counted later without a model.

It names whole sources, whole groups and single items of the data, and no numbers of rows: data that is prepared later
numbers its items anew, and what came into a group since belongs to it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.data.events import Dataset
from encoders.records import Record
from encoders.text.demand import Demand, Part

Items = npt.NDArray[np.int64]
_ITEM = ("source", "text", "group")


class MeantThings(Record):
    """What one part of a demand means."""

    negated: bool
    sources: tuple[str, ...]
    """All that is done there."""
    groups: tuple[tuple[str, str], ...]
    """Source and name of a group that is meant whole."""
    items: tuple[tuple[str, str, str | None], ...]
    """Source, text and group of an item."""


class Meaning(Record):
    """A demand taken apart, with the things of the data that each part means."""

    sentence: str
    horizon_days: int
    first_time: bool
    parts: tuple[MeantThings, ...]

    def in_data(self, dataset: Dataset) -> tuple[Demand, list[Items]]:
        """The demand, and per part the items of ``dataset`` that it means, in their order."""
        parts = tuple(Part((), each.negated) for each in self.parts)
        demand = Demand(self.sentence, parts, self.horizon_days, self.first_time)
        return demand, [_items_of(each, dataset) for each in self.parts]


def meaning_of(demand: Demand, items: Sequence[Items], dataset: Dataset) -> Meaning:
    """What a demand means, by the names of things.

    Args:
        demand: taken apart.
        items: per part, the items of ``dataset`` that it means.
        dataset: where they are from.
    """
    parts = [_named(part, meant, dataset) for part, meant in zip(demand.parts, items, strict=True)]
    return Meaning(
        sentence=demand.sentence, horizon_days=demand.horizon_days, first_time=demand.first_time, parts=tuple(parts)
    )


def _named(part: Part, items: Items, dataset: Dataset) -> MeantThings:
    meant = np.zeros(dataset.items.height, bool)
    meant[items] = True
    source_of = dataset.items["source"].to_numpy()
    sources = sorted(name for name in set(source_of[meant]) if meant[source_of == name].all())
    rest = meant & ~np.isin(source_of, sources)
    all_of = np.bincount(dataset.group_of)
    whole = np.flatnonzero(np.bincount(dataset.group_of[rest], minlength=len(all_of)) == all_of)
    single = rest & ~np.isin(dataset.group_of, whole)
    return MeantThings(
        negated=part.negated,
        sources=tuple(sources),
        groups=tuple(dataset.groups.select("source", "group")[whole.tolist()].iter_rows()),
        items=tuple(dataset.items.filter(pl.Series(single)).select(_ITEM).iter_rows()),
    )


def _items_of(meant: MeantThings, dataset: Dataset) -> Items:
    """The items, by their numbers in ``dataset``, ascending."""
    names = dict.fromkeys(("source", "group"), pl.String)
    groups = dataset.groups.with_row_index("place").join(
        pl.DataFrame(list(meant.groups), schema=names, orient="row"), on=["source", "group"], how="semi"
    )
    single = dataset.items.join(
        pl.DataFrame(list(meant.items), schema=dict.fromkeys(_ITEM, pl.String), orient="row"),
        on=list(_ITEM),
        how="semi",
        nulls_equal=True,
    )
    found = dataset.items["source"].is_in(list(meant.sources)).to_numpy()
    found = found | np.isin(dataset.group_of, groups["place"].to_numpy())
    found[single["item_id"].to_numpy()] = True
    return np.flatnonzero(found).astype(np.int64)
