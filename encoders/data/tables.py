"""Your own tables: reads what a spec describes, row by row, and counts every row it has to leave out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from encoders.data.databases.reading import Databases
from encoders.data.erasing import Forgotten, without_forgotten
from encoders.data.event_tables import SourceEvents, read_events
from encoders.data.events import DatasetCard
from encoders.data.files import Files
from encoders.data.folders import About, Tables, write_folder
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


def prepare(
    spec_path: Path,
    folder: Path,
    strict: bool = False,
    progress: Progress = silent,
    forgotten: Forgotten | None = None,
) -> Prepared:
    """Write the data set that ``spec_path`` describes to ``folder``.

    Args:
        spec_path: the description of the tables.
        folder: where the prepared data goes.
        strict: stop at the first bad row.
        progress: called as the work goes on.
        forgotten: users who were erased and are left out again; None for nobody.

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
        agreed = users if spec.users and spec.users.consent else None
        read = []
        for number, source in enumerate(spec.sources):
            progress(f"Reading {source.name}", 0.2 * number / len(spec.sources))
            read.append(read_events(source, spec.time_zone, files, agreed, tally))
        joined = Joined(listed, pl.concat([each.users for each in read]).unique()["user_id"])
        _need_events(spec, read, tally, joined)
        everything = pl.concat([each.events for each in read])
        if agreed is None:
            known = everything.select("user_id").unique()
            users = pl.concat([users, known.join(users, on="user_id", how="anti")], how="diagonal")
        tables, about = without_forgotten(Tables(everything, users, contacts), _about(spec, read, tally), forgotten)
        card = write_folder(folder, tables, about, progress)
    notes = (*files.notes, *joined.notes, *(note for each in read for note in each.notes))
    rows = sum(each.rows for each in read)
    return Prepared(card, tuple(tally.examples), summarise(folder, card, rows, joined), notes)


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


def _about(spec: DataSpec, read: Iterable[SourceEvents], tally: Tally) -> About:
    plain = spec.model_dump(include={"name", "title", "note", "unit", "unit_plural", "main_source", "default_as_of"})
    wordings = {source.name: source.wording for source in spec.sources if source.wording is not None}
    form = {} if spec.users is None else _contact_facts(spec.users)
    returns = {each.source: returns_of(each.source) for each in read if each.returned}
    return About(**plain, **form, wordings=wordings, rejected=dict(sorted(tally.counts.items())), returns=returns)


def _contact_facts(spec: UsersSpec) -> dict[str, Any]:
    return {"phone_country": spec.phone_country, "hashed_contacts": sorted(spec.hashed), "contacts_compared": True}
