"""What a prepared data set comes to, in numbers, for whoever prepared it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from encoders.data import columns as col
from encoders.data.events import Dataset, DatasetCard

USERS = "users"
"""What the users table is called among the reasons why rows are left out."""


@dataclass(frozen=True)
class Joined:
    """How the ids of the users table and those of the events fit together."""

    listed: pl.Series
    """Everybody in the users table."""
    seen: pl.Series
    """Everybody with a row of events, usable or not."""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is said where the same users seem to be called differently."""
        told = self._between()
        everybody = pl.concat([self.listed, self.seen]).unique().alias("user_id").to_frame()
        spelling = col.spelling(pl.col("user_id"))
        several = everybody.with_columns(spelling.alias("spelling")).filter(pl.len().over("spelling") > 1)
        if told or several.is_empty():
            return told
        alike = several.group_by("spelling").agg(pl.col("user_id").sort()).sort(pl.col("user_id").list.first())
        one, other, *_ = alike["user_id"][0]
        return (
            f"{several.height:,} ids are {alike.height:,} with other zeros, capital letters or quotes, such as '{one}' "
            f"and '{other}'; write the ids of all tables in one way, for they are taken for different users",
        )

    def _between(self) -> tuple[str, ...]:
        """What is said of users who are listed in one way and have events in another."""
        if self.listed.is_empty():
            return ()
        ours, theirs = (_loose(one, other) for one, other in ((self.listed, self.seen), (self.seen, self.listed)))
        alike = ours.join(theirs, on="loose")
        if alike.is_empty():
            return ()
        one, other = alike.sort("user_id", "user_id_right").select("user_id", "user_id_right").row(0)
        users = alike["user_id"].n_unique()
        return (
            f"{users:,} users are called differently in the users table and in the events, such as '{one}' and "
            f"'{other}'; write their ids in one way, for they are taken for different users",
        )


def _loose(ids: pl.Series, known: pl.Series) -> pl.DataFrame:
    """The ids that are not among the known ones, and what they are without zeros, signs and case."""
    alone = ids.alias("user_id").to_frame().filter(~pl.col("user_id").is_in(known.implode()))
    plain = pl.col("user_id").str.to_lowercase().str.replace_all(r"[^\w]", "").str.replace(r"^0+", "")
    return alone.with_columns(plain.alias("loose")).filter(pl.col("loose") != "")


@dataclass(frozen=True)
class SourceSummary:
    """The numbers of one source."""

    source: str
    events: int
    users: int
    first: date
    last: date


@dataclass(frozen=True)
class Summary:
    """The numbers of a prepared data set."""

    rows: int
    """Rows of events that were read."""
    events: int
    returns: int
    left_out: int
    users: int
    users_listed: int
    """Users in the users table who may be used; 0 where there is none."""
    users_listed_with_events: int
    users_not_listed: int
    """Users with events who are not in the users table."""
    events_not_listed: int
    days: int
    """Days from the first event of the main source to the last one."""
    as_of: date
    population: int
    """Users with an event of the main source shortly before the as-of date."""
    sources: tuple[SourceSummary, ...]


def summarise_prepared(folder: Path, card: DatasetCard) -> Summary:
    """Count what a prepared folder holds, some time after it was written.

    Every row that was read is an event, or is counted on the card by the reason why it is none.
    """
    found = summarise(folder, card)
    left_out = sum(rows for key, rows in card.rejected.items() if not key.startswith(f"{USERS}: "))
    return replace(found, rows=found.events + left_out, left_out=left_out)


def summarise(folder: Path, card: DatasetCard, rows: int | None = None, joined: Joined | None = None) -> Summary:
    """Count what a prepared folder holds.

    Args:
        folder: the prepared data.
        card: its card.
        rows: how many rows of events were read; None where nothing was left out.
        joined: whose users these are; None for data that comes with its users.
    """
    dataset = Dataset(folder)
    per_user = pl.scan_parquet(folder / "events.parquet").group_by("user_id").agg(
        pl.len().alias("events"), pl.col("source").is_in(list(card.returns.values())).sum().alias("returns")
    ).collect(engine="streaming")  # fmt: skip
    listed = dataset.users["user_id"] if joined is None else joined.listed
    kept = dataset.users.filter(pl.col("user_id").is_in(listed.implode()))
    strange = per_user.filter(~pl.col("user_id").is_in(listed.implode()))
    events = int(per_user["events"].sum())
    return Summary(
        rows=events if rows is None else rows,
        events=events,
        returns=int(per_user["returns"].sum()),
        left_out=0 if rows is None else rows - events,
        users=dataset.users.height,
        users_listed=kept.height,
        users_listed_with_events=kept.join(per_user, on="user_id", how="semi").height,
        users_not_listed=strange.height,
        events_not_listed=int(strange["events"].sum()),
        days=(card.last - card.first).days + 1,
        as_of=card.default_as_of,
        population=len(dataset.before(card.default_as_of).population),
        sources=_sources(folder),
    )


def _sources(folder: Path) -> tuple[SourceSummary, ...]:
    counted = pl.scan_parquet(folder / "events.parquet").group_by("source").agg(
        pl.len().alias("events"),
        pl.col("user_id").n_unique().alias("users"),
        pl.col("time").min().dt.date().alias("first"),
        pl.col("time").max().dt.date().alias("last"),
    ).sort("events", "source", descending=[True, False]).collect(engine="streaming")  # fmt: skip
    return tuple(SourceSummary(**row) for row in counted.iter_rows(named=True))


def weekly_events(folder: Path) -> tuple[date, dict[str, tuple[int, ...]]]:
    """The Monday of the first week with an event, and per source its events in every week from then on, zeros too.

    All sources have as many weeks. This counts rows and nothing else, so that it may look past the as-of date as the
    rest of the summary does.
    """
    counted = (
        pl.scan_parquet(folder / "events.parquet")
        .group_by("source", week=pl.col("time").dt.truncate("1w").dt.date())
        .len("events")
        .collect(engine="streaming")
    )
    if counted.is_empty():
        return date.min, {}
    first, last = counted["week"].min(), counted["week"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    weeks = [first + timedelta(weeks=number) for number in range((last - first).days // 7 + 1)]
    found: dict[str, tuple[int, ...]] = {}
    for source, rows in counted.partition_by("source", as_dict=True).items():
        events = dict(rows.select("week", "events").iter_rows())
        found[str(source[0])] = tuple(int(events.get(week, 0)) for week in weeks)
    return first, found
