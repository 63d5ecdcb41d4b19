"""Grounding words in the data: which items and groups are near them, and how many users did them lately."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.forecast import Forecaster
from encoders.history.events import ACTIVE_DAYS
from tools.disclosure import Disclosure
from tools.types import GroupHit, ItemHit

_BEST_ITEMS = 4


class Search:
    """Items and groups of one forecaster."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Number the groups."""
        self.forecaster = forecaster
        vocabulary = forecaster.scene.vocabulary
        keys = [
            (vocabulary.sources[source], group)
            for source, group in zip(vocabulary.source_of, vocabulary.groups, strict=True)
        ]
        self.groups = sorted(set(keys))
        place = {key: number for number, key in enumerate(self.groups)}
        self._group_of = np.array([place[key] for key in keys], np.int64)
        self._seen = np.flatnonzero(forecaster.scene.histories.seen)

    @cached_property
    def _lately(self) -> sp.csr_matrix:
        """Items users of the population did in the last weeks, [users, V]."""
        done = self.forecaster.done_within(ACTIVE_DAYS)
        return done[self.forecaster.scene.histories.in_population]

    @cached_property
    def item_users(self) -> npt.NDArray[np.int64]:
        """[V], users of the population who did each item lately."""
        return np.asarray(self._lately.getnnz(axis=0), np.int64)

    @cached_property
    def group_users(self) -> npt.NDArray[np.int64]:
        """[G], users of the population who did something of each group lately."""
        return np.asarray((self.by_group(self._lately) > 0).sum(axis=0), np.int64).ravel()

    @cached_property
    def _events(self) -> npt.NDArray[np.int64]:
        past = self.forecaster.scene.histories.past
        counted = past.events(ACTIVE_DAYS).group_by("item_id").len().collect()
        events = np.zeros(len(self._group_of), np.int64)
        events[counted["item_id"].to_numpy()] = counted["len"].to_numpy()
        return events

    def items_of(self, number: int) -> npt.NDArray[np.int64]:
        """The items of a group that users have done, by its place in ``groups``."""
        return np.asarray(self._seen[self._group_of[self._seen] == number], np.int64)

    def by_group(self, done: sp.csr_matrix) -> sp.csr_matrix:
        """Sum the columns of [N, V] by group: [N, groups]."""
        size = len(self._group_of)
        shape = (size, len(self.groups))
        indicator = sp.csr_matrix((np.ones(size, np.float32), (np.arange(size), self._group_of)), shape=shape)
        return sp.csr_matrix(done @ indicator)

    def items(self, words: str, limit: int, disclosure: Disclosure) -> tuple[ItemHit, ...]:
        """Items near ``words``, best first, with counts as they are shown."""
        near = self.forecaster.similar_items(words)
        vocabulary = self.forecaster.scene.vocabulary
        hits = []
        for item in self._seen[np.argsort(-near[self._seen], kind="stable")][:limit]:
            source = vocabulary.sources[vocabulary.source_of[item]]
            users = disclosure.count(int(self.item_users[item]), "item", source, vocabulary.texts[item])
            hits.append(
                ItemHit(
                    text=vocabulary.texts[item],
                    group=vocabulary.groups[item],
                    source=source,
                    similarity=float(near[item]),
                    users=users,
                    events=disclosure.events(int(self._events[item]), users),
                )
            )
        return tuple(hits)

    def group_hits(self, words: str, limit: int, disclosure: Disclosure) -> tuple[GroupHit, ...]:
        """Groups near ``words``, best first, with counts as they are shown; a group is as near as its best item."""
        near = self.forecaster.similar_items(words)
        best = np.full(len(self.groups), -2.0, np.float32)
        np.maximum.at(best, self._group_of[self._seen], near[self._seen])
        known = len(np.unique(self._group_of[self._seen]))
        hits = []
        for number in np.argsort(-best, kind="stable")[: min(limit, known)]:
            members = self.items_of(number)
            texts = members[np.argsort(-near[members], kind="stable")][:_BEST_ITEMS]
            source, group = self.groups[number]
            hits.append(
                GroupHit(
                    group=group,
                    source=source,
                    similarity=float(best[number]),
                    users=disclosure.count(int(self.group_users[number]), lately(source, group)),
                    items=tuple(self.forecaster.scene.vocabulary.texts[item] for item in texts),
                )
            )
        return tuple(hits)

    def common_groups(self, source: str, limit: int) -> tuple[str, ...]:
        """Groups of one source that most users did something of lately."""
        order = [number for number in np.argsort(-self.group_users, kind="stable") if self.group_users[number]]
        return tuple(self.groups[number][1] for number in order if self.groups[number][0] == source)[:limit]


def lately(source: str, group: str) -> str:
    """The key of having done something of a group lately."""
    return f"lately {source} {group}"
