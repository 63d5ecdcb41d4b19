"""What users did in the horizon of a window, as short lines that a writer reads.

A writer sees no id, no date, no amount and no history: only names of the data, those first that say most about a user.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from encoders.history.events import ACTIVE_DAYS, HORIZON_DAYS, DatasetCard, Window
from encoders.training.written import Level

_EVIDENCE = 4
"""Item texts that are kept with a line, the most usual of the user first."""


@dataclass(frozen=True)
class Line:
    """One thing a user did in the horizon, or did not."""

    source: str
    level: Level
    name: str
    days: int = 0
    items: tuple[str, ...] = ()
    """What she did it with, in the words of the data; empty for what she did not do."""


@dataclass(frozen=True)
class Unit:
    """One user at one as-of date, with what there is to write about."""

    user_id: str
    as_of: date
    lines: tuple[Line, ...]
    did: frozenset[tuple[str, str]]
    """Source and name of every group and item of the whole horizon, listed or not."""
    horizon_days: int = HORIZON_DAYS


class Horizon:
    """The horizon of one window, counted."""

    def __init__(self, window: Window, card: DatasetCard) -> None:
        """Count what everybody did; sources that no sentence speaks of are left out."""
        self.as_of = window.past.as_of
        self._past = window.past
        self.main_source = card.main_source
        self._spoken_of = sorted({card.main_source, *card.wordings})
        items = window.past.dataset.items.select("item_id", "text", group=pl.coalesce("group", "text"))
        self._events = window.future.filter(pl.col("source").is_in(self._spoken_of)).join(items, on="item_id")

    @cached_property
    def deeds(self) -> pl.DataFrame:
        """A row per user, source and level: name, days, items, users who did it, weight, activity; heaviest first.

        The weight is high for what a user did on many days and few others did at all. Activity is 0, 1 or 2: the third
        of the users she is in, by days with anything.
        """
        active = self._events.group_by("user_id").agg(pl.col("time").dt.date().n_unique().alias("active"))
        third = (3 * (pl.col("active").rank("ordinal") - 1) // pl.len()).cast(pl.Int8)
        active = active.sort("user_id").select("user_id", activity=third)
        both = pl.concat([self._counted("group"), self._counted("text").with_columns(level=pl.lit("item"))])
        users = pl.len().over("source", "level", "name").alias("users")
        weighed = both.with_columns(users).with_columns(weight=pl.col("days") / pl.col("users").sqrt())
        order = ["user_id", "weight", "source", "level", "name"]
        return weighed.join(active, on="user_id").sort(order, descending=[False, True, False, False, False])

    def _counted(self, name: str) -> pl.DataFrame:
        texts = pl.col("text").value_counts(sort=True).struct.field("text").head(_EVIDENCE)
        found = self._events.sort("user_id", "time", "item_id").group_by("user_id", "source", name, maintain_order=True)
        counted = found.agg(pl.col("time").dt.date().n_unique().alias("days"), texts.alias("items"))
        return counted.rename({name: "name"}).with_columns(level=pl.lit("group"))

    @cached_property
    def did(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Source and name of every group and item, by user."""
        pairs = self.deeds.group_by("user_id").agg(pl.struct("source", "name"))
        return {user: frozenset((pair["source"], pair["name"]) for pair in each) for user, each in pairs.iter_rows()}

    @cached_property
    def known(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Source and group of what each user did in the weeks before: it only decides what may be called new."""
        items = self._past.dataset.items.select("item_id", group=pl.coalesce("group", "text"))
        before = self._past.events(ACTIVE_DAYS).join(items.lazy(), on="item_id").select("user_id", "source", "group")
        pairs = before.unique().group_by("user_id").agg(pl.struct("source", "group")).collect()
        return {user: frozenset((pair["source"], pair["group"]) for pair in each) for user, each in pairs.iter_rows()}

    def usual(self, user_id: str, count: int) -> list[Line]:
        """Groups of the main source that most people turn to, and this user did not."""
        main = self.main_source
        groups = self.deeds.filter((pl.col("level") == "group") & (pl.col("source") == main))
        common = groups.group_by("name").agg(pl.col("users").first()).sort(["users", "name"], descending=[True, False])
        missing = [name for name in common["name"] if (main, name) not in self.did.get(user_id, frozenset())]
        return [Line(main, "group", name) for name in missing[:count]]
