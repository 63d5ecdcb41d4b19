"""Your own tables: reads what a spec describes, row by row, and counts every row it has to leave out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from encoders.data import columns as col
from encoders.data.contacts import NO_CONSENT, NO_USER, ContactFormat
from encoders.data.erasing import Forgotten, without_contacts_of, without_forgotten
from encoders.data.events import DatasetCard
from encoders.data.folders import About, Tables, write_folder
from encoders.data.spec import (
    FILE,
    LINE,
    DataSpec,
    SourceSpec,
    SourceTable,
    UsersSpec,
    open_tables,
    read_spec,
    template_columns,
)
from encoders.errors import DataError
from encoders.workspace import Progress, silent

_EXAMPLES = 3
"""So many rejected rows are remembered for each reason."""


_CODE = "__code__"
_COLUMNS = ["user_id", "time", "source", "action", "value", "text", "group"]
_Collect = Callable[[pl.LazyFrame], pl.DataFrame]


@dataclass(frozen=True)
class Rejection:
    """One row that was left out, for showing."""

    source: str
    reason: str
    file: str
    line: int
    column: str
    value: str | None

    def __str__(self) -> str:
        """Say where it is and what is wrong."""
        return f"{self.file}, line {self.line}, column '{self.column}': {self.reason} ({self.value!r})"


@dataclass(frozen=True)
class Prepared:
    """The card of the folder that was written, and the first rejected rows of each reason."""

    card: DatasetCard
    examples: tuple[Rejection, ...]


@dataclass(frozen=True)
class _Check:
    """A condition that makes a row unusable, and what to show of it."""

    bad: pl.Expr
    reason: str
    column: str
    shown: pl.Expr
    is_fault: bool = True
    """False where a row is left out although nothing is wrong with it."""


@dataclass
class _Tally:
    """Counts rejected rows over all files."""

    strict: bool
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[Rejection] = field(default_factory=list)

    def sift(self, frame: pl.LazyFrame, source: str, checks: list[_Check], collect: _Collect) -> pl.LazyFrame:
        """The rows of ``frame`` that pass every check; the others are counted by the first one they fail."""
        code = pl.coalesce(pl.when(check.bad).then(number) for number, check in enumerate(checks))
        judged = frame.with_columns(code.alias(_CODE))
        counts = dict(collect(judged.group_by(_CODE).len()).drop_nulls().sort(_CODE).iter_rows())
        for number, rows in counts.items():
            key = f"{source}: {checks[number].reason}"
            self.counts[key] = self.counts.get(key, 0) + rows
            self._remember(judged.filter(pl.col(_CODE) == number), source, checks[number], collect)
        if self.strict:
            self._stop([checks[number] for number in counts], source)
        return judged.filter(pl.col(_CODE).is_null()).drop(_CODE)

    def _remember(self, rows: pl.LazyFrame, source: str, check: _Check, collect: _Collect) -> None:
        room = _EXAMPLES - sum(one.source == source and one.reason == check.reason for one in self.examples)
        shown = rows.select(FILE, LINE, check.shown.cast(pl.String)).sort(LINE).head(room)
        for file, line, value in collect(shown).iter_rows():
            self.examples.append(Rejection(source, check.reason, file, line, check.column, value))

    def _stop(self, failed: list[_Check], source: str) -> None:
        reasons = {check.reason for check in failed if check.is_fault}
        faults = [one for one in self.examples if one.source == source and one.reason in reasons]
        if faults:
            first = min(faults, key=lambda one: one.line)
            raise DataError(f"{first}; mend it, or prepare without --strict to leave such rows out.")


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
        DataError: the spec, a file, a column or (strict) a row cannot be used.
        WorkspaceError: the folder cannot be written.
    """
    spec = read_spec(spec_path)
    tally = _Tally(strict)
    progress("Reading the users", 0.0)
    users, contacts = _users(spec.users, spec_path.parent, tally, forgotten)
    agreed = users if spec.users and spec.users.consent else None
    events = []
    for number, source in enumerate(spec.sources):
        progress(f"Reading {source.name}", 0.2 * number / len(spec.sources))
        events.append(_events(source, spec, spec_path.parent, agreed, tally))
    everything = pl.concat(events)
    if agreed is None:
        seen = everything.select("user_id").unique()
        users = pl.concat([users, seen.join(users, on="user_id", how="anti")], how="diagonal")
    read, about = without_forgotten(Tables(everything, users, contacts), _about(spec, tally), forgotten)
    card = write_folder(folder, read, about, progress)
    return Prepared(card, tuple(tally.examples))


def _about(spec: DataSpec, tally: _Tally) -> About:
    plain = spec.model_dump(include={"name", "title", "note", "unit", "unit_plural", "main_source", "default_as_of"})
    wordings = {source.name: source.wording for source in spec.sources if source.wording is not None}
    form = {} if spec.users is None else _contact_facts(spec.users)
    return About(**plain, **form, wordings=wordings, rejected=dict(sorted(tally.counts.items())))


def _contact_facts(spec: UsersSpec) -> dict[str, Any]:
    return {"phone_country": spec.phone_country, "hashed_contacts": sorted(spec.hashed), "contacts_compared": True}


