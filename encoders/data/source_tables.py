"""What a table of one's own looks like when it is open, wherever it came from: a file or a database."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl

from encoders.data.spec import folded, nearest
from encoders.errors import DataError

LINE = "__line__"
"""Where a row stands in its file: the line of a CSV file it begins on (1 is the first), the row of a Parquet file."""
FILE = "__file__"
"""The file a row comes from, as seen from the spec."""
FLAW = "__flaw__"
"""What is wrong with the row itself, in words; null where nothing is."""
ROW = "__row__"
"""A number that rows share that are equal in every column the spec does not read, in whatever order these come."""
SHAPE = "__shape__"
"""Stands for the names of the columns of the file that a row comes from."""


CSV_ENDINGS, PACKED_ENDINGS = (".csv", ".tsv", ".txt"), (".gz", ".bz2", ".xz")


def has_lines(file: str) -> bool:
    """Whether ``LINE`` counts the lines of a text, and not rows."""
    return kind_of(Path(file)) in CSV_ENDINGS


def kind_of(path: Path) -> str:
    """The ending of the name of a file, packed or not, in lower case."""
    endings = [ending.lower() for ending in path.suffixes]
    return next((ending for ending in reversed(endings) if ending not in PACKED_ENDINGS), "")


@dataclass(frozen=True)
class SourceTable:
    """One file or table, read lazily: ``FILE``, ``LINE``, ``FLAW``, ``ROW``, and the columns that are wanted.

    They are called as the spec calls them; CSV columns are all text.
    """

    name: str
    """What messages call it: its path, or its name in a database."""
    frame: pl.LazyFrame
    schema: pl.Schema
    columns: Mapping[str, str] = field(default_factory=dict)
    """Every column that is there, by its name, and what it holds: see ``kind_of_column``."""

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over this file alone, so that a broken file is named.

        Raises:
            DataError: the file cannot be read to its end.
        """
        try:
            return frame.collect(engine="streaming")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise broken(self.name, error) from error

    def write(self, frame: pl.LazyFrame, target: Path) -> pl.LazyFrame:
        """Run a query over this file alone and keep what comes of it.

        Raises:
            DataError: the file cannot be read to its end.
        """
        try:
            frame.sink_parquet(target, compression="lz4")  # read a few times and thrown away
        except (OSError, pl.exceptions.PolarsError) as error:
            raise broken(self.name, error) from error
        return pl.scan_parquet(target)


def shape_of(names: Iterable[str]) -> str:
    """Stands for some columns, in whatever order and letters they are named."""
    return sha256("\x1f".join(sorted({folded(name) for name in names})).encode()).hexdigest()[:12]


def narrow(shape: str) -> str:
    """The column with the ``ROW`` that a row would have without the columns that a file of that shape lacks."""
    return f"{ROW}{shape}"


def kind_of_column(kind: pl.DataType) -> str:
    """What a column holds, in one word that does not hang on the kind of file."""
    if kind.is_numeric():
        return "number"
    if kind.is_temporal():
        return "time"
    return {pl.Boolean(): "yes or no", pl.Null(): "nothing"}.get(kind, "text")


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a table."""

    uses: Mapping[str, str]
    """The columns that are read, and what for, in words."""
    narrower: Sequence[frozenset[str]] = ()
    """The columns of other files of the same table that lack some of this one's, by their names as ``folded``."""

    def compared(self, names: Sequence[str]) -> dict[str, list[int]]:
        """Which columns tell rows apart that are equal in all that is read: their places, by the number they give.

        Args:
            names: the columns of a file.
        """
        read = {folded(column) for column in self.uses}
        order = sorted(
            (place for place, name in enumerate(names) if folded(name) not in read), key=lambda k: folded(names[k])
        )
        less = {
            narrow(shape_of(few)): [place for place in order if folded(names[place]) in few] for few in self.narrower
        }
        return {ROW: order} | less


