"""Everything the model needs to know of one data set as of one date, without any trained parameter."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.data.events import Dataset, Past
from encoders.features.histories import (
    HALF_LIVES,
    Counted,
    Rows,
    UserFeatures,
    count_all,
    count_some,
    read_user_features,
)
from encoders.features.structure import Factors, Structure, ease, factors
from encoders.model.match import ItemVocabulary
from encoders.model.user import UserInputs, attribute_texts, split_by_source
from encoders.text.encoders import TextEncoder, embed_vocabulary
from encoders.workspace import Workspace

_LATELY = HALF_LIVES.index(90.0)
_ITEM_PENALTY = 300.0
_GROUP_PENALTIES = (1000.0, 500.0)


@dataclass(frozen=True)
class FeatureSnapshot:
    """Users of one as-of date over one vocabulary."""

    histories: UserFeatures
    vocabulary: ItemVocabulary
    structure: Structure = field(repr=False)
    """What goes together among items."""
    group_structures: tuple[Structure, Structure] = field(repr=False)
    """What goes together among groups, ever and lately."""
    directions: Factors = field(repr=False)
    """Main directions of what users do."""
    inputs: UserInputs = field(repr=False)

    @cached_property
    def everyone(self) -> Counted:
        """The counts of all users, as the match multiplies with them."""
        return count_all(self.histories)

    def counted(self, rows: Rows | None = None) -> Counted:
        """The counts of all users, or of some ``rows``."""
        return self.everyone if rows is None else count_some(self.everyone, rows)

    def activity(self, rows: Rows | None = None) -> Tensor:
        """Standardised activity of all users, or of some ``rows``: [N, len(ACTIVITY)]."""
        return torch.from_numpy(self.inputs.activity if rows is None else self.inputs.activity[rows])

    def source_totals(self, source: Rows, rows: Rows | None = None) -> Tensor:
        """How much users did in the sources that B demands speak of, lately and ever, as logarithms: [N, B, 2].

        Zero for the main source: the activity says it already.
        """
        totals = self._source_totals if rows is None else self._source_totals[rows]
        return torch.from_numpy(totals[:, source])

    @cached_property
    def _source_totals(self) -> npt.NDArray[np.float32]:
        """The same of all users and sources, [N, S, 2]."""
        vocabulary, counts = self.vocabulary, self.histories.counts
        of_source = np.eye(len(vocabulary.sources), dtype=np.float32)[vocabulary.source_of]
        of_source[:, 0] = 0.0
        return np.asarray(np.log1p(np.stack([counts[_LATELY] @ of_source, counts[-1] @ of_source], axis=-1)))

    def in_population(self, rows: Rows | None = None) -> npt.NDArray[np.bool_]:
        """Which of all users, or of some ``rows``, are in the population: [N]."""
        mask = self.histories.in_population
        return mask if rows is None else mask[rows]

    def of_source(self, source: Rows) -> npt.NDArray[np.bool_]:
        """Whether each item belongs to each of B sources and had been seen by the as-of date, [B, V]."""
        return np.asarray((self.vocabulary.source_of == source[:, None]) & self.histories.seen)

    def groups_of_source(self, source: Rows) -> npt.NDArray[np.bool_]:
        """Whether each group belongs to each of B sources and had been seen by the as-of date, [B, G]."""
        return np.asarray((self.vocabulary.source_of_group == source[:, None]) & self.histories.seen_groups)


def read_vocabulary(dataset: Dataset, encoder: TextEncoder, workspace: Workspace) -> ItemVocabulary:
    """Embed the item vocabulary of ``dataset``, or take it from the workspace's cache."""
    items, groups = dataset.items, dataset.groups
    main = dataset.card.main_source
    sources = [main, *sorted(set(items["source"]) - {main})]
    number = {source: place for place, source in enumerate(sources)}
    texts = items["text"].to_list()
    names = groups["group"].to_list()
    return ItemVocabulary(
        texts=texts,
        groups=[names[group] for group in dataset.group_of],
        sources=sources,
        source_of=np.array([number[source] for source in items["source"]], np.int64),
        group_of=dataset.group_of,
        source_of_group=np.array([number[source] for source in groups["source"]], np.int64),
        text_vectors=embed_vocabulary(workspace, encoder, texts),
        group_vectors=embed_vocabulary(workspace, encoder, names),
    )


def read_snapshot(past: Past, vocabulary: ItemVocabulary, encoder: TextEncoder) -> FeatureSnapshot:
    """Count and structure everything that happened before the as-of date of ``past``."""
    histories = read_user_features(past)
    here = histories.in_population
    everyone = count_all(histories)
    texts, attributes = attribute_texts(past.dataset.users, histories.user_ids)
    activity = histories.activity
    inputs = UserInputs(
        slots=split_by_source(histories.slots, vocabulary.source_of, len(vocabulary.sources)),
        attributes=attributes,
        attribute_vectors=encoder.encode(texts),
        activity=(activity - activity[here].mean(0)) / (activity[here].std(0) + 0.05),
    )
    ever, lately = (
        ease(logged, here, penalty) for logged, penalty in zip(everyone.group_logged, _GROUP_PENALTIES, strict=True)
    )
    return FeatureSnapshot(
        histories=histories,
        vocabulary=vocabulary,
        structure=ease(everyone.logged, here, _ITEM_PENALTY),
        group_structures=(ever, lately),
        directions=factors(everyone.logged),
        inputs=inputs,
    )
