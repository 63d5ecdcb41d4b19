"""A reader for one data set: from the workspace's cache, or trained now, which takes some minutes.

The cache file is named by everything that decides the weights and carries its digest; one that is missing or damaged is
made again. The company's glossary is read anew at every opening: its phrases are found by their words, so nothing has
to be trained for it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
from safetensors import SafetensorError

from encoders.errors import WorkspaceError
from encoders.model.match import ItemVocabulary
from encoders.reader.head import ReaderExample, ReaderHead, material, meant_by, training_texts
from encoders.reader.knowledge import (
    GROUNDED,
    Entry,
    Phrases,
    Table,
    checked_table,
    ground_things,
    read_glossary,
    read_table,
    trades,
    write_table,
)
from encoders.reader.reader import Reader
from encoders.reader.targets import Targets
from encoders.tensors import load_tensors, save_tensors
from encoders.text.encoders import Matrix, TextEncoder
from encoders.text.words import parts_of, stemmed
from encoders.workspace import Progress, Workspace, atomic_file, silent

_FORMAT = 1
"""Counted up when heads of an earlier program cannot be used any more."""
_OF_A_TRADE = 0.1
"""A trade's knowledge is taken where it names such a share of the groups of the data, or they of its things."""
_BATCH = 512
_LEARNING = "Learning to read requests"
_REMARK = "What the things of the knowledge are in this data; change a line and it stays as you wrote it."


def open_reader(
    workspace: Workspace,
    data_name: str,
    vocabulary: ItemVocabulary,
    encoder: TextEncoder,
    seed: int,
    progress: Progress = silent,
) -> Reader:
    """The reader of a data set.

    Args:
        workspace: where its weights and, for own data, ``grounded.toml`` are kept.
        data_name: name of the data set; a built-in one has a checked table.
        vocabulary: its items and groups.
        encoder: the text encoder that ``vocabulary`` was embedded with.
        seed: of everything random.
        progress: told what is being done where it takes a while.

    Raises:
        DataError: the glossary or the grounded table of the workspace cannot be read.
    """
    targets = Targets.of(vocabulary)
    own = read_glossary(workspace.path)
    fitting = [name for name, entries in trades().items() if _fits(entries, targets)]
    ours = [entry for name in fitting for entry in trades()[name]]
    situations = [each for name in fitting for each in material().situations[name]]
    others = [text for entries in trades().values() for entry in entries if entry not in ours for text in entry.says]
    table = dict(checked_table(data_name)) or _table_of(
        workspace, [entry.things for entry in ours] + [each.things for each in situations], targets, encoder, progress
    )
    examples = training_texts(ours, situations, table, targets, seed)
    head = _head(workspace, targets, examples, encoder, seed, progress)
    unknown = sorted({thing for entry in own for thing in entry.things} - set(table))
    table |= ground_things(unknown, targets, encoder)
    known = [entry for entry in (*own, *ours) if meant_by(entry.things, table, targets)]
    ordinary = (*material().frames, *material().nothings, *targets.texts[: targets.groups])
    said = [each.text for told in material().situations.values() for each in told]
    phrases = Phrases(known, ordinary, own)
    return Reader(targets, head, encoder, known, table, phrases, (*ordinary, *others), (*material().elsewhere, *said))


def _fits(entries: Sequence[Entry], targets: Targets) -> bool:
    """Whether a trade's knowledge is about such data at all: films say nothing about groceries."""
    things = {stemmed(thing) for entry in entries for thing in entry.things}
    groups = targets.names[: targets.groups]
    named = [any(stemmed(part) in things for part in (name, *parts_of(name))) for name in groups]
    sold = [thing in targets.called for thing in things]
    return any(sum(found) >= _OF_A_TRADE * max(1, len(found)) for found in (named, sold))


def _table_of(
    workspace: Workspace,
    wanted: Iterable[Sequence[str]],
    targets: Targets,
    encoder: TextEncoder,
    progress: Progress,
) -> dict[str, tuple[str, ...]]:
    """The table of one's own data: lines that are there stay, others are made and written down."""
    path = workspace.path / GROUNDED
    known: Table = read_table(path) if path.is_file() else {}
    missing = sorted({thing for things in wanted for thing in things} - set(known))
    if not missing:
        return dict(known)
    progress("Looking up what things are in this data", None)
    table = {**known, **ground_things(missing, targets, encoder)}
    with suppress(WorkspaceError):  # on a read-only disk it is made again next time
        write_table(path, table, _REMARK)
    return table


def _head(
    workspace: Workspace,
    targets: Targets,
    examples: Sequence[ReaderExample],
    encoder: TextEncoder,
    seed: int,
    progress: Progress,
) -> ReaderHead:
    things = targets.vectors[: len(targets)]
    path = workspace.path / "cache" / f"reader-{_digest(targets, examples, encoder.name, seed)}.safetensors"
    try:
        return ReaderHead.load(load_tensors(path)[0], things)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
        head = _learn(things, examples, encoder, seed, progress)
        with suppress(WorkspaceError), atomic_file(path) as part:
            save_tensors(head.state(), part)
        return head


def _learn(
    things: Matrix, examples: Sequence[ReaderExample], encoder: TextEncoder, seed: int, progress: Progress
) -> ReaderHead:
    texts = [example.text for example in examples]
    pieces = []
    for start in range(0, len(texts), _BATCH):
        pieces.append(encoder.encode(texts[start : start + _BATCH]))
        progress(_LEARNING, 0.8 * min(1.0, (start + _BATCH) / len(texts)))
    return ReaderHead.fit(
        np.concatenate(pieces), examples, things, seed, lambda share: progress(_LEARNING, 0.8 + 0.2 * share)
    )


def _digest(targets: Targets, examples: Sequence[ReaderExample], encoder: str, seed: int) -> str:
    given = [_FORMAT, encoder, seed, targets.texts[: len(targets)], examples]
    return hashlib.sha256(json.dumps(given).encode()).hexdigest()[:20]
