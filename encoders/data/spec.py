"""The description of one's own tables: a TOML file that says which column means what; docs/own-data.md shows one."""

import codecs
import difflib
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
import polars as pl
from pydantic import AfterValidator, Field, ValidationError, model_validator

from encoders.data.contacts import WITHHELD
from encoders.data.databases.connections import checked_connection
from encoders.data.databases.sql import checked_query, sorts
from encoders.errors import DataError
from encoders.records import Record

_SUGGESTIONS = 3
_MOST_NAMES, _LONGEST_NAME = 40, 60
"""So many names, and letters of each, are shown of a heading that may be none."""


def template_columns(template: str) -> list[str]:
    """Columns that an item template such as "{category}: {name}" mentions.

    Raises:
        ValueError: the template is not text with plain {column} places in it.
    """
    columns = []
    for _, column, layout, conversion in Formatter().parse(template):
        if column is None:
            continue
        if not column or layout or conversion:
            raise ValueError(f"'{template}' may hold only column names in braces, such as {{name}}")
        columns.append(column)
    return columns


def _template(template: str) -> str:
    if not template_columns(template):
        raise ValueError(f"'{template}' names no column; write one in braces, such as {{name}}")
    return template


def _wording(wording: str) -> str:
    if template_columns(wording) != ["items"]:
        raise ValueError(f"'{wording}' must hold {{items}} once, such as 'buy {{items}}'")
    return wording


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"'{name}' is no time zone; write one such as 'Europe/Berlin' or 'UTC'") from None
    return name


def _country(code: str) -> str:
    if code and code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"'{code}' is no country; write its two letters, such as 'DE' or 'US'")
    return code


def _encoding(name: str) -> str:
    try:
        "".encode(name)  # a codec that is none of text refuses
    except LookupError:
        raise ValueError(f"'{name}' is no encoding; write one such as 'utf-8', 'cp1252' or 'utf-16'") from None
    return codecs.lookup(name).name


_SOME_DAY = datetime(2026, 7, 14)


def _time_format(layout: str) -> str:
    if layout not in ("iso", *UNIX):
        written = pl.Series([_SOME_DAY.replace(tzinfo=ZoneInfo("UTC"))])
        try:
            read = written.dt.strftime(layout).str.to_datetime(layout, strict=False)[0]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            read = None
        if read is None or read.date() != _SOME_DAY.date():
            known = ", ".join(f"'{name}'" for name in ("iso", *UNIX))
            raise ValueError(f"'{layout}' gives no day; write {known}, or a pattern such as '%d.%m.%Y %H:%M'")
    return layout


UNIX = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
"""Layouts of times that are counted from 1970 on, and how many of each make a second."""

CHOOSE = "CHOOSE"
"""Stands in a spec that ``audience inspect`` wrote for what somebody has to choose."""

Name = Annotated[str, Field(min_length=1)]
Template = Annotated[str, AfterValidator(_template)]
Zone = Annotated[str, AfterValidator(_zone)]


