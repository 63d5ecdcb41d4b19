"""The tables of one's own: Parquet files, CSV in whatever way it was written, and what databases hold.

What a database gives is kept in Parquet files, batch by batch, until it has been read. A CSV file is read once, line by
line, into such files, too. So a row that cannot be read is one row with its line, in place of a file that is refused or
a row that is lost.
"""

import bz2
import codecs
import csv
import glob
import gzip
import lzma
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, Literal, cast

import polars as pl

from encoders.data.databases.reading import Databases
from encoders.data.source_tables import (
    CSV_ENDINGS,
    FILE,
    FLAW,
    LINE,
    ROW,
    SourceTable,
    broken,
    kind_of,
    places_of,
    wanted_columns,
)
from encoders.data.spec import DatabaseTable, TableSpec, folded
from encoders.errors import DataError

_SEPARATORS = (",", ";", "\t", "|")
_BATCH = 50_000
_MOST_LINES = 200
"""So many lines may one row with line breaks in quotes have."""
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
_MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}
_LOOKED_AT = 1_024
_PARQUETS = (".parquet", ".pq")
_TOLD_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_FALLBACK = "cp1252"
_MOST_DIGITS = 40
"""Numbers in the names of files are shorter."""


@dataclass
class Files:
    """Opens the tables of a data set."""

    base: Path
    """Patterns are relative to this folder."""
    scratch: Path
    """An empty folder for what lasts as long as the tables are read."""
    databases: Databases
    """Those that tables are read from; whoever made them closes them."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing about how files were read."""
    _numbers: Iterator[int] = field(default_factory=count)

    def open(self, spec: TableSpec, uses: Mapping[str, str]) -> list[SourceTable]:
        """The files of a table, in the order of the patterns and of the names within each, each of them once.

        What lies in a database is one more file, whose name is that of the table.

        Args:
            spec: where they lie.
            uses: the columns that are wanted, and what for, in words.

        Raises:
            DataError: no file matches, one is of another kind, broken or lacks a column, or all are empty; or the
                database cannot be used.
        """
        if spec.database is not None:
            return [self._read_database(spec.database, spec, uses)]
        paths = [path for pattern in spec.files for path in self._matching(pattern)]
        paths = list({path.resolve(): path for path in paths}.values())
        opened = {path: self._open(path, spec, uses) for path in paths}
        tables = [table for table in opened.values() if table is not None]
        if not tables:
            raise DataError(f"{', '.join(map(str, paths))} is empty: not even a heading is in it.")
        empty = (path for path, table in opened.items() if table is None)
        self.notes += (f"{self._name(path)} is empty and was passed over" for path in empty)
        if not any(table.collect(table.frame.select(pl.len())).item() for table in tables):
            raise _without_rows(", ".join(spec.files))
        return tables

    def new_file(self) -> Path:
        """A name in the scratch folder that nothing has yet."""
        return self.scratch / f"{next(self._numbers)}.parquet"

    def _matching(self, pattern: str) -> list[Path]:
        names = glob.glob(str(self.base / pattern), recursive=True)  # noqa: PTH207 - may be absolute
        found = sorted(map(Path, names), key=_natural)
        if not found:
            raise DataError(f"No file matches '{pattern}' in {self.base}.")
        files = [path for path in found if not path.is_dir()]
        if not files:
            raise DataError(f"'{pattern}' is a folder; name the files in it, such as '{pattern}/*.csv'.")
        return files

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.base)) if path.is_relative_to(self.base) else path.name

    def _open(self, path: Path, spec: TableSpec, uses: Mapping[str, str]) -> SourceTable | None:
        """None for a file without a single byte."""
        with plain_faults_of(path):
            form = form_of(path)
            if form == "empty":
                return None
            if form == "parquet":
                return self._open_parquet(path, uses)
            with closing(csv_lines(path, spec.encoding)) as lines:
                return self._read_csv(path, lines, spec, uses)

    def _open_parquet(self, path: Path, uses: Mapping[str, str]) -> SourceTable:
        frame = pl.scan_parquet(path, row_index_name=LINE, row_index_offset=1)
        wanted = wanted_columns(frame, self._name(path), str(path), uses)
        return SourceTable(str(path), wanted, wanted.collect_schema())

    def _read_database(self, table: DatabaseTable, spec: TableSpec, uses: Mapping[str, str]) -> SourceTable:
        name = table.table or f"query of {spec.called}"
        parts, rows = [], 0
        for batch in self.databases.batches(table):
            numbered = batch.lazy().with_row_index(LINE, offset=rows + 1)
            parts.append(self.new_file())
            wanted_columns(numbered, name, name, uses).collect().write_parquet(parts[-1])
            rows += batch.height
        if not rows:
            raise _without_rows(name)
        frame = pl.scan_parquet(parts)
        if spec.order_counts and not table.sorted:
            frame = frame.sort(*uses)  # a database gives its rows in any order
        return SourceTable(name, frame, frame.collect_schema())

    def _read_csv(self, path: Path, lines: "CsvLines", spec: TableSpec, uses: Mapping[str, str]) -> SourceTable | None:
        heading = lines.heading(spec.separator, uses)
        if heading is None:
            return None
        places = places_of(str(path), heading, uses)
        wanted, order = list(places.values()), sorted(range(len(heading)), key=lambda place: folded(heading[place]))
        schema = {FILE: pl.String, LINE: pl.UInt32, FLAW: pl.String, ROW: pl.Int64} | dict.fromkeys(places, pl.String)
        name, parts = self._name(path), [self.new_file()]
        pl.DataFrame(schema=schema).write_parquet(parts[0])
        rows = lines.rows(len(heading))
        while batch := list(islice(rows, _BATCH)):
            told = [(name, row.line, row.flaw, row.number(order), *row.of(wanted)) for row in batch]
            parts.append(self.new_file())
            pl.DataFrame(told, schema, orient="row").write_parquet(parts[-1])
        if lines.other:
            self.notes.append(
                f"{lines.other:,} lines of {name} are no UTF-8 and were read as Windows-1252, such as line "
                f"{lines.other_line}; where that is wrong, name the encoding in the spec"
            )
        return SourceTable(str(path), pl.scan_parquet(parts), pl.Schema(schema))


