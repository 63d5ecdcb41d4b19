"""How far newly prepared data is from the version before it: said before anything is replaced."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from encoders.data.contacts import NO_CONSENT
from encoders.data.erasing import REASON as FORGOTTEN
from encoders.data.events import HORIZON_DAYS, Dataset
from encoders.data.summary import USERS
from encoders.errors import DataError

TOLD, SEVERE = 0.05, 0.2
"""A share that rose by more is told, or is severe."""
_HALF, _FEW = 0.5, 0.2
"""Less than such a share of what there was: told of days and severe of history, severe of days."""
_FEW_VALUES = 100
"""An attribute of more values than these has new ones every day."""
_NO_FAULTS = (NO_CONSENT, FORGOTTEN, "repeated row")
_SHOWN = 5


class Change(NamedTuple):
    """One thing that is another than before."""

    text: str
    severe: bool = False
    """It is likelier that a delivery is broken than that the world has changed so much."""


def compare(before: Dataset | None, folder: Path, accepted: bool) -> tuple[str, ...]:
    """What has changed since the version before, in sentences; nothing where that is of another data set.

    Args:
        before: the version that would be replaced; None where there is none.
        folder: the newly prepared data.
        accepted: whether severe changes are taken as they are.

    Raises:
        DataError: there are severe changes that are not accepted.
    """
    after = Dataset(folder)
    if before is None or before.card.name != after.card.name or before.card == after.card:
        return ()
    found = list(_changes(before, after))
    severe = [each.text for each in found if each.severe]
    if severe and not accepted:
        raise DataError(
            f"This is far from the data prepared before: {'; '.join(severe)}. Nothing was replaced; mend the tables or "
            "the spec, or prepare with --accept-drift where it is right."
        )
    return tuple(each.text for each in found)


def _changes(before: Dataset, after: Dataset) -> Iterator[Change]:
    yield from _columns(before.card.columns, after.card.columns)
    yield from _attributes(before.users, after.users)
    yield from _history(before, after)
    yield from _days(before, after)
    was, now = _fault_share(before), _fault_share(after)
    if now - was > TOLD:
        yield Change(f"{now:.0%} of the rows cannot be used, {was:.0%} before", now - was > SEVERE)


def _columns(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> Iterator[Change]:
    """Columns of the last file of each table; whether one that is read is missing, reading it has told already."""
    for table in sorted(before.keys() & after.keys()):
        was, now = before[table], after[table]
        if new := [name for name in now if name not in was]:
            yield Change(f"{table} has new columns: {_listed(new)}")
        if gone := [name for name in was if name not in now]:
            yield Change(f"{table} lacks columns: {_listed(gone)}")
        for name in (name for name in was if name in now and {was[name], now[name]} == {"number", "text"}):
            yield Change(f"column '{name}' of {table} holds {now[name]}s, and {was[name]}s before")


def _attributes(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[Change]:
    was, now = ([name for name in users.columns if name != "user_id"] for users in (before, after))
    if new := [name for name in now if name not in was]:
        yield Change(f"new attributes of users: {_listed(new)}")
    if gone := [name for name in was if name not in now]:
        yield Change(f"attributes of users are gone: {_listed(gone)}", severe=True)
    for name in (name for name in was if name in now and before.height and after.height):
        unknown = [users[name].null_count() / users.height for users in (before, after)]
        if (rise := unknown[1] - unknown[0]) > TOLD:
            told = f"attribute '{name}' is unknown of {unknown[1]:.0%} of the users, {unknown[0]:.0%} before"
            yield Change(told, rise > SEVERE)
        known, values = before[name].drop_nulls().unique(), after[name].drop_nulls()
        strange = values.filter(~values.is_in(known.implode()))
        if len(known) <= _FEW_VALUES and len(strange) > TOLD * max(1, len(values)):
            share = len(strange) / len(values)
            told = f"{share:.0%} of the users have values of attribute '{name}' that nobody had before"
            yield Change(f"{told}, such as {_listed(sorted(strange.unique()))}", share > SEVERE and len(known) > 0)


def _history(before: Dataset, after: Dataset) -> Iterator[Change]:
    """What is missing of the days that both have; erasure and withdrawn consent take little."""
    until = before.card.last
    counts = [_per_source(each, until) for each in (before, after)]
    for source, events in sorted(counts[0].items()):
        kept = counts[1].get(source, 0) / events
        if kept < 1 - TOLD:
            yield Change(f"of the events of {source} up to {until}, {kept:.0%} are left", kept < _HALF)
    for source in sorted(counts[1].keys() - counts[0].keys()):
        yield Change(f"new events of {source} up to {until}")
    users = [each.users.height for each in (before, after)]
    if users[1] < (1 - TOLD) * users[0]:
        yield Change(f"there are {users[1]:,} users, {users[0]:,} before", users[1] < _HALF * users[0])


def _days(before: Dataset, after: Dataset) -> Iterator[Change]:
    """How much happened on the new days, and whether with things that were known."""
    last, newest = before.card.last, after.card.last
    if newest <= last:
        return
    usual = _daily(before, last - timedelta(days=HORIZON_DAYS), last)
    ratio = _daily(after, last, newest) / usual if usual else 1.0
    if not _HALF <= ratio <= 1 / _HALF:
        severe = not _FEW <= ratio <= 1 / _FEW
        yield Change(f"the days after {last} have {ratio:.0%} of the usual events of {after.card.main_source}", severe)
    known = before.items.lazy().select("source", "text", "group").unique().with_columns(known=True)
    seen = _events(after, last, newest).join(after.items.lazy().select("item_id", "text", "group"), on="item_id")
    joined = seen.join(known, on=["source", "text", "group"], how="left", nulls_equal=True)
    share = joined.select(pl.col("known").is_null().mean()).collect().item() or 0.0
    if share > SEVERE:
        yield Change(f"{share:.0%} of the events after {last} are with items that nobody had before", share > _HALF)


def _events(data: Dataset, after: date, until: date) -> pl.LazyFrame:
    """Events of the main source later than one day, up to another."""
    first, end = (datetime.combine(day + timedelta(days=1), datetime.min.time()) for day in (after, until))
    events = pl.scan_parquet(data.folder / "events.parquet").filter(pl.col("source") == data.card.main_source)
    return events.filter((pl.col("time") >= first) & (pl.col("time") < end))


def _daily(data: Dataset, after: date, until: date) -> float:
    return int(_events(data, after, until).select(pl.len()).collect().item()) / max(1, (until - after).days)


def _per_source(data: Dataset, until: date) -> dict[str, int]:
    end = datetime.combine(until + timedelta(days=1), datetime.min.time())
    events = pl.scan_parquet(data.folder / "events.parquet").filter(pl.col("time") < end)
    return dict(events.group_by("source").len().collect().iter_rows())


def _fault_share(data: Dataset) -> float:
    """Share of the rows of events that could not be used."""
    faults = sum(
        rows
        for key, rows in data.card.rejected.items()
        if not key.startswith(f"{USERS}: ") and not key.endswith(tuple(f": {reason}" for reason in _NO_FAULTS))
    )
    events = int(pl.scan_parquet(data.folder / "events.parquet").select(pl.len()).collect().item())
    return faults / max(1, faults + events)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name[:60]}'" for name in names[:_SHOWN]) + more
