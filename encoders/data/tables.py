"""Your own tables: reads what a spec describes, row by row, and counts every row it has to leave out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from encoders.data.databases.reading import Databases
from encoders.data.erasing import REASON, Forgotten, without_forgotten
from encoders.data.event_tables import Delivery, SourceEvents, read_events
from encoders.data.events import DatasetCard
from encoders.data.files import Files
from encoders.data.folders import About, Tables, write_folder
from encoders.data.kept_files import KeptFiles
from encoders.data.rejections import Rejection, Tally
from encoders.data.spec import DataSpec, UsersSpec, read_spec, returns_of
from encoders.data.summary import Joined, Summary, summarise
from encoders.data.user_table import read_users
from encoders.errors import DataError
from encoders.workspace import Progress, scratch_folder, silent


@dataclass(frozen=True)
class Prepared:
    """The card of the folder that was written, the first rejected rows of each reason, and what it comes to."""

    card: DatasetCard
    examples: tuple[Rejection, ...]
    summary: Summary
    notes: tuple[str, ...] = ()
    """What is worth knowing about how the tables were read."""
    changes: tuple[str, ...] = ()
    """What is another than in the version before."""


def prepare(
    spec_path: Path,
    folder: Path,
    strict: bool = False,
    progress: Progress = silent,
    forgotten: Forgotten | None = None,
    kept: KeptFiles | None = None,
) -> Prepared:
    """Write the data set that ``spec_path`` describes to ``folder``.

    Args:
        spec_path: the description of the tables.
        folder: where the prepared data goes.
        strict: stop at the first bad row.
        progress: called as the work goes on.
        forgotten: users who were erased and are left out again; None for nobody.
        kept: what was read of the same files before; None to read all of them, which gives the same.

    Raises:
        DataError: the spec, a file or database, a column or (strict) a row cannot be used.
        WorkspaceError: the folder cannot be written.
    """
    spec = read_spec(spec_path)
    tally = Tally(strict)
    base = spec_path.parent
    with scratch_folder(folder) as scratch, Databases(base) as databases:
        files = Files(base, scratch, databases)
        progress("Reading the users", 0.0)
        users, contacts, listed = read_users(spec.users, files, tally, forgotten)
        agreed = users.select("user_id").collect() if spec.users and spec.users.consent else None
        delivery = Delivery(spec.time_zone, files, agreed, tally, forgotten, None if strict else kept)
        read = []
        for number, source in enumerate(spec.sources):
            progress(f"Reading {source.name}", 0.2 * number / len(spec.sources))
            read.append(read_events(source, delivery))
        joined = Joined(listed, pl.concat([each.users for each in read]).unique()["user_id"])
        _need_events(spec, read, tally, joined)
        everything = pl.concat([each.events for each in read])
        if agreed is None:
            _count_erased(read, listed, tally, forgotten)
            known = everything.select("user_id").unique()
            users = pl.concat([users, known.join(users, on="user_id", how="anti")], how="diagonal")
        columns = files.columns | {each.source: each.columns for each in read}
        about = _about(spec, read, tally, columns)
        tables, about = without_forgotten(Tables(everything, users, contacts), about, forgotten)
        card = write_folder(folder, tables, about, progress)
    if delivery.kept:
        delivery.kept.drop_others()
        if again := delivery.kept.again:
            few = (
                "1 file of events is as it was"
                if len(again) == 1
                else f"{len(again):,} files of events are as they were"
            )
            files.notes.append(f"{few} read before, and not read again")
    notes = (*files.notes, *joined.notes, *(note for each in read for note in each.notes))
    rows = sum(each.rows for each in read)
    return Prepared(card, tuple(tally.examples), summarise(folder, card, rows, joined), notes)


def _count_erased(read: Iterable[SourceEvents], listed: pl.Series, tally: Tally, forgotten: Forgotten | None) -> None:
    """Count erased users who are known by their events alone: those of the users table are counted with it."""
    by_events = {user for each in read for user in each.erased}
    if forgotten and by_events and (rest := by_events - set(forgotten.hashes(listed).values())):
        tally.add({f"users: {REASON}": len(rest)})


def _need_events(spec: DataSpec, read: Iterable[SourceEvents], tally: Tally, joined: Joined) -> None:
    """See that an event of the main source is left.

    Raises:
        DataError: none is; it says why, with examples.
    """
    main = next(each for each in read if each.source == spec.main_source)
    if main.events.filter(pl.col("source") == main.source).limit(1).collect().is_empty():
        reasons = tally.reasons(main.source)
        hint = "".join(f" {note}." for note in joined.notes)
        raise DataError(
            f"No event of the main source '{main.source}' is left of {main.rows:,} rows, so there is nothing to "
            f"prepare. Left out: {reasons or f'{main.rows:,} returns'}.{hint}"
        )


def _about(spec: DataSpec, read: Iterable[SourceEvents], tally: Tally, columns: dict[str, dict[str, str]]) -> About:
    plain = spec.model_dump(include={"name", "title", "note", "unit", "unit_plural", "main_source", "default_as_of"})
    wordings = {source.name: source.wording for source in spec.sources if source.wording is not None}
    form = {} if spec.users is None else _contact_facts(spec.users)
    returns = {each.source: returns_of(each.source) for each in read if each.returned}
    return About(
        **plain, **form, wordings=wordings, rejected=dict(sorted(tally.counts.items())), returns=returns,
        columns=columns,
    )  # fmt: skip


def _contact_facts(spec: UsersSpec) -> dict[str, Any]:
    return {"phone_country": spec.phone_country, "hashed_contacts": sorted(spec.hashed), "contacts_compared": True}
