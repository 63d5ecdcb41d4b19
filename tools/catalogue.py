"""The catalogue of the data: its sources, their groups, their items, and what is known of one group."""

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from encoders.errors import RequestError
from encoders.history.events import ACTIVE_DAYS
from tools.disclosure import Disclosure
from tools.search import Search, lately
from tools.types import Count

_EXAMPLES = 8


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shelf(_Model):
    """Names on one level of the catalogue, those that most users did something of lately first."""

    of: str = Field(description="the source or group the names belong to; empty for the sources themselves")
    names: tuple[str, ...]
    total: int = Field(description="names on this level, those that are not shown included")


class GroupCard(_Model):
    """What is known of one group of items, as of the as-of date."""

    group: str
    source: str
    action: str = Field(description="what users do with it")
    users: Count = Field(description="who did something of it in the 91 days before the as-of date")
    items: tuple[str, ...] = Field(description="the items most users did lately")
    item_count: int
    interval_days: float | None = Field(
        description="median days between two days on which one user did something of it; null where fewer users than "
        "the minimum size came back"
    )


class Catalogue:
    """Browses one forecaster's items."""

    def __init__(self, search: Search) -> None:
        """Browse what ``search`` finds things in."""
        self._search, self._forecaster = search, search.forecaster

    def browse(self, of: str, page: int, size: int) -> Shelf:
        """One page of ``size`` names below ``of``: the sources, the groups of a source, or the items of a group.

        Raises:
            RequestError: the data has neither such a source nor such a group.
        """
        names = self._names(of.strip())
        start = max(0, page) * size
        return Shelf(of=of.strip(), names=names[start : start + size], total=len(names))

    def describe(self, group: str, disclosure: Disclosure) -> GroupCard:
        """What is known of a group; where two sources have one of that name, that of the first.

        Raises:
            RequestError: the data has no such group.
        """
        number = self._number(group)
        if number is None:
            raise RequestError(f"There is no group '{group[:60]}' in this data.")
        source, name = self._search.groups[number]
        items = self._search.items_of(number)
        card = next(each for each in self._actions() if each[0] == source)
        gaps, users = self._gaps(items)
        return GroupCard(
            group=name,
            source=source,
            action=card[1],
            users=disclosure.count(int(self._search.group_users[number]), lately(source, name)),
            items=self._texts(number)[:_EXAMPLES],
            item_count=len(items),
            interval_days=None if disclosure.count(users, "came back", source, name) is None else gaps,
        )

    def _names(self, of: str) -> tuple[str, ...]:
        vocabulary = self._forecaster.scene.vocabulary
        if not of:
            return tuple(vocabulary.sources)
        source = next((each for each in vocabulary.sources if each.lower() == of.lower()), None)
        number = self._number(of)
        if source is None and number is None:
            raise RequestError(f"There is no source or group '{of[:60]}' in this data.")
        if number is not None and source is None:
            return self._texts(number)
        return self._search.common_groups(str(source), len(self._search.groups))

    def _number(self, group: str) -> int | None:
        """The number of a group by its name, in any case."""
        named = group.strip().lower()
        found = [number for number, (_, name) in enumerate(self._search.groups) if name.lower() == named]
        main = self._forecaster.dataset.card.main_source
        return next((each for each in found if self._search.groups[each][0] == main), found[0] if found else None)

    def _texts(self, number: int) -> tuple[str, ...]:
        """The items of a group, those of most users first."""
        items, users = self._search.items_of(number), self._search.item_users
        texts = self._forecaster.scene.vocabulary.texts
        return tuple(texts[item] for item in items[np.argsort(-users[items], kind="stable")])

    def _actions(self) -> list[tuple[str, str]]:
        """Each source with what users do there."""
        past = self._forecaster.scene.histories.past
        found = past.events().group_by("source").agg(pl.col("action").min()).collect()
        return [(str(source), str(action)) for source, action in found.iter_rows()]

    def _gaps(self, items: npt.NDArray[np.int64]) -> tuple[float | None, int]:
        """Median days between two days of one user, and how many users had two."""
        past = self._forecaster.scene.histories.past
        days = (
            past.events(4 * ACTIVE_DAYS)
            .filter(pl.col("item_id").is_in(items.tolist()))
            .select("user_id", day=pl.col("time").dt.date())
            .unique()
            .sort("user_id", "day")
            .with_columns(gap=pl.col("day").diff().over("user_id").dt.total_days())
            .drop_nulls("gap")
            .collect()
        )
        return (float(np.median(days["gap"].to_numpy())), days["user_id"].n_unique()) if len(days) else (None, 0)
