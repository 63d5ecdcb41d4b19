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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from itertools import count, islice
from pathlib import Path
from typing import IO, Any, Literal, cast

import polars as pl

from encoders.checksums import sha256_of
from encoders.data.databases.reading import Databases
from encoders.data.source_tables import (
    BETWEEN,
    CSV_ENDINGS,
    FILE,
    FLAW,
    LINE,
    SHAPE,
    SourceTable,
    Wanted,
    broken,
    kind_of,
    kind_of_column,
    places_of,
    same_text,
    shape_of,
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
_KIND_ROWS = 200
"""So many rows say what a column holds."""
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?")
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
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """Per table that was opened, every column of its last file."""
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
        opened = {piece.name: piece.open() for piece in self.pieces(spec, uses)}
        tables = [table for table in opened.values() if table is not None]
        self.note_empty(spec, [name for name, table in opened.items() if table is None], len(opened))
        if not any(table.collect(table.frame.select(pl.len())).item() for table in tables):
            raise without_rows(spec)
        self.columns[spec.called] = dict(tables[-1].columns)
        return tables

    def pieces(self, spec: TableSpec, uses: Mapping[str, str]) -> list["Piece"]:
        """What ``open`` opens, in the same order, before it is read. Raises like it for files that are none."""
        if spec.database is not None:
            return [Piece(self, spec, Wanted(uses), None, spec.database.table or f"query of {spec.called}", ())]
        paths = [path for pattern in spec.files for path in self._matching(pattern)]
        paths = list({path.resolve(): path for path in paths}.values())
        headings = {path: self._heading(path, spec, uses) for path in paths}
        shapes = {path: frozenset(map(folded, names)) for path, names in headings.items()}
        every = sorted({shape for shape in shapes.values() if shape}, key=sorted)
        return [
            Piece(self, spec, Wanted(uses, [few for few in every if few < shapes[path]]), path, self._name(path), names)
            for path, names in headings.items()
        ]

    def note_empty(self, spec: TableSpec, empty: Sequence[str], files: int) -> None:
        """Say which files are empty.

        Raises:
            DataError: all of them are.
        """
        if len(empty) == files:
            raise DataError(f"{', '.join(empty)} is empty: not even a heading is in it.")
        self.notes += (f"{name} is empty and was passed over" for name in empty)

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

    def _heading(self, path: Path, spec: TableSpec, uses: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the columns of a file; none for one without a single byte."""
        with plain_faults_of(path):
            form = form_of(path)
            if form == "empty":
                return ()
            if form == "parquet":
                return tuple(pl.read_parquet_schema(path))
            with closing(csv_lines(path, spec.encoding)) as lines:
                return tuple(lines.heading(spec.separator, uses) or ())

    def read(self, path: Path, spec: TableSpec, wanted: Wanted) -> SourceTable | None:
        """One file; None for one without a single byte. Raises like ``open``."""
        with plain_faults_of(path):
            form = form_of(path)
            if form == "empty":
                return None
            if form == "parquet":
                return self._open_parquet(path, wanted)
            with closing(csv_lines(path, spec.encoding)) as lines:
                return self._read_csv(path, lines, spec, wanted)

    def _open_parquet(self, path: Path, wanted: Wanted) -> SourceTable:
        frame = pl.scan_parquet(path, row_index_name=LINE, row_index_offset=1)
        columns = {name: kind_of_column(kind) for name, kind in frame.collect_schema().items() if name != LINE}
        found = wanted_columns(frame, self._name(path), str(path), wanted)
        return SourceTable(str(path), found, found.collect_schema(), columns)

    def read_database(self, table: DatabaseTable, name: str, spec: TableSpec, wanted: Wanted) -> SourceTable:
        """What lies in a database. Raises like ``open``."""
        parts, rows, columns = [], 0, dict[str, str]()
        for batch in self.databases.batches(table):
            numbered = batch.lazy().with_row_index(LINE, offset=rows + 1)
            parts.append(self.new_file())
            wanted_columns(numbered, name, name, wanted).collect().write_parquet(parts[-1])
            rows += batch.height
            columns = {each: kind_of_column(kind) for each, kind in batch.schema.items()}
        if not rows:
            raise without_rows(spec)
        frame = pl.scan_parquet(parts)
        if spec.order_counts and not table.sorted:
            frame = frame.sort(*wanted.uses)  # a database gives its rows in any order
        return SourceTable(name, frame, frame.collect_schema(), columns)

    def _read_csv(self, path: Path, lines: "CsvLines", spec: TableSpec, wanted: Wanted) -> SourceTable | None:
        heading = lines.heading(spec.separator, wanted.uses)
        if heading is None:
            return None
        places = places_of(str(path), heading, wanted.uses)
        chosen, compared, shape = list(places.values()), wanted.compared(heading), shape_of(heading)
        schema = {FILE: pl.String, LINE: pl.UInt32, FLAW: pl.String, SHAPE: pl.String}
        schema |= dict.fromkeys(compared, pl.String) | dict.fromkeys(places, pl.String)
        name, parts, kinds = self._name(path), [self.new_file()], Kinds(len(heading))
        hashed = [pl.col(number).hash() for number in compared]
        pl.DataFrame(schema=schema).with_columns(hashed).write_parquet(parts[0])
        rows = lines.rows(len(heading))
        while batch := list(islice(rows, _BATCH)):
            kinds.look_at(batch)
            told = [
                (name, row.line, row.flaw, shape, *map(row.text, compared.values()), *row.of(chosen)) for row in batch
            ]
            parts.append(self.new_file())
            pl.DataFrame(told, schema, orient="row").with_columns(hashed).write_parquet(parts[-1])
        if lines.other:
            self.notes.append(
                f"{lines.other:,} lines of {name} are no UTF-8 and were read as Windows-1252, such as line "
                f"{lines.other_line}; where that is wrong, name the encoding in the spec"
            )
        frame = pl.scan_parquet(parts)
        return SourceTable(str(path), frame, frame.collect_schema(), kinds.of(heading))


@dataclass(frozen=True)
class Piece:
    """One file or table of a database, before it is read."""

    files: Files
    spec: TableSpec
    wanted: Wanted
    path: Path | None
    """None: it lies in a database."""
    name: str
    """As seen from the spec."""
    names: tuple[str, ...]
    """Its columns; none for an empty file, and for a database."""

    def digest(self) -> str:
        """SHA-256 of the file; empty where it is none.

        Raises:
            DataError: it cannot be read.
        """
        if self.path is None:
            return ""
        with plain_faults_of(self.path):
            return sha256_of(self.path)

    def open(self) -> SourceTable | None:
        """Read it; None where it is empty. Raises like ``Files.open``."""
        if self.path is None:
            assert self.spec.database is not None
            return self.files.read_database(self.spec.database, self.name, self.spec, self.wanted)
        return self.files.read(self.path, self.spec, self.wanted)


class Kinds:
    """What the columns of a CSV file hold, by its first rows."""

    def __init__(self, width: int) -> None:
        """Nothing is known yet of so many columns."""
        self._numbers, self._texts, self._left = [0] * width, [0] * width, _KIND_ROWS

    def look_at(self, rows: Sequence["CsvRow"]) -> None:
        """Look at the next rows, as long as not enough were seen."""
        for row in rows[: self._left]:
            for place, written in enumerate([] if row.flaw else row.fields):
                if written.strip():
                    counted = self._numbers if _NUMBER.fullmatch(written.strip()) else self._texts
                    counted[place] += 1
        self._left -= min(self._left, len(rows))

    def of(self, names: Sequence[str]) -> dict[str, str]:
        """Per column 'number', 'text' or 'nothing'."""
        found = zip(names, self._numbers, self._texts, strict=True)
        return {name: "text" if texts else "number" if numbers else "nothing" for name, numbers, texts in found}


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


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file."""

    line: int
    fields: list[str]
    flaw: str | None

    def text(self, places: list[int]) -> str:
        """What rows share that are equal at some places but for how programs write it."""
        return "" if self.flaw else BETWEEN.join([same_text(self.fields[place]) for place in places])

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


def without_rows(spec: TableSpec) -> DataError:
    """What is said of a table that has no row in any of its files."""
    database = spec.database
    name = ", ".join(spec.files) if database is None else database.table or f"query of {spec.called}"
    return DataError(f"{name} has no rows; nothing can be prepared from an empty table.")
