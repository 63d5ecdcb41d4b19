"""The description of one's own tables: a TOML file that says which column means what; docs/own-data.md shows one."""

import difflib
import glob
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import phonenumbers
import polars as pl
from pydantic import AfterValidator, Field, ValidationError, model_validator

from encoders.data.contacts import WITHHELD
from encoders.errors import DataError
from encoders.records import Record

_SUGGESTIONS = 3


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


Name = Annotated[str, Field(min_length=1)]
Template = Annotated[str, AfterValidator(_template)]
Zone = Annotated[str, AfterValidator(_zone)]


class TableSpec(Record):
    """Where a table lies: Parquet or CSV files, or patterns of them, relative to the spec."""

    files: tuple[Name, ...] = Field(min_length=1)
    separator: str = Field(",", min_length=1, max_length=1, description="between the columns of a CSV file")
    user_id: Name


class UsersSpec(TableSpec):
    """The table of users: one row each."""

    attributes: dict[Name, Name] = Field(default_factory=dict)
    """Name of the attribute, for people, to its column."""
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
        for column in self.contacts.values():
            if column == self.user_id or column in self.attributes.values():
                raise ValueError(f"contact column '{column}' may not be the user id or an attribute")
        return self


class SourceSpec(TableSpec):
    """One kind of events: a table with one row per thing a user did."""

    name: Name
    action: Name
    wording: Annotated[str, AfterValidator(_wording)] | None = None
    """How a sentence says it; without one, the source is read as context and nobody asks about it."""
    time: Name
    time_format: str = "iso"
    """'iso', 'unix' (seconds), 'unix_ms', or a pattern such as '%d.%m.%Y %H:%M'."""
    time_zone: Zone | None = None
    """Zone of the times where they name none themselves; default: that of the data set."""
    item: Template
    group: Template | None = None
    value: str | None = None


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
        if len(set(names)) < len(names):
            raise ValueError(f"every source needs a name of its own, but these are {', '.join(names)}")
        if self.main_source not in names:
            raise ValueError(f"main_source '{self.main_source}' is none of the sources ({', '.join(names)})")
        if any(source.name == self.main_source and source.wording is None for source in self.sources):
            raise ValueError(f"the main source '{self.main_source}' needs a wording, such as 'buy {{items}}'")
        contacts = set(self.users.contacts.values()) if self.users else set()
        for source in self.sources:
            read = {source.user_id, *template_columns(source.item), *template_columns(source.group or "")}
            if shown := sorted(read & contacts):
                raise ValueError(
                    f"source '{source.name}' reads the contact column '{shown[0]}'; contacts are never part of events"
                )
        return self


def read_spec(path: Path) -> DataSpec:
    """Read and check a spec.

    Raises:
        DataError: it is missing, is no TOML, or one of its entries is unknown, absent or wrong.
    """
    try:
        return DataSpec.model_validate(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise DataError(f"There is no spec {path}; docs/own-data.md shows how to write one.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} cannot be read as TOML ({error}).") from error
    except ValidationError as error:
        raise DataError(f"{path}: {_first_fault(error)}.") from error


def nearest(name: str, known: list[str]) -> str:
    """The names most like a missing one, in words; all of them where none is like it."""
    close = difflib.get_close_matches(name, known, _SUGGESTIONS, cutoff=0.5) or known
    return ", ".join(f"'{one}'" for one in close)


def _first_fault(error: ValidationError) -> str:
    """The fault to mend first; a misspelt entry comes before the one it leaves missing."""
    fault = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown entry '{place}'; the nearest known ones are {nearest(str(fault['loc'][-1]), _entries())}"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"'{place}' is wrong: {text}" if place else text


def _entries() -> list[str]:
    models: list[Any] = [DataSpec, UsersSpec, SourceSpec]
    return sorted({name for model in models for name in model.model_fields})


LINE = "__line__"
"""Where a row stands in its file: the line of a CSV file (the heading is line 1), the row of a Parquet file."""

FILE = "__file__"
"""Name of the file a row comes from."""


@dataclass(frozen=True)
class SourceTable:
    """One file, read lazily, with ``LINE`` and ``FILE`` beside its own columns; CSV columns are all text."""

    path: Path
    frame: pl.LazyFrame
    schema: pl.Schema

    def require(self, column: str, use: str) -> None:
        """Raise a DataError unless the file has the column that is wanted for ``use``."""
        if column not in self.schema:
            own = [name for name in self.schema if name not in (LINE, FILE)]
            raise DataError(f"{self.path} has no column '{column}' for {use}; the nearest are {nearest(column, own)}.")

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over this file alone, so that a broken file is named.

        Raises:
            DataError: the file cannot be read to its end.
        """
        try:
            return frame.collect(engine="streaming")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _broken(self.path, error) from error


def open_tables(base: Path, spec: TableSpec) -> list[SourceTable]:
    """The files of a table, in the order of their names; patterns are relative to ``base``.

    Raises:
        DataError: no file matches, one has another ending or cannot be read, or all are empty.
    """
    tables = [_open(path, spec.separator) for pattern in spec.files for path in _matching(base, pattern)]
    if not sum(table.collect(table.frame.select(pl.len())).item() for table in tables):
        raise DataError(f"{', '.join(spec.files)} has no rows; nothing can be prepared from an empty table.")
    return tables


def _matching(base: Path, pattern: str) -> Iterator[Path]:
    found = sorted(glob.glob(str(base / pattern), recursive=True))  # noqa: PTH207 - patterns may be absolute
    if not found:
        raise DataError(f"No file matches '{pattern}' in {base}.")
    return map(Path, found)


def _open(path: Path, separator: str) -> SourceTable:
    try:
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path, row_index_name=LINE, row_index_offset=1)
        elif path.suffix == ".csv":
            frame = pl.scan_csv(path, separator=separator, infer_schema=False, row_index_name=LINE, row_index_offset=2)
        else:
            raise DataError(f"{path} is neither a .parquet nor a .csv file.")
        frame = frame.with_columns(pl.lit(path.name).alias(FILE))
        return SourceTable(path, frame, frame.collect_schema())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataError:
    if isinstance(error, pl.exceptions.NoDataError):
        return DataError(f"{path} is empty: not even a heading is in it.")
    first_line = str(error).strip().splitlines()[0]
    return DataError(f"{path} is broken and cannot be read ({first_line}); replace it with a whole copy.")
