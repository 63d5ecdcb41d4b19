"""A bounded sample of a table: rows from its beginning, its middle and its end, whatever its size.

A CSV file is passed through once, in blocks, of which three are kept; of a Parquet file three slices are read.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path

import polars as pl

from encoders.data.dates import layouts_of
from encoders.data.files import CsvLines, csv_text, form_of, plain_faults_of
from encoders.data.inspecting.names import says
from encoders.data.source_tables import LINE
from encoders.data.spec import folded
from encoders.errors import DataError

ROWS = 12_000
"""So many rows of a table are looked at, at most: a third each from its beginning, its middle and its end."""
_PARTS = 3
_BLOCK = 1 << 21
"""Letters of a text that are read at once."""
_MOST_FILES = 3
"""Of many files with one heading so many are sampled: the first, the middle one and the last."""
_SHOWN = 60


@dataclass(frozen=True)
class Sample:
    """Some rows of one table, with everything that inspecting needs to know of where they come from.

    A table from elsewhere, such as a database, is a sample too: a name, a frame, and how many rows there are.
    """

    name: str
    """Of the table, such as a file without its ending."""
    frame: pl.DataFrame
    """``LINE``, where a row stands, and the columns; text, or typed where the table has types."""
    files: tuple[Path, ...] = ()
    rows: int | None = None
    """Of the whole table; None where nobody counted."""
    separator: str | None = None
    encoding: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def columns(self) -> list[str]:
        """The columns of the table itself."""
        return [name for name in self.frame.columns if name != LINE]


def sample_files(paths: Sequence[Path], rows: int = ROWS) -> list[Sample]:
    """Samples of some files; those with one heading are one table.

    Args:
        paths: Parquet or CSV files, packed or not.
        rows: how many rows of a table to keep at most.

    Raises:
        DataError: one is missing, empty, of another kind, broken, or has no heading.
    """
    whole: dict[Path, Sample] = {}
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise DataError(f"There is no file {path}.")
        if path.is_dir():
            raise DataError(f"'{path}' is a folder; name the files in it, such as '{path}/*.csv'.")
    alike: dict[tuple[str, ...], list[Path]] = {}
    for path in dict.fromkeys(paths):
        first = _sample(path, 1)
        whole[path] = first
        alike.setdefault(tuple(sorted(map(folded, first.columns))), []).append(path)
    return [_together(group, rows) for group in alike.values()]


def _together(paths: list[Path], rows: int) -> Sample:
    """One table from the files that hold it."""
    chosen = sorted({0, len(paths) // 2, len(paths) - 1})[:_MOST_FILES]
    parts = [_sample(paths[place], rows // len(chosen)) for place in chosen]
    first = parts[0]
    names = {folded(name): name for name in first.frame.columns}
    frames = [part.frame.rename({each: names[folded(each)] for each in part.frame.columns}) for part in parts]
    counted = [part.rows for part in parts if part.rows is not None]
    every = sum(counted) if len(chosen) == len(paths) == len(counted) else None
    notes = [note for part in parts for note in part.notes]
    if len(chosen) < len(paths):
        notes.append(f"{len(chosen)} of {len(paths)} files were looked at: the first, the middle one and the last")
    frame = pl.concat([each.select(first.frame.columns) for each in frames], how="vertical_relaxed")
    name = first.name if len(paths) == 1 else _common([path.name.split(".")[0] for path in paths]) or first.name
    encoding = next((part.encoding for part in parts if part.encoding), None)
    return Sample(name, frame, tuple(paths), every, first.separator, encoding, tuple(dict.fromkeys(notes)))


def _common(names: Iterable[str]) -> str:
    """What names begin with, without digits and signs at its end."""
    first, *others = names
    length = next(
        (at for at, sign in enumerate(first) if any(each[at : at + 1] != sign for each in others)), len(first)
    )
    return first[:length].rstrip("0123456789-_. ")


def _sample(path: Path, rows: int) -> Sample:
    """A sample of one file.

    Raises:
        DataError: it is empty, of another kind, broken, or has no heading.
    """
    with plain_faults_of(path):
        kind = form_of(path)
        if kind == "empty":
            raise DataError(f"{path} is empty: not even a heading is in it.")
        sample = _of_parquet(path, rows) if kind == "parquet" else _of_csv(path, rows)
    _check_heading(path, sample.columns)
    if sample.frame.is_empty():
        raise DataError(f"{path} has no rows; nothing can be said about an empty table.")
    return sample


def _of_parquet(path: Path, rows: int) -> Sample:
    frame = pl.scan_parquet(path, row_index_name=LINE, row_index_offset=1)
    nested = [name for name, kind in frame.collect_schema().items() if kind.is_nested() or kind == pl.Duration]
    total, part = int(frame.select(pl.len()).collect().item()), max(1, rows // _PARTS)
    starts = (0, max(part, total // 2 - part // 2), max(2 * part, total - part))
    wanted = frame.drop(nested)
    slices = [wanted.slice(start, part).collect(engine="streaming") for start in starts if start < total]
    notes = tuple(f"column '{name}' holds lists or records and was passed over" for name in nested)
    return Sample(
        path.name.split(".")[0], pl.concat(slices).unique(LINE, maintain_order=True), (path,), total, notes=notes
    )


@dataclass
class _Block:
    """A stretch of a text, and the line that it begins on (0 is the first)."""

    text: str
    line: int
    start: int


def _blocks(file: TextIOWrapper, only_first: bool) -> tuple[list[_Block], int]:
    """The first block of a text, one from about its middle, and what it ends with; and how many lines there are.

    Nobody knows the middle before the end: the blocks that begin at the last powers of two are kept until then.
    """
    first = _Block(file.read(_BLOCK), 0, 0)
    if only_first:
        return [first], first.text.count("\n")
    line, place, mark = first.text.count("\n"), len(first.text), 1
    passed: list[_Block] = []
    last: list[_Block] = []
    while text := file.read(_BLOCK):
        block = _Block(text, line, place)
        last = [*last[-1:], block]
        if place >= mark * _BLOCK:
            passed, mark = [*passed[-1:], block], mark * 2
        line, place = line + text.count("\n"), place + len(text)
    middle = min(passed, key=lambda block: abs(block.start - place // 2), default=None)
    end = _joined(last)
    kept = {block.start: block for block in (first, middle, *end) if block}
    blocks = [kept[start] for start in sorted(kept)]
    for block in blocks[:-1]:
        block.text = block.text[: block.text.rfind("\n") + 1] or block.text
    return blocks, line


def _joined(last: list[_Block]) -> list[_Block]:
    """The last two blocks as one, since the very last may be short."""
    return [_Block("".join(block.text for block in last), last[0].line, last[0].start)] if last else []


def _of_csv(path: Path, rows: int) -> Sample:
    file, guessing = csv_text(path)
    with closing(file):
        encoding = file.encoding
        blocks, total = _blocks(file, only_first=rows == 1)
    with closing(_lines(blocks[0].text, guessing)) as lines:
        heading = lines.heading(_separator(blocks[0].text, guessing), ())
        if heading is None:
            raise DataError(f"{path} is empty: not even a heading is in it.")
        separator, before = lines.separator, lines.line
        names = [name or f"column {place}" for place, name in enumerate(heading, 1)]
        usable, doubled = _usable(heading)
        read, broken, other = _read(lines, len(names), 0, rows if len(blocks) > 1 or rows == 1 else None)
    parts = [read]
    for block in blocks[1:]:
        with closing(_lines(block.text.partition("\n")[2], guessing, separator)) as lines:
            more, flaws, strange = _read(lines, len(names), block.line + 1, None if block is blocks[-1] else rows)
        parts, broken, other = [*parts, more], broken + flaws, other + strange
    read = _some(read, rows) if len(parts) == 1 else _of_each(parts, max(1, rows // _PARTS))
    frame = pl.DataFrame(read, [LINE, *_unique(names)], orient="row", strict=False)
    frame = frame.select(LINE, *(_unique(names)[place] for place in usable))
    notes = [f"there are several columns '{name}', which no spec can tell apart" for name in doubled]
    notes += (
        [f"{len(broken):,} rows have more or fewer fields than the heading, such as line {broken[0]}"] if broken else []
    )
    every = None if rows == 1 else max(0, total - before)
    named = "cp1252" if other else None if encoding.startswith("utf-8") else encoding
    return Sample(path.name.split(".")[0], frame, (path,), every, separator, named, tuple(notes))


_Row = tuple[int | str, ...]


def _read(lines: CsvLines, width: int, before: int, most: int | None) -> tuple[list[_Row], list[int], int]:
    """Rows, the lines of those that are broken, and how many lines were no UTF-8.

    Where a block begins within a row, its first rows may look broken: they are passed over in silence.
    """
    read: list[_Row] = []
    broken: list[int] = []
    for row in islice(lines.rows(width), most):
        if row.flaw is None:
            read.append((row.line + before, *row.fields))
        elif read or not before:
            broken.append(row.line + before)
    return read, broken, lines.other


def _some(rows: list[_Row], most: int) -> list[_Row]:
    """At most so many rows of a whole table: a third each from the beginning, the middle and the end."""
    if len(rows) <= most or most == 1:
        return rows[:most]
    part = max(1, most // _PARTS)
    middle = max(part, len(rows) // 2 - part // 2)
    return [*rows[:part], *rows[middle : middle + part], *rows[-part:]]


def _of_each(parts: list[list[_Row]], most: int) -> list[_Row]:
    """So many rows of each part of a table: its first ones, and of the last part, which may be short, its last ones."""
    *others, last = parts
    middle = [] if len(others) > 1 else last[:-most][:most]
    return [row for part in others for row in part[:most]] + middle + last[-most:]


def _usable(heading: list[str]) -> tuple[list[int], list[str]]:
    """Where the columns stand that a spec can name, and the names that several have; one without a name has none."""
    counts = Counter(map(folded, heading))
    usable = [place for place, name in enumerate(heading) if name and counts[folded(name)] == 1]
    return usable, [name for name in dict.fromkeys(heading) if name and counts[folded(name)] > 1]


def _unique(names: list[str]) -> list[str]:
    """Names of which each is there once."""
    return [name if name not in names[:place] else f"{name} (column {place + 1})" for place, name in enumerate(names)]


def _lines(text: str, guessing: bool, separator: str | None = None) -> CsvLines:
    file = TextIOWrapper(BytesIO(text.encode("utf-8", "surrogateescape")), "utf-8", "surrogateescape")
    return CsvLines(file, guessing, separator or ",")


def _separator(text: str, guessing: bool) -> str | None:
    """A blank, where nothing else parts the columns of a first line and every line has as many words; else None."""
    with closing(_lines(text, guessing)) as lines:
        if len(lines.heading(None, ()) or ()) != 1:
            return None
    words = {len(line.split()) for line in text.split("\n", 50)[:50] if line.strip()}
    return " " if len(words) == 1 and words.pop() > 1 else None


def _check_heading(path: Path, names: list[str]) -> None:
    """See that the first line names columns.

    Raises:
        DataError: it looks like a row of values.
    """
    written = [name for name in names if not name.startswith("column ")]
    values = pl.Series(written, dtype=pl.String)
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False).is_not_null().sum()
    times = sum(bool(layouts_of(pl.Series([name]))) for name in written if any(sign.isdigit() for sign in name))
    if written and max(numbers, times) * 2 >= len(written) and not any(says(name, "user") for name in written):
        shown = ", ".join(written)[:_SHOWN]
        raise DataError(
            f"The first line of {path} looks like a row ({shown}), not like names of columns; write these on top."
        )
