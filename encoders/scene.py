"""Everything the model needs to know of one data set as of one date, without any trained parameter."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from encoders.events import Dataset, Past
from encoders.histories import Histories, read_histories
from encoders.match import Vocabulary, item_structure
from encoders.text import TextEncoder, embed_vocabulary
from encoders.user import UserInputs, attribute_texts, user_inputs
from encoders.workspace import Workspace

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """Users of one as-of date over one vocabulary."""

    histories: Histories
    vocabulary: Vocabulary
    structure: Tensor = field(repr=False)
    """[V, V] item-item structure of the same past."""
    inputs: UserInputs = field(repr=False)

    def of_source(self, source: Rows) -> npt.NDArray[np.bool_]:
        """Whether each item belongs to each of B sources and had been seen by the as-of date, [B, V]."""
        return np.asarray((self.vocabulary.source_of == source[:, None]) & self.histories.seen)

    def counted(
        self, rows: Rows | None = None
    ) -> tuple[tuple[sp.csr_matrix, ...], sp.csr_matrix, Tensor, npt.NDArray[np.bool_]]:
        """Counts, log counts, activity [N, features] and population mask [N] of all users or of some ``rows``."""
        histories = self.histories
        mask = histories.in_population
        activity = histories.activity
        centred = (activity - activity[mask].mean(0)) / (activity[mask].std(0) + 0.05)
        if rows is None:
            return histories.counts, histories.logged, torch.from_numpy(centred), mask
        counts = tuple(matrix[rows] for matrix in histories.counts)
        logged = counts[-1].copy()
        logged.data = np.log1p(logged.data)
        return counts, logged, torch.from_numpy(centred[rows]), mask[rows]


def read_vocabulary(dataset: Dataset, encoder: TextEncoder, workspace: Workspace) -> Vocabulary:
    """Embed the item vocabulary of ``dataset``, or take it from the workspace's cache."""
    items = dataset.items
    main = dataset.card.main_source
    sources = [main, *sorted(set(items["source"]) - {main})]
    texts = items["text"].to_list()
    groups = [group or text for group, text in zip(items["group"].to_list(), texts, strict=True)]
    distinct = sorted(set(groups))
    number = {group: place for place, group in enumerate(distinct)}
    vectors = embed_vocabulary(workspace, encoder, texts)
    group_vectors = embed_vocabulary(workspace, encoder, distinct)
    return Vocabulary(
        texts=texts,
        groups=groups,
        sources=sources,
        source_of=np.array([sources.index(source) for source in items["source"]], np.int64),
        text_vectors=vectors,
        group_vectors=group_vectors[[number[group] for group in groups]],
    )


def read_scene(past: Past, vocabulary: Vocabulary, encoder: TextEncoder) -> Scene:
    """Count, pool and structure everything that happened before the as-of date of ``past``."""
    histories = read_histories(past)
    texts, owned = attribute_texts(past.dataset.users, histories.user_ids)
    dimension = vocabulary.text_vectors.shape[1]
    embedded = encoder.encode(texts) if texts else np.zeros((0, dimension), np.float32)
    sums = np.asarray(owned @ embedded, np.float32)
    attributes = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    inputs = user_inputs(histories, vocabulary.text_vectors, vocabulary.main_items, attributes)
    return Scene(histories, vocabulary, item_structure(histories), inputs)
