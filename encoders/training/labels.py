"""Examples to learn from: windows of the calendar, and sentences about what users did next."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from encoders.data.events import HORIZON_DAYS, DatasetCard, Past
from encoders.errors import DataError
from encoders.features.counts import done_in
from encoders.model.dual import EncodedParts, encode_parts
from encoders.model.match import ItemVocabulary
from encoders.model.users import FeatureSnapshot, read_snapshot
from encoders.text.demand import read_demand
from encoders.text.encoders import TextEncoder
from encoders.workspace import Progress, silent
from prompts.loader import table

# --- Labels: sentences about what users did next, from templates, blurred, and written ahead ------


_OTHER = (0.2, 1.0)
"""Bounds of the weight of the other sentence; at 1 both count alike."""
_NOISE = (0.0, 1.5)
"""Bounds of the length of the random direction."""


def blurred(parts: EncodedParts, rng: np.random.Generator, share: float = 1.0, strength: float = 1.0) -> EncodedParts:
    """The same parts, a ``share`` of them blurred, at ``strength`` times the usual weights."""
    count = len(parts)
    chosen = rng.random((count, 1)) < share
    weight, length = (strength * chosen * rng.uniform(*bounds, (count, 1)) for bounds in (_OTHER, _NOISE))
    direction = rng.standard_normal(parts.sentences.shape)
    direction *= length / np.linalg.norm(direction, axis=1, keepdims=True)
    other = parts.sentences[torch.from_numpy(rng.integers(0, count, count))]
    added = torch.from_numpy(weight.astype(np.float32)) * other + torch.from_numpy(direction.astype(np.float32))

    def mixed(vectors: Tensor, more: Tensor) -> Tensor:
        return functional.normalize(vectors + more, dim=-1)

    return replace(parts, phrases=mixed(parts.phrases, added[parts.owner]), sentences=mixed(parts.sentences, added))


def joined(first: EncodedParts, second: EncodedParts) -> EncodedParts:
    """The parts of both, one after the other."""
    return EncodedParts(
        torch.cat([first.phrases, second.phrases]),
        torch.cat([first.owner, second.owner + len(first)]),
        torch.cat([first.sentences, second.sentences]),
        np.concatenate([first.source, second.source]),
    )


_ALTERNATIVES = (0.75, 0.18, 0.07)
"""How often a label names one, two or three things."""
_BY_GROUP = 0.6
"""How often a thing is named by its group instead of its own text."""


@dataclass(frozen=True)
class Label:
    """One sentence, and the items any of which makes it true."""

    sentence: str
    source: int
    items: npt.NDArray[np.int64]


class LabelWriter:
    """Writes labels for one vocabulary."""

    def __init__(
        self,
        vocabulary: ItemVocabulary,
        card: DatasetCard,
        allowed: npt.NDArray[np.bool_] | None = None,
        written: Sequence[Label] = (),
        share: float = 0.5,
    ) -> None:
        """Prepare to write.

        Args:
            vocabulary: V items.
            card: says how a sentence about each source is worded.
            allowed: [V], items that may be named; None for all. A benchmark withholds some.
            written: sentences that were written ahead.
            share: of all labels, how many of those there are at most; at 1 there are no templates.
        """
        self.vocabulary = vocabulary
        self.card = card
        self.written, self.share = list(written), share if written else 0.0
        spoken_of = np.array([source == card.main_source or source in card.wordings for source in vocabulary.sources])
        self.allowed = spoken_of[vocabulary.source_of] & (True if allowed is None else allowed)
        keys = [(int(s), g) for s, g in zip(vocabulary.source_of, vocabulary.groups, strict=True)]
        names = sorted(set(keys))
        place = {key: number for number, key in enumerate(names)}
        self.group_of = np.array([place[key] for key in keys], np.int64)
        order = np.argsort(self.group_of, kind="stable")
        self.members = np.split(order, np.cumsum(np.bincount(self.group_of, minlength=len(names)))[:-1])

    def write(self, done: sp.csr_matrix, count: int, rng: np.random.Generator) -> list[Label]:
        """Write ``count`` labels about what users did; fewer where templates are not wanted and no more came true.

        Args:
            done: [N, V], ones where a user did something with an item in the horizon.
            count: how many.
            rng: the only source of chance.
        """
        drawn = self._draw(done, round(count * self.share), rng) if self.written else []
        return drawn if self.share == 1.0 else [*drawn, *self._from_templates(done, count - len(drawn), rng)]

    def _draw(self, done: sp.csr_matrix, most: int, rng: np.random.Generator) -> list[Label]:
        """At most so many of the sentences written ahead, each of which came true for somebody."""
        true = np.flatnonzero(came_true(self.written, done).any(axis=0))
        return [self.written[place] for place in rng.choice(true, min(most, len(true)), replace=False)]

    def _from_templates(self, done: sp.csr_matrix, count: int, rng: np.random.Generator) -> list[Label]:
        kept = sp.csr_matrix(done.multiply(self.allowed[None, :]))
        kept.eliminate_zeros()
        of_source = np.eye(len(self.vocabulary.sources), dtype=np.float32)[self.vocabulary.source_of]
        did = np.asarray(kept @ of_source)
        share = np.sqrt(did.sum(0))
        if not share.any():
            return []
        popularity = np.sqrt(1.0 + np.asarray(kept.sum(axis=0)).ravel())
        sources = rng.choice(len(share), count, p=share / share.sum())
        users = [np.flatnonzero(column) for column in did.T]
        return [self._one(kept, int(rng.choice(users[source])), int(source), popularity, rng) for source in sources]

    def groups(self) -> list[Label]:
        """One plainly worded label per group that may be named."""
        vocabulary = self.vocabulary
        made = []
        for members in self.members:
            if self.allowed[members].all():
                source = int(vocabulary.source_of[members[0]])
                sentence = self._sentence(source, vocabulary.groups[members[0]], None)
                made.append(Label(sentence, source, members))
        return made

    def _one(
        self, done: sp.csr_matrix, user: int, source: int, popularity: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> Label:
        mine = done.indices[done.indptr[user] : done.indptr[user + 1]].astype(np.int64)
        mine = mine[self.vocabulary.source_of[mine] == source]
        weights = 1.0 / popularity[mine]
        wanted = int(rng.choice(len(_ALTERNATIVES), p=_ALTERNATIVES)) + 1
        chosen = rng.choice(mine, min(wanted, len(mine)), replace=False, p=weights / weights.sum())
        phrases, items = [], []
        for item in chosen:
            group = self.members[self.group_of[item]]
            by_group = rng.random() < _BY_GROUP and self.allowed[group].all()
            phrases.append(self.vocabulary.groups[item] if by_group else self.vocabulary.texts[item])
            items.append(group if by_group else np.array([item]))
        sentence = self._sentence(source, " or ".join(dict.fromkeys(phrases)), rng)
        return Label(sentence, source, np.unique(np.concatenate(items)))

    def _sentence(self, source: int, items: str, rng: np.random.Generator | None) -> str:
        templates: list[str] = table("labels")["main" if source == 0 else "other"]
        template = templates[0] if rng is None else templates[int(rng.integers(len(templates)))]
        wording = self.card.wordings.get(self.vocabulary.sources[source], "do {items}").format(items=items)
        units = self.card.unit_plural
        return Template(template).substitute(units=units, wording=wording, items=items, days=HORIZON_DAYS)


def came_true(labels: list[Label], done: sp.csr_matrix) -> npt.NDArray[np.bool_]:
    """Whether each of N users did what each label says, [N, labels]."""
    rows = np.concatenate([label.items for label in labels])
    columns = np.repeat(np.arange(len(labels)), [len(label.items) for label in labels])
    indicator = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(done.shape[1], len(labels)))
    return np.asarray((done @ indicator).toarray() > 0)


# --- Windows of the calendar as examples to learn from --------------------------------------------


@dataclass(frozen=True)
class TrainingExample:
    """One window: who was there before, and what they did after."""

    snapshot: FeatureSnapshot
    done: sp.csr_matrix
    """[N, V]"""


def read_examples(
    past: Past, vocabulary: ItemVocabulary, encoder: TextEncoder, count: int, progress: Progress = silent
) -> list[TrainingExample]:
    """At most ``count`` windows that had ended by the date of ``past``, latest first.

    Raises:
        DataError: there are fewer than two.
    """
    windows = list(past.windows(count=count))
    if len(windows) < 2:
        raise DataError(
            f"There is too little history before {past.as_of} to learn from: at least 12 weeks are needed after "
            f"{past.dataset.card.first}. Choose a later as-of date."
        )
    examples = []
    for number, window in enumerate(windows):
        progress(f"Reading what was known on {window.past.as_of}", number / len(windows))
        snapshot = read_snapshot(window.past, vocabulary, encoder)
        examples.append(
            TrainingExample(snapshot, done_in(window.future, snapshot.histories.user_ids, len(vocabulary.texts)))
        )
    return examples


def encode_labels(encoder: TextEncoder, labels: list[Label]) -> tuple[EncodedParts, list[Label]]:
    """Embed labels. A wording that happens to read as two demands at once is dropped."""
    read = [(label, read_demand(label.sentence)) for label in labels]
    single = [(label, demand) for label, demand in read if len(demand.parts) == 1]
    parts, _ = encode_parts(encoder, [demand for _, demand in single], [label.source for label, _ in single])
    return parts, [label for label, _ in single]


# --- Sentences about what users did next that were written ahead, by a language model or by people, and
#     read from a file ---
#
# A written label is trusted for one thing only: what its sentence means. The file names items or groups of the data;
# who did any of them is counted anew in every training window, so nothing that the file says about a user is learned
# from. Nothing written from events on or after the as-of date of a training run is used.


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
