"""Sentences about what users did next that were written ahead, by a language model or by people, and read from a file.

A written label is trusted for one thing only: what its sentence means. The file names items or groups of the data; who
did any of them is counted anew in every training window, so nothing that the file says about a user is learned from.
Nothing written from events on or after the as-of date of a training run is used.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.errors import DataError
from encoders.model.match import ItemVocabulary
from encoders.text.demand import read_demand
from encoders.training.labels import Label

Level = Literal["group", "item"]

LABEL_SCHEMA = pl.Schema(
    {
        "user_id": pl.String(),
        "as_of": pl.Date(),
        "horizon_days": pl.Int32(),
        "style": pl.String(),
        "language": pl.String(),
        "sentence": pl.String(),
        "topics": pl.List(pl.String()),
        "source": pl.String(),
        "level": pl.String(),
        "names": pl.List(pl.String()),
        "without": pl.List(pl.String()),
        "items": pl.List(pl.String()),
        "lines": pl.List(pl.String()),
        "confidence": pl.Float32(),
        "grounded_by": pl.String(),
        "distance": pl.Float32(),
        "hard": pl.Boolean(),
        "model": pl.String(),
        "prompt": pl.String(),
    }
)
"""A row per label. ``names`` are the groups or items (``level``) any of which makes it true, ``items`` the texts of
what the user did with them, ``without`` what they did not do. ``lines`` is what the writer read, ``prompt`` the digest
of what it was told."""

_READ = ("as_of", "horizon_days", "sentence", "source", "level", "names", "without")


@dataclass(frozen=True)
class WrittenLabels:
    """What a training run takes from a file."""

    labels: list[Label]
    left_out: dict[str, int]
    """How many were not taken, by reason."""

    def summary(self) -> dict[str, int]:
        """Counts for the report of a training run."""
        return {"taken": len(self.labels), **self.left_out}


def file_digest(path: Path) -> str:
    """What tells two label files apart.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"The labels in {path} cannot be read ({error.strerror}); write them with 'audience label'."
        ) from error


def read_written(
    path: Path, vocabulary: ItemVocabulary, as_of: date, allowed: npt.NDArray[np.bool_] | None = None
) -> WrittenLabels:
    """Read the labels whose horizons were over by ``as_of``.

    Args:
        path: a Parquet file with at least the columns of ``LABEL_SCHEMA`` that say what a sentence means.
        vocabulary: V items of the data that is trained on.
        as_of: the day that counts as now.
        allowed: [V], items that may be named; None for all. A label about any other is left out.

    Raises:
        DataError: the file is no label file.
    """
    rows = _rows(path)
    by_name = _places(vocabulary)
    number = {source: place for place, source in enumerate(vocabulary.sources)}
    taken: list[Label] = []
    left_out: dict[str, int] = {}
    for end, sentence, source, level, names, without in rows.iter_rows():
        found = [by_name.get((level, number.get(source, -1), name)) for name in names]
        items = np.unique(np.concatenate([each for each in found if each is not None] or [np.zeros(0, np.int64)]))
        reason = ""
        if end > as_of:
            reason = "later"
        elif not names or any(each is None for each in found):
            reason = "unknown names"
        elif allowed is not None and not allowed[items].all():
            reason = "may not be named"
        elif without or len(read_demand(sentence).parts) != 1:
            reason = "of two parts"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            taken.append(Label(sentence, number[source], items))
    return WrittenLabels(taken, left_out)


def _rows(path: Path) -> pl.DataFrame:
    file_digest(path)
    try:
        table = pl.read_parquet(path, columns=list(_READ)).cast({name: LABEL_SCHEMA[name] for name in _READ})
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path} is no label file ({str(error).splitlines()[0]}); write one with 'audience label'."
        ) from error
    end = [day + timedelta(days=days) for day, days in table.select("as_of", "horizon_days").iter_rows()]
    return table.select(pl.Series("end", end, pl.Date()), "sentence", "source", "level", "names", "without")


def _places(vocabulary: ItemVocabulary) -> dict[tuple[str, int, str], npt.NDArray[np.int64]]:
    """The items that a name of a level and source means."""
    places: dict[tuple[str, int, str], list[int]] = {}
    for place, (source, text, group) in enumerate(
        zip(vocabulary.source_of.tolist(), vocabulary.texts, vocabulary.groups, strict=True)
    ):
        places.setdefault(("item", source, text), []).append(place)
        places.setdefault(("group", source, group), []).append(place)
    return {key: np.array(found, np.int64) for key, found in places.items()}