def wanted_columns(frame: pl.LazyFrame, file: str, name: str, wanted: Wanted) -> pl.LazyFrame:
    """The wanted columns of rows whose columns have kinds, and what every source table has.

    Args:
        frame: all columns, and ``LINE``.
        file: what rows say they come from.
        name: what messages call the table.
        wanted: the columns, and what rows are compared by.

    Raises:
        DataError: a column is missing, or holds lists or the like.
    """
    schema = frame.collect_schema()
    names = [each for each in schema.names() if each != LINE]
    chosen = {column: names[place] for column, place in places_of(name, names, wanted.uses).items()}
    for column, each in chosen.items():
        if schema[each].is_nested() or schema[each] == pl.Duration:
            use = wanted.uses[column]
            raise DataError(
                f"Column '{each}' of {name} holds {schema[each].base_type()!s} values, which are no {use}; "
                "write the part you mean into a column of its own."
            )
    own = (pl.lit(file).alias(FILE), LINE, pl.lit(None, pl.String).alias(FLAW), pl.lit(shape_of(names)).alias(SHAPE))
    rows = (
        _joined([same_in_all(names[k], schema[names[k]]) for k in places]).hash().alias(number)
        for number, places in wanted.compared(names).items()
    )
    return frame.select(*own, *rows, *(pl.col(each).alias(column) for column, each in chosen.items()))


def _joined(texts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str([text.fill_null("") for text in texts], separator=BETWEEN) if texts else pl.lit("")


BETWEEN = "\x1f"
"""Stands between fields that are compared as one text."""
_OFFSET = r"(Z|[-+]\d\d:?\d\d)?"
_SAME: tuple[tuple[str, str], ...] = (
    (r"^\+?(-?\d+(?:\.\d*[1-9])?)\.?0*$", r"\1"),
    (r"^(\d{4}-\d\d-\d\d) +(\d)", r"\1T\2"),
    (rf"^(\d{{4}}-\d\d-\d\dT\d\d:\d\d){_OFFSET}$", r"\1:00\2"),
    (rf"^(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)\.0+{_OFFSET}$", r"\1\2"),
    (rf"^(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d*[1-9])0+{_OFFSET}$", r"\1\2"),
    (r"^(\d{4}-\d\d-\d\dT.*)Z$", r"\1+00:00"),
    (r"^(?i:true)$", "true"),
    (r"^(?i:false)$", "false"),
)
"""How programs write one and the same: 1.50 for 1.5, times with or without a T and seconds, True for true."""
_COMPILED = tuple((re.compile(pattern), meant) for pattern, meant in _SAME)
_MAY_BE = frozenset("0123456789+-TtFf")


_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space by Unicode, which may stand around a field: Python alone would take U+001C to U+001F for some as well."""


def same_text(field: str) -> str:
    """A field of a CSV file for comparing rows: in the one way that all its spellings have in common."""
    field = field.strip(_BLANKS)
    if field[:1] not in _MAY_BE:
        return field
    for pattern, meant in _COMPILED:
        field = pattern.sub(meant, field)
    return field


def same_in_all(name: str, kind: pl.DataType) -> pl.Expr:
    """A column for comparing rows, as ``same_text`` has it: the same in every kind of file."""
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        zoned = kind.time_zone is not None
        column = column.dt.convert_time_zone("UTC") if zoned else column
        column = column.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{'%:z' if zoned else ''}")
    elif kind.is_nested() or kind == pl.Binary:
        return column.hash().cast(pl.String)
    elif kind == pl.Duration:
        column = column.cast(pl.Int64)
    text = column.cast(pl.String, strict=False).str.strip_chars(_BLANKS)
    for pattern, meant in _SAME:
        text = text.str.replace(pattern, re.sub(r"\\(\d)", r"${\1}", meant))
    return text


def places_of(name: str, names: Sequence[str], uses: Mapping[str, str]) -> dict[str, int]:
    """Where the wanted columns stand, by their exact names, or else in any case and with any blanks.

    Raises:
        DataError: one is missing, or there are several of it.
    """
    places = {}
    for column, use in uses.items():
        exact = [place for place, name in enumerate(names) if name.strip() == column]
        found = exact or [place for place, name in enumerate(names) if folded(name) == folded(column)]
        if not found:
            near = nearest(column, [name for name in names if name.strip()])
            raise DataError(f"{name} has no column '{column}' for {use}; the nearest are {near}.")
        if len(found) > 1:
            raise DataError(f"{name} has {len(found)} columns '{column}'; give each column a name of its own.")
        places[column] = found[0]
    return places


def broken(name: str, error: Exception) -> DataError:
    """What is said of a file that cannot be read to its end."""
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, UnicodeError):
        return DataError(
            f'{name} cannot be decoded ({first_line}); name the encoding in the spec, such as encoding = "cp1252".'
        )
    return DataError(f"{name} is broken and cannot be read ({first_line}); replace it with a whole copy.")
