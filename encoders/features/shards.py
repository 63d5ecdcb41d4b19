"""Counted histories on disk: counted block by block of users, once per data version and date, and mapped by who asks.

    data/<version>/counts/<as-of>-<version>-<format>/
        users.parquet             user_id, in_population: the N rows of all matrices
        totals.parquet            ``source_totals``
        activity.f32              [N, len(ACTIVITY)]
        regularity-<source>.f32   [N, FEATURES]
        items.*, groups.*         places (indptr, indices) and the values of each matrix that has these places
        slots-<source>.*          the same of the time slots of a source
        structure.safetensors     what goes together
        checksums.json            SHA-256 of each of them

The memory that counting takes is that of one block. A folder goes with its data version, and is made anew after users
were erased.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from encoders.checksums import damaged_files, write_checksums
from encoders.data.events import Past
from encoders.data.versions import COUNTS, one_maker
from encoders.errors import WorkspaceError
from encoders.features.counts import (
    ACTIVITY,
    CountedEvents,
    Matrix,
    UserFeatures,
    count_events,
    features_of,
    lines_of,
    population_of,
    source_totals,
)
from encoders.features.forms import count_all
from encoders.features.regularity import FEATURES, reach_of, read_regularity
from encoders.features.sparse import Family
from encoders.features.structure import Structures
from encoders.tensors import load_tensors, save_tensors
from encoders.workspace import atomic_folder, scratch_folder

Number = TypeVar("Number", np.float32, np.int32, np.int64)

FORMAT = 1
"""Counts in other files, or that are counted in another way, have another number."""
BLOCK = 20_000
"""Users counted at a time."""
KEPT = 3
"""Dates of one data version that are kept, those asked for last."""


@dataclass(frozen=True)
class Stored:
    """What was counted as of one date."""

    features: UserFeatures
    structures: Structures


def stored_features(past: Past) -> Stored:
    """What every user did before the as-of date, mapped from files in the data folder; these are made where missing.

    Where the folder may not be written they are made elsewhere, and go when the program ends.

    Raises:
        DataError: nobody was active in the weeks before the as-of date.
    """
    kept, version = past.dataset.folder / COUNTS, past.dataset.card.version
    with one_maker(kept):
        return _stored(past, kept, kept / f"{past.as_of.isoformat()}-{version}-{FORMAT}")


def _stored(past: Past, kept: Path, folder: Path) -> Stored:
    if folder.is_dir() and not damaged_files(folder, always=True):
        with suppress(OSError):
            os.utime(folder)
        return _read(folder, past)
    try:
        _write(folder, past)
        _drop_others(kept, folder)
    except WorkspaceError:
        with tempfile.TemporaryDirectory(prefix="audience-") as elsewhere:
            _write(Path(elsewhere) / COUNTS, past)
            return _read(Path(elsewhere) / COUNTS, past)  # what is mapped stays until it is let go of
    stored = _read(folder, past)
    if not past.dataset.is_unchanged:  # users were erased meanwhile, and may not stay in it
        shutil.rmtree(folder, ignore_errors=True)
    return stored


def _drop_others(kept: Path, newest: Path) -> None:
    others = [path for path in kept.iterdir() if path != newest and path.is_dir() and not path.name.startswith(".")]
    for path in sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


# --- Writing ---------------------------------------------------------------------------------------


@dataclass
class _Appended:
    """Matrices with the same places that grow by rows; ``close`` gives the places their last number."""

    folder: Path
    name: str
    _open: ExitStack = field(default_factory=ExitStack)
    _files: dict[str, IO[bytes]] = field(default_factory=dict)
    _rows: int = 0
    _entries: int = 0

    def add(self, family: Family) -> None:
        """Append the rows of as many matrices as came before."""
        first = family[0]
        self._write("indptr", (first.indptr[int(self._rows > 0) :].astype(np.int64) + self._entries))
        self._write("indices", first.indices.astype(np.int32))
        for number, matrix in enumerate(family):
            self._write(f"data{number}", matrix.data.astype(np.float32))
        self._rows += first.shape[0]
        self._entries += first.nnz

    def close(self) -> None:
        self._open.close()

    def _write(self, part: str, values: npt.NDArray[np.generic]) -> None:
        if part not in self._files:
            self._files[part] = self._open.enter_context((self.folder / f"{self.name}.{part}").open("wb"))
        self._files[part].write(np.ascontiguousarray(values).data)


def _write(folder: Path, past: Past) -> None:
    population = set(population_of(past))
    users = past.events().select("user_id").unique().sort("user_id").collect(engine="streaming")["user_id"]
    with atomic_folder(folder) as building:
        here = users.is_in(list(population))
        pl.DataFrame({"user_id": users, "in_population": here}).write_parquet(building / "users.parquet")
        source_totals(past).write_parquet(building / "totals.parquet")
        by_item, by_group = _Appended(building, "items"), _Appended(building, "groups")
        by_source = [_Appended(building, f"slots-{k}") for k in range(len(past.dataset.sources))]
        with ExitStack() as files:
            activity, *regular = (files.enter_context((building / name).open("wb")) for name in _dense(past))
            for block in _blocks(past, users, building):
                by_item.add(block.counted.items)
                by_group.add(block.counted.groups)
                for appended, slots in zip(by_source, block.counted.slots, strict=True):
                    appended.add((slots,))
                for file, values in zip((activity, *regular), (block.counted.activity, *block.regularity), strict=True):
                    file.write(np.ascontiguousarray(values, np.float32).data)
        for appended in (by_item, by_group, *by_source):
            appended.close()
        features = _map(building, past)
        everyone = count_all(features)
        structures = Structures.of(everyone.logged, everyone.group_logged, features.in_population)
        save_tensors(structures.tensors(), building / "structure.safetensors")
        write_checksums(building)


def _dense(past: Past) -> list[str]:
    """Files with one row of numbers per user: activity, and then regularity by source."""
    return ["activity.f32", *(f"regularity-{k}.f32" for k in range(len(past.dataset.sources)))]


class _Block(NamedTuple):
    """What was counted of some users."""

    counted: CountedEvents
    regularity: tuple[Matrix, ...]


def _blocks(past: Past, users: pl.Series, beside: Path) -> Iterator[_Block]:
    """Everybody's events, counted for one block of users after the other."""
    if len(users) <= BLOCK:
        yield _count(past, past.events(), users.to_list())
        return
    with scratch_folder(beside / "events") as scratch:
        number = pl.DataFrame({"user_id": users}).with_row_index("block").with_columns(pl.col("block") // BLOCK)
        columns = pl.col("user_id", "time", "source", "item_id", "value")
        past.events().select(columns).join(number.lazy(), on="user_id", maintain_order="left").sink_parquet(
            pl.PartitionBy(scratch, key="block", include_key=False), compression="lz4", mkdir=True
        )
        for block in range(-(-len(users) // BLOCK)):
            events = pl.scan_parquet(scratch / f"block={block}" / "*.parquet")
            yield _count(past, events, users[block * BLOCK : (block + 1) * BLOCK].to_list())


def _count(past: Past, events: pl.LazyFrame, users: list[str]) -> _Block:
    back = reach_of(past).back
    regularity = tuple(read_regularity(past, events, users, source, back) for source in past.dataset.sources)
    return _Block(count_events(past, lines_of(past, events)), regularity)


# --- Reading ---------------------------------------------------------------------------------------


def _read(folder: Path, past: Past) -> Stored:
    tensors, _ = load_tensors(folder / "structure.safetensors")
    return Stored(_map(folder, past), Structures.from_tensors(tensors))


def _map(folder: Path, past: Past) -> UserFeatures:
    users = pl.read_parquet(folder / "users.parquet")
    items, groups = len(past.dataset.items), len(past.dataset.groups)
    counted = CountedEvents(
        items=_family(folder, "items", items),
        groups=_family(folder, "groups", groups),
        slots=tuple(_family(folder, f"slots-{k}", items)[0] for k in range(len(past.dataset.sources))),
        activity=_mapped(folder / "activity.f32", np.float32).reshape(-1, len(ACTIVITY)),
    )
    totals = pl.read_parquet(folder / "totals.parquet")
    _, *regular = _dense(past)
    regularity = tuple(_mapped(folder / name, np.float32).reshape(-1, FEATURES) for name in regular)
    return features_of(past, users["user_id"].to_list(), users["in_population"].to_numpy(), counted, regularity, totals)


def _family(folder: Path, name: str, columns: int) -> Family:
    indptr, indices = _mapped(folder / f"{name}.indptr", np.int64), _mapped(folder / f"{name}.indices", np.int32)
    if indptr[-1] < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)  # both have to be of one kind
    files = sorted(folder.glob(f"{name}.data*"))
    values = (_mapped(path, np.float32) for path in files)
    shape = (len(indptr) - 1, columns)
    return tuple(sp.csr_matrix((data, indices, indptr), shape=shape) for data in values)


def _mapped(path: Path, kind: type[Number]) -> npt.NDArray[Number]:
    """A file as an array; what is changed in it changes no file."""
    return np.memmap(path, kind, "c") if path.stat().st_size else np.zeros(0, kind)