def _users(
    spec: UsersSpec | None, base: Path, tally: _Tally, forgotten: Forgotten | None
) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
    """Users with their attributes, and contacts where there are any; without those who did not consent."""
    if spec is None:
        return pl.LazyFrame(schema={"user_id": pl.String}), None
    listed = pl.concat([_listed(spec, table) for table in open_tables(base, spec)]).lazy()
    user, consent = pl.col("user_id"), pl.col("consent")
    said_yes = consent.str.to_lowercase().is_in([value.lower() for value in spec.consent_values])
    agreed = said_yes.fill_null(False).all().over("user_id") if spec.consent else pl.lit(True)
    checks = [
        _Check(user.is_null(), NO_USER, spec.user_id, user),
        _Check(~agreed, NO_CONSENT, spec.consent or "", consent, is_fault=False),
        _Check(~user.is_first_distinct(), "user listed twice", spec.user_id, user),
    ]
    kept = tally.sift(listed, "users", checks, pl.LazyFrame.collect).collect().lazy()
    if spec.consent and kept.limit(1).collect().is_empty():
        values = ", ".join(f"'{value}'" for value in spec.consent_values)
        raise DataError(f"Nobody consented: column '{spec.consent}' of the users is never one of {values}.")
    users = kept.select("user_id", *(pl.col(f"attribute {name}").alias(name) for name in spec.attributes))
    if not spec.contacts:
        return users, None
    return users, _contacts(spec, listed.collect(), kept.collect(), forgotten).lazy()


def _contacts(spec: UsersSpec, listed: pl.DataFrame, kept: pl.DataFrame, forgotten: Forgotten | None) -> pl.DataFrame:
    """The contacts of the users who are kept, but for those that somebody without consent, or erased, has as well."""
    contacts = [pl.col(f"contact {name}").alias(name) for name in spec.contacts]
    gone = forgotten.among(listed["user_id"].drop_nulls()) if forgotten else set()
    reached = kept.filter(~pl.col("user_id").is_in(sorted(gone)))
    barred = listed.join(reached, on="user_id", how="anti").select(contacts)
    form = ContactFormat(spec.phone_country, spec.hashed)
    left = without_contacts_of(barred, reached.select("user_id", *contacts), form)
    return left.filter(pl.any_horizontal(pl.exclude("user_id").is_not_null()))


def _listed(spec: UsersSpec, table: SourceTable) -> pl.DataFrame:
    """The users of one file; this table is small enough to be held at once."""
    wanted = {"user_id": spec.user_id, "consent": spec.consent or spec.user_id}
    wanted |= {f"attribute {name}": column for name, column in spec.attributes.items()}
    wanted |= {f"contact {name}": column for name, column in spec.contacts.items()}
    for use, column in wanted.items():
        table.require(column, use)
    return table.collect(table.frame.select(FILE, LINE, *(col.words(column).alias(n) for n, column in wanted.items())))


def _events(source: SourceSpec, spec: DataSpec, base: Path, agreed: pl.LazyFrame | None, tally: _Tally) -> pl.LazyFrame:
    """The usable events of one source; with ``agreed``, only of those users."""
    read = []
    for table in open_tables(base, source):
        frame = _meant(source, spec, table)
        checks = _checks(source)
        if agreed is not None:
            known = agreed.select("user_id", pl.lit(True).alias("agreed"))
            frame = frame.join(known, on="user_id", how="left")
            user = pl.col("user_id")
            checks.append(_Check(pl.col("agreed").is_null(), NO_CONSENT, source.user_id, user, is_fault=False))
        read.append(tally.sift(frame, source.name, checks, table.collect).select(_COLUMNS))
    return pl.concat(read)


def _meant(source: SourceSpec, spec: DataSpec, table: SourceTable) -> pl.LazyFrame:
    """One file with its columns as the spec means them; ``raw_*`` keep what was written there."""
    item_columns = template_columns(source.item)
    group_columns = template_columns(source.group) if source.group else []
    uses = {source.user_id: "user_id", source.time: "time", **dict.fromkeys(item_columns, "item")}
    uses |= dict.fromkeys(group_columns, "group") | ({source.value: "value"} if source.value else {})
    for column, use in uses.items():
        table.require(column, f"{use} of source '{source.name}'")
    text = col.text(source.item)
    value = col.number(source.value) if source.value else pl.lit(None, pl.Float64)
    return table.frame.select(
        FILE,
        LINE,
        col.words(source.user_id).alias("user_id"),
        col.time(source, table.schema[source.time], spec.time_zone).alias("time"),
        pl.lit(source.name).alias("source"),
        pl.lit(source.action).alias("action"),
        value.alias("value"),
        text.alias("text"),
        (pl.coalesce(col.text(source.group), text) if source.group else text).alias("group"),
        pl.col(source.time).cast(pl.String).alias("raw_time"),
        pl.col(item_columns[0]).cast(pl.String).alias("raw_text"),
        (col.words(source.value) if source.value else pl.lit(None, pl.String)).alias("raw_value"),
    )


def _checks(source: SourceSpec) -> list[_Check]:
    missing_value = pl.col("value").is_null() & pl.col("raw_value").is_not_null()
    item = template_columns(source.item)[0]
    return [
        _Check(pl.col("user_id").is_null(), NO_USER, source.user_id, pl.col("user_id")),
        _Check(pl.col("time").is_null(), "unreadable time", source.time, pl.col("raw_time")),
        _Check(pl.col("text").is_null(), "empty item text", item, pl.col("raw_text")),
        _Check(missing_value, "unreadable value", source.value or "", pl.col("raw_value")),
    ]