def form_of(path: Path) -> Literal["parquet", "csv", "empty"]:
    """What a file is, by its first bytes and its ending; a file without a single byte is empty.

    Raises:
        DataError: it is nothing that can be read.
        OSError: it cannot be opened.
    """
    ending = kind_of(path)
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
    if begin.startswith(_PARQUET) or ending in _PARQUETS:
        return "parquet" if begin else "empty"
    if begin.startswith(_ZIP):
        raise DataError(f"{path} is a ZIP archive or an Excel workbook; unpack it, or save it as CSV.")
    if ending not in CSV_ENDINGS:
        raise DataError(f"{path} is neither a .parquet nor a .csv file; save it as one of these.")
    return "csv"


@contextmanager
def plain_faults_of(path: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with a file that cannot be read to its end.

    Raises:
        DataError: it cannot.
    """
    try:
        yield
    except (OSError, EOFError, UnicodeError, lzma.LZMAError, pl.exceptions.PolarsError) as error:
        raise broken(str(path), error) from error


def _plain(field: str) -> str:
    """A field for comparing rows: without blanks around it, 4 for 4.0 and +00:00 for Z."""
    field = field.strip()
    if field.endswith(".0") and field[:-2].isdecimal():
        return field[:-2]
    return field[:-1] + "+00:00" if field.endswith("Z") and field[-3:-1].isdecimal() else field


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file."""

    line: int
    fields: list[str]
    flaw: str | None

    def number(self, order: list[int]) -> int:
        """What rows share whose fields are equal but for how programs write them, taken in some order."""
        return hash(tuple(self.fields if self.flaw else [_plain(self.fields[place]) for place in order]))

    def of(self, places: list[int]) -> list[str | None]:
        """The fields at some places; nothing where the row itself is not to be trusted."""
        return [None] * len(places) if self.flaw else [self.fields[place] for place in places]


class CsvLines:
    """The lines of a CSV file, as rows."""

    def __init__(self, file: TextIOWrapper, guessing: bool, separator: str = ",") -> None:
        """Read nothing yet; with ``guessing``, a line that cannot be decoded may be Windows-1252."""
        self._file, self._guessing = file, guessing
        self._ahead: deque[str] = deque()
        self.line, self.separator = 0, separator
        self.other, self.other_line = 0, 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def heading(self, separator: str | None, uses: Collection[str]) -> list[str] | None:
        """The names of the columns, which say what separates them unless that is known; None for an empty file."""
        while self._peek(0) is not None and not self._ahead[0].strip():
            self._take(1)
        if (first := self._peek(0)) is None:
            return None
        if told := _TOLD_SEPARATOR.fullmatch(first.strip()):
            self._take(1)
            separator = separator or told[1]
        known = {folded(column) for column in uses}
        first = self._peek(0) or ""

        def hits(each: str) -> tuple[int, int]:
            names = _strict(first, each) or _tolerant(first, each)
            return len(known & {folded(name) for name in names}), len(names)

        self.separator = separator or max(_SEPARATORS, key=hits)
        if self._peek(0) is None:
            return None
        names, _ = self._record()
        while names and not names[-1].strip():
            names.pop()
        return [name.strip() for name in names]

    def rows(self, width: int) -> Iterator[CsvRow]:
        """The rows behind the heading; lines with nothing on them are passed over."""
        while (line := self._peek(0)) is not None:
            start = self.line + 1
            if line.isspace():
                self._take(1)
                continue
            fields, readable = self._record(width)
            while len(fields) > width and not fields[-1].strip():
                fields.pop()
            flaw = None if readable else f"bytes that are no text in {self._file.encoding.removesuffix('-sig')}"
            if len(fields) != width:
                flaw = f"{len(fields)} fields where the heading has {width}"
            yield CsvRow(start, fields, flaw)

    def _record(self, width: int | None = None) -> tuple[list[str], bool]:
        """The fields of the next row, and whether all of it could be decoded."""
        first, readable = self._decoded(self._peek(0) or "")
        if '"' not in first:
            self._take(1)
            return _split(first, self.separator), readable
        record, lines = first, 1
        while True:
            fields = _strict(record, self.separator)
            if fields is not None and (lines == 1 or width in (None, len(fields))):
                self._take(lines)
                return fields, readable
            following = self._peek(lines)
            if record.count('"') % 2 == 0 or lines == _MOST_LINES or following is None:
                self._take(1)  # a quote that belongs to the text
                return _tolerant(first, self.separator), readable
            more, too = self._decoded(following)
            record, readable, lines = record + more, readable and too, lines + 1

    def _decoded(self, line: str) -> tuple[str, bool]:
        if line.isascii():
            return line, True
        try:
            line.encode(errors="strict")
            return line, True
        except UnicodeEncodeError:
            if not self._guessing:
                return line.encode(errors="replace").decode(), False
        try:
            read = line.encode(errors="surrogateescape").decode(_FALLBACK)
        except UnicodeDecodeError:
            return line.encode(errors="replace").decode(), False
        self.other, self.other_line = self.other + 1, self.other_line or self.line + 1
        return read, True

    def _peek(self, place: int) -> str | None:
        while len(self._ahead) <= place:
            if not (line := self._file.readline()):
                return None
            self._ahead.append(line)
        return self._ahead[place]

    def _take(self, lines: int) -> None:
        for _ in range(lines):
            self._ahead.popleft()
        self.line += lines


def _split(line: str, separator: str) -> list[str]:
    """The fields of a line without quotes; blanks between columns may be several, and stand before the first one."""
    return line.split() if separator == " " else line.rstrip("\n").split(separator)


def _strict(record: str, separator: str) -> list[str] | None:
    """The fields of a row as the standard has it; None where its quotes do not close or stand within a field."""
    try:
        rows = list(csv.reader([record], delimiter=separator, strict=True, skipinitialspace=separator != "\t"))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _tolerant(line: str, separator: str) -> list[str]:
    """The fields of one line in which a quote only counts where it begins a field and another one ends it."""
    sep = re.escape(separator)
    pattern = rf'[ ]*"((?:[^"]|"(?![ ]*(?:{sep}|$)))*)"[ ]*(?={sep}|$)|([^{sep}]*)'
    rest, fields = line.rstrip("\n"), []
    matcher, place = re.compile(pattern), 0
    while True:
        found = cast(re.Match[str], matcher.match(rest, place))
        fields.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        place = found.end() + 1
        if found.end() >= len(rest):
            return fields


def csv_lines(path: Path, encoding: str | None = None) -> CsvLines:
    """The lines of a CSV file, unpacked and decoded; whoever opens them closes them.

    Raises:
        OSError: the file cannot be read.
    """
    return CsvLines(*csv_text(path, encoding))


def csv_text(path: Path, encoding: str | None = None) -> tuple[TextIOWrapper, bool]:
    """A CSV file, unpacked and decoded, and whether a line that cannot be decoded may be Windows-1252.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as first:
        begin = first.read(_LOOKED_AT)
    opened = next((opener for sign, opener in _PACKED.items() if begin.startswith(sign)), None)
    binary: IO[bytes] = path.open("rb") if opened is None else opened(path, "rb")
    if opened is not None:
        begin = binary.read(_LOOKED_AT)
        binary.seek(0)
    named = encoding or _encoding_of(begin)
    file = TextIOWrapper(cast(BytesIO, binary), named, "surrogateescape")
    return file, encoding is None and named.startswith("utf-8")


def _encoding_of(begin: bytes) -> str:
    for mark, name in _MARKS.items():
        if begin.startswith(mark):
            return name
    if begin and begin.count(0) * 4 > len(begin):  # ASCII in two bytes each, with no mark that says so
        return "utf-16-le" if begin[1::2].count(0) > begin[::2].count(0) else "utf-16-be"
    return "utf-8-sig"


def _natural(path: Path) -> tuple[list[str], Path]:
    """What files are sorted by, so that day-9.csv comes before day-10.csv."""
    return [re.sub("[0-9]+", lambda digits: digits[0].zfill(_MOST_DIGITS), part) for part in path.parts], path


def _without_rows(name: str) -> DataError:
    return DataError(f"{name} has no rows; nothing can be prepared from an empty table.")
