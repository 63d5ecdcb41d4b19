"""What a table of one's own looks like when it is open, wherever it came from: a file or a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
"""A number that rows share that are equal in every column, in whatever order and spelling of numbers these come."""


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


def wanted_columns(frame: pl.LazyFrame, file: str, name: str, uses: Mapping[str, str]) -> pl.LazyFrame:
    """The wanted columns of rows whose columns have kinds, and what every source table has.

    Args:
        frame: all columns, and ``LINE``.
        file: what rows say they come from.
        name: what messages call the table.
        uses: the columns that are wanted, and what for, in words.

    Raises:
        DataError: a column is missing, or holds lists or the like.
    """
    schema = frame.collect_schema()
    names = [each for each in schema.names() if each != LINE]
    chosen = {column: names[place] for column, place in places_of(name, names, uses).items()}
    for column, each in chosen.items():
        if schema[each].is_nested() or schema[each] == pl.Duration:
            raise DataError(
                f"Column '{each}' of {name} holds {schema[each].base_type()!s} values, which are no {uses[column]}"
                "; write the part you mean into a column of its own."
            )
    own = (pl.lit(file).alias(FILE), LINE, pl.lit(None, pl.String).alias(FLAW))
    row = pl.struct(_same_in_all(each, schema[each]) for each in sorted(names, key=folded)).hash().alias(ROW)
    return frame.select(*own, row, *(pl.col(each).alias(column) for column, each in chosen.items()))


def _same_in_all(name: str, kind: pl.DataType) -> pl.Expr:
    """A column of a Parquet file for comparing rows: the same whole number in every kind of number."""
    column = pl.col(name)
    return column.cast(pl.String).str.replace(r"\.0$", "") if kind.is_numeric() else column


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