class DatabaseTable(Record):
    """Where a table lies in a database: under its name, or as what a query finds there."""

    connection: Annotated[Name, AfterValidator(checked_connection)]
    """A URL without a password, or ``env:NAME`` for one that stands in the environment."""
    table: Name | None = None
    query: Annotated[Name, AfterValidator(checked_query)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "DatabaseTable":
        if (self.table is None) == (self.query is None):
            raise ValueError("name either a table or a query")
        return self

    @property
    def sorted(self) -> bool:
        """Whether the order of the rows is the one that was asked for."""
        return self.query is not None and sorts(self.query)


class TableSpec(Record):
    """Where a table lies: Parquet or CSV files, or patterns of them, relative to the spec; or in a database."""

    files: tuple[Name, ...] = ()
    database: DatabaseTable | None = Field(None, alias="from")
    separator: str | None = Field(None, min_length=1, max_length=1)
    """Between the columns of a CSV file; None: the one that its heading has."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """Of a CSV file; None: UTF-8 or UTF-16, and Windows-1252 where a line is no UTF-8."""
    user_id: Name

    @model_validator(mode="after")
    def _lies_somewhere(self) -> "TableSpec":
        if bool(self.files) == (self.database is not None):
            raise ValueError("name either files or, in 'from', a table of a database")
        if self.database is not None and (self.separator or self.encoding):
            raise ValueError("separator and encoding are those of files, and a database has none")
        return self

    @property
    def called(self) -> str:
        """What a message calls it."""
        return "users"

    @property
    def order_counts(self) -> bool:
        """Whether it matters which of two rows comes first."""
        return True


class UsersSpec(TableSpec):
    """The table of users: one row each."""

    attributes: dict[Name, Name] = Field(default_factory=dict)
    """Name of the attribute, for people, to its column."""
    values: dict[Name, dict[str, str]] = Field(default_factory=dict)
    """Per attribute, values as they stand in the table and what they are called; "" is unknown."""
    blanks: tuple[Name, ...] = ()
    """What stands for an unknown value, in any case, beside the usual words for it."""
    contacts: dict[Name, Name] = Field(default_factory=dict)
    """email, phone or the like to its column; goes into contacts.parquet and nowhere else."""
    phone_country: Annotated[str, AfterValidator(_country)] = ""
    """Two-letter country of phone numbers without a country code; without it, those are no contacts."""
    hashed: tuple[Name, ...] = ()
    """Contacts that are SHA-256 hashes already; they leave as they are."""
    consent: str | None = None
    """Column that says whether the user agreed; whoever did not is left out of everything."""
    consent_values: tuple[Name, ...] = ("yes", "true", "1", "y")

    @model_validator(mode="after")
    def _contacts_stay_apart(self) -> "UsersSpec":
        if "user_id" in (*self.attributes, *self.contacts):
            raise ValueError("an attribute or contact may not be called 'user_id'")
        if WITHHELD in self.contacts:
            raise ValueError(
                f"a contact may not be called '{WITHHELD}'; the prepared contacts have a column of that name"
            )
        if unknown := sorted(set(self.hashed) - set(self.contacts)):
            raise ValueError(f"hashed names the contact '{unknown[0]}', which is none of the contacts")
        if strange := sorted(set(self.values) - set(self.attributes)):
            raise ValueError(f"values names the attribute '{strange[0]}', which is none of the attributes")
        read = {folded(column) for column in (self.user_id, *self.attributes.values())}
        for column in self.contacts.values():
            if folded(column) in read:
                raise ValueError(f"contact column '{column}' may not be the user id or an attribute")
        return self


class SourceSpec(TableSpec):
    """One kind of events: a table with one row per thing a user did."""

    name: Name
    action: Name
    wording: Annotated[str, AfterValidator(_wording)] | None = None
    """How a sentence says it; without one, the source is read as context and nobody asks about it."""
    time: Name
    time_format: Annotated[str, AfterValidator(_time_format)] = "iso"
    """'iso', 'unix' (seconds), 'unix_ms', 'unix_us', 'unix_ns', or a pattern such as '%d.%m.%Y %H:%M'."""
    time_zone: Zone | None = None
    """Zone of the times where they name none themselves; default: that of the data set."""
    item: Template
    group: Template | None = None
    value: str | None = None
    decimal: Literal[".", ","] | None = None
    """The decimal mark of values with marks between the thousands; None: a point, and no such marks."""
    returns: Literal["negative", "none"] = "negative"
    """Which rows are returns: those with a negative value, or none, where a negative value is a value like others."""
    row_key: tuple[Name, ...] | None = None
    """Columns that a row is recognised by when it comes again, and the last one counts; None: all; (): by none."""
    first_day: date | None = None
    last_day: date | None = None
    """Events before the one or after the other are left out; without them, those far from the rest are."""

    @property
    def called(self) -> str:
        """What a message calls it."""
        return self.name

    @property
    def order_counts(self) -> bool:
        """Whether it matters which of two rows comes first: where one of them is the newer one."""
        return bool(self.row_key)


def returns_of(source: str) -> str:
    """The source that the returns of a source are events of."""
    return f"{source} returned"


class DataSpec(Record):
    """A whole data set."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: Name
    note: str = ""
    unit: Name = "user"
    unit_plural: Name = "users"
    main_source: Name
    default_as_of: date | None = None
    time_zone: Zone = "UTC"
    users: UsersSpec | None = None
    sources: tuple[SourceSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "DataSpec":
        names = [source.name for source in self.sources]
        returns = [returns_of(source.name) for source in self.sources if source.value and source.returns == "negative"]
        if len({*names, *returns}) < len(names) + len(returns):
            raise ValueError(f"every source needs a name of its own, but these are {', '.join(names + returns)}")
        if self.main_source not in names:
            raise ValueError(f"main_source '{self.main_source}' is none of the sources ({', '.join(names)})")
        if any(source.name == self.main_source and source.wording is None for source in self.sources):
            raise ValueError(f"the main source '{self.main_source}' needs a wording, such as 'buy {{items}}'")
        contacts = {folded(column) for column in self.users.contacts.values()} if self.users else set()
        for source in self.sources:
            read = {source.user_id, *template_columns(source.item), *template_columns(source.group or "")}
            if shown := sorted(column for column in read if folded(column) in contacts):
                raise ValueError(
                    f"source '{source.name}' reads the contact column '{shown[0]}'; contacts are never part of events"
                )
            if source.first_day and source.last_day and source.first_day > source.last_day:
                raise ValueError(f"first_day of source '{source.name}' is after its last_day")
        return self


def read_spec(path: Path) -> DataSpec:
    """Read and check a spec.

    Raises:
        DataError: it is missing, is no TOML, or one of its entries is unknown, absent or wrong.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"There is no spec {path}; docs/own-data.md shows how to write one.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} cannot be read as TOML ({error}).") from error
    if open_entries := list(_to_choose(told)):
        more = f", and {len(open_entries) - 1} more" if len(open_entries) > 1 else ""
        raise DataError(
            f"{path}: '{open_entries[0]}' is not chosen yet{more}; "
            "the remarks '# CHOOSE:' in the file say between what."
        )
    try:
        return DataSpec.model_validate(told)
    except ValidationError as error:
        raise DataError(f"{path}: {_first_fault(error)}.") from None  # its text quotes what is written there


def _to_choose(told: Any, place: str = "") -> Iterator[str]:
    """The entries of a spec that somebody has to choose, by their place in it."""
    inside = told.items() if isinstance(told, dict) else enumerate(told, 1) if isinstance(told, list) else ()
    for name, each in inside:
        yield from _to_choose(each, f"{place}.{name}" if place else str(name))
    if told == CHOOSE:
        yield place


def folded(column: str) -> str:
    """What a column is called in any case and with any blanks around it."""
    return " ".join(column.split()).casefold()


def nearest(name: str, known: list[str]) -> str:
    """The names most like a missing one, in words; all of them where none is like it."""
    close = difflib.get_close_matches(name, known, _SUGGESTIONS, cutoff=0.5) or known
    shown = (
        "".join(sign if sign.isprintable() else "?" for sign in one[:_LONGEST_NAME]) for one in close[:_MOST_NAMES]
    )
    return ", ".join(f"'{one}'" for one in shown)


def _first_fault(error: ValidationError) -> str:
    """The fault to mend first; a misspelt entry comes before the one it leaves missing."""
    fault = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown entry '{place}'; the nearest known ones are {nearest(str(fault['loc'][-1]), _entries())}"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"'{place}' is wrong: {text}" if place else text


def _entries() -> list[str]:
    models: list[Any] = [DataSpec, UsersSpec, SourceSpec, DatabaseTable]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})
