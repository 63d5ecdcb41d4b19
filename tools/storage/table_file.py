"""Tables that people bring, read within bounds: memory in proportion to the file, and of it the needed columns alone.

A small file can claim to hold a huge table: compressed text, a Parquet file whose values repeat, rows that each have
other fields. So what a file would become is looked at before it does.
"""

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from encoders.data.files import csv_lines
from encoders.errors import RequestError
from tools.bounds import LINE_BYTES, TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS, VALUE_CHARACTERS

_COMPRESSED = (
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"\xfd7zXZ",
    b"PK\x03\x04",
    b"\x78\x01",
    b"\x78\x9c",
    b"\x78\xda",
)
_BATCH = 8_192
_FOOTER_BYTES = 16_000_000
_MOST_IN_FOOTER = 1_000_000
_UNBOUNDED = "DELTA_BYTE_ARRAY"
"""The encoding in which a few bytes may stand for many long texts."""


class UploadedTable(NamedTuple):
    """A table as it was brought."""

    table: pl.DataFrame
    """The needed columns it has, by their names in lower case."""
    columns: tuple[str, ...]
    """The names of all its columns, in lower case."""


def read_columns(path: Path, needed: Sequence[str]) -> UploadedTable:
    """Read some columns of a CSV, Parquet or JSON lines file.

    Args:
        path: the file.
        needed: names in lower case; those that are not there are left out.

    Raises:
        RequestError: it cannot be read, or is more than TABLE_ROWS, TABLE_COLUMNS, TABLE_BYTES and so on allow.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RequestError(f"{path.name} is none of {', '.join(_READERS)}; bring one of these.")
    try:
        found = reader(path, needed)
    except FileNotFoundError:
        raise RequestError(f"There is no file {path.name}; bring it again.") from None
    except (OSError, ValueError, pl.exceptions.PolarsError, pa.ArrowException) as error:
        raise RequestError(f"{path.name} cannot be read as {path.suffix[1:].upper()}: {_reason(error)}.") from error
    texts = (column for column in found.table.get_columns() if column.dtype == pl.String)
    if any((column.str.len_chars().max() or 0) > VALUE_CHARACTERS for column in texts):  # type: ignore[operator]
        raise _long_value(path)
    return found


class _UnreadableError(ValueError):
    """What is wrong with a file, and the remedy, as the end of a sentence."""


def _reason(error: Exception) -> str:
    """What is wrong with a file that cannot be read, and the remedy."""
    if isinstance(error, _UnreadableError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8; write it anew"
    if isinstance(error, pa.ArrowException) or (isinstance(error, OSError) and error.strerror is None):
        return "it is damaged, or something else under that name; write it anew"
    said = error.strerror if isinstance(error, OSError) else next(iter(str(error).splitlines()), "")
    return f"{said or type(error).__name__}; check the file"


def check_text(path: Path) -> None:
    """See that a file is text, with rows as short and as few as allowed; reads it once, a part at a time.

    Raises:
        RequestError: it is not.
    """
    rows = since = 0
    with path.open("rb") as file:
        while part := file.read(LINE_BYTES):
            if not rows and not since and part.startswith(_COMPRESSED):
                raise RequestError(f"{path.name} is compressed; bring it unpacked.")
            first = part.find(b"\n")
            since = since + len(part) if first < 0 else len(part) - part.rfind(b"\n") - 1
            rows += part.count(b"\n")
            if since > LINE_BYTES:
                raise RequestError(f"A row of {path.name} has over {LINE_BYTES:,} bytes; check how its rows end.")
            _check_rows(path, rows)


def _read_csv(path: Path, needed: Sequence[str]) -> UploadedTable:
    check_text(path)
    with path.open("rb") as file:
        begin = file.readline(LINE_BYTES)
    if b"\0" in begin and not begin.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise _UnreadableError("its bytes are no text; write it anew")  # nor could users be erased from it
    _check_columns(path, max(map(begin.count, (b",", b";", b"\t", b"|"))) + 1)
    with closing(csv_lines(path)) as lines:
        names = lines.heading(None, needed)
        if names is None:
            raise _UnreadableError("it is empty; bring it whole")
        chosen = _chosen(names, needed)
        places, schema = [names.index(name) for name in chosen], dict.fromkeys(chosen.values(), pl.String)
        parts, rows = [pl.DataFrame(schema=schema)], lines.rows(len(names))
        while chosen and (batch := [row.of(places) for row in islice(rows, _BATCH)]):
            parts.append(pl.DataFrame(batch, schema, orient="row"))
    return UploadedTable(pl.concat(parts).with_columns(_filled(name) for name in schema), _lower(names))


def _filled(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(name).alias(name)


def _read_json_lines(path: Path, needed: Sequence[str]) -> UploadedTable:
    check_text(path)
    names: dict[str, None] = {}
    before = 0
    parts = [pl.DataFrame(schema=dict.fromkeys(needed, pl.String))]
    with path.open("rb") as file:
        while lines := list(islice(file, _BATCH)):
            rows = [_json_row(line, number) for number, line in enumerate(lines, before + 1) if line.strip()]
            before += len(lines)
            for row in rows:
                if len(names) < TABLE_COLUMNS:
                    names |= dict.fromkeys(row)
            columns = {name: [_scalar(row.get(name)) for row in rows] for name in needed}
            parts.append(pl.DataFrame(columns, schema=parts[0].schema))
    return UploadedTable(pl.concat(parts).select(name for name in needed if name in names), tuple(names))


def _read_parquet(path: Path, needed: Sequence[str]) -> UploadedTable:
    limits = {"thrift_string_size_limit": _FOOTER_BYTES, "thrift_container_size_limit": _MOST_IN_FOOTER}
    with pq.ParquetFile(path, **limits) as opened:
        schema, metadata = opened.schema_arrow, opened.metadata
    _check_rows(path, metadata.num_rows)
    _check_columns(path, metadata.num_columns)
    chosen = _chosen(schema.names, needed)
    _check_chunks(path, metadata, schema, chosen)
    # Texts stay what they are in the file, each once, until it is known how long all of them are.
    texts = [name for name in chosen if _is_text(schema.field(name).type)]
    size, batches = 0, []
    with pq.ParquetFile(path, read_dictionary=texts, **limits) as opened:
        for batch in opened.iter_batches(_BATCH, columns=list(chosen), use_threads=False):
            size += sum(_expanded(path, column) for column in batch.columns)
            if size > TABLE_BYTES:
                raise _too_large(path)
            batches.append(batch)
    if not batches:
        return UploadedTable(pl.DataFrame(schema=dict.fromkeys(chosen.values(), pl.String)), _lower(schema.names))
    plain = pa.schema([(name, _plain(schema.field(name).type)) for name in batches[0].schema.names])
    table = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches).cast(plain)))
    return UploadedTable(table.rename(chosen), _lower(schema.names))


_READERS: dict[str, Callable[[Path, Sequence[str]], UploadedTable]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}


def _check_chunks(path: Path, metadata: pq.FileMetaData, schema: pa.Schema, chosen: dict[str, str]) -> None:
    """See what the needed columns would be, by what the file says of them."""
    for name in chosen:
        if pa.types.is_nested(schema.field(name).type):
            raise RequestError(
                f"The column '{name[:60]}' of {path.name} holds lists or objects; bring texts or numbers."
            )
    size = 0
    for group in range(metadata.num_row_groups):
        for column in (metadata.row_group(group).column(each) for each in range(metadata.num_columns)):
            if column.path_in_schema in chosen:
                size += column.total_uncompressed_size
                if _UNBOUNDED in column.encodings:
                    raise RequestError(f"{path.name} is written in the encoding {_UNBOUNDED}; write it in another one.")
    if size > TABLE_BYTES:
        raise _too_large(path)


def _expanded(path: Path, column: pa.Array) -> int:
    """Bytes of a column once each of its rows has its own value."""
    if not isinstance(column, pa.DictionaryArray):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    if (pc.max(lengths).as_py() or 0) > 4 * VALUE_CHARACTERS:
        raise _long_value(path)
    return pc.sum(lengths.take(column.indices)).as_py() or 0


def _chosen(names: Sequence[str], needed: Sequence[str]) -> dict[str, str]:
    """The columns that are needed, and what they are called here.

    Raises:
        _UnreadableError: two columns have the same name.
    """
    chosen = {name: folded for name, folded in zip(names, _lower(names), strict=True) if folded in needed}
    if len(set(_lower(names))) < len(names):
        raise _UnreadableError("two columns have the same name; give each its own")
    return chosen


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in names)


def _json_row(line: bytes, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except RecursionError:
        raise _UnreadableError(f"line {number:,} nests lists or objects too deeply; write it flatter") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise _UnreadableError(f"line {number:,} is no JSON; write one object a line") from None
    except ValueError:  # Python reads no whole number of thousands of digits
        raise _UnreadableError(f"line {number:,} has a number of too many digits; write it shorter") from None
    if not isinstance(row, dict):
        raise _UnreadableError(f"line {number:,} is no object; write one object a line")
    return {str(name).strip().lower(): value for name, value in row.items()}


def _scalar(value: object) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_rows(path: Path, rows: int) -> None:
    if rows > TABLE_ROWS:
        raise RequestError(f"{path.name} has over {TABLE_ROWS:,} rows; bring the rows that are needed alone.")


def _check_columns(path: Path, columns: int) -> None:
    if columns > TABLE_COLUMNS:
        raise RequestError(f"{path.name} has over {TABLE_COLUMNS:,} columns; bring the columns that are needed alone.")


def _too_large(path: Path) -> RequestError:
    return RequestError(f"{path.name} would take over {TABLE_BYTES:,} bytes of memory; bring less of it.")


def _long_value(path: Path) -> RequestError:
    return RequestError(f"A value in {path.name} has over {VALUE_CHARACTERS:,} characters; check its columns.")
