"""Which groups the words of a demand mean, and how sure that is of each.

Two voices are heard: the reader, which has learned what people say for what, and the text encoder, which knows what is
near. A logistic model over both says how likely each group is meant. ``python -m benchmarks.wild --fit`` fits it on
sentences whose meaning is known, on as-of dates up to 2017-09-01; dev/LOG.md has what else was tried.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from encoders.text.encoders import Matrix

Vector = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

WEIGHTS = (0.54, 1.07, 0.54, -6.3, 2.6)
"""Of the ``features``."""
INTERCEPT = -0.2
MEANT = 0.5
"""A group is meant from this probability on."""
_SOME = 0.2
"""Where none is, the likeliest one is, from this probability on."""
_SURE = 0.9
"""One of several alternatives is read by itself where it is as sure as that."""
_FAINT, _CLEAR = 0.3, 0.3
"""Where they come nowhere nearer than this, the reader must give some group so much."""
_POSSIBLE = 0.05
"""What is less likely than this takes no part."""
_SHARE, _BEHIND = 0.01, 0.1
"""Nor does what has a smaller share of the reader and is further behind the nearest group (a cosine)."""
_FLOOR = 1e-4
_DRAWS = 64


class Heard(NamedTuple):
    """What a text brings in, of G groups."""

    shares: Matrix
    """[G]: of the reader."""
    called: npt.NDArray[np.bool_]
    """[G]: those it calls by a name of theirs."""
    near_group: Matrix
    """[G]: cosines with their names."""
    near_item: Matrix
    """[G]: cosines with the nearest item of each."""
    made_up: bool = False
    """Half of its words are said nowhere else."""

    @property
    def is_strange(self) -> bool:
        """Whether its words are made up, nothing in the data is near, and the reader takes it for anything."""
        near = max(self.near_group.max(initial=0.0), self.near_item.max(initial=0.0))
        return bool(self.made_up and near < _FAINT and self.shares.max(initial=0.0) < _CLEAR)


def features(heard: Heard) -> Vector:
    """[G, 5]: the share, how it stands beside the greatest one, the name, and both cosines."""
    share = heard.shares.astype(np.float64)
    behind = heard.near_group.max() - heard.near_group
    columns = [np.log(share + _FLOOR), share / max(share.max(), _FLOOR), heard.called, behind, heard.near_item]
    return np.stack(columns, axis=-1).astype(np.float64)


def candidates(heard: Heard) -> npt.NDArray[np.bool_]:
    """[G]: what may be meant at all."""
    near = heard.near_group >= heard.near_group.max() - _BEHIND
    return np.asarray((heard.shares >= _SHARE) | near | heard.called)


def chances(heard: Heard) -> Vector:
    """How likely each of G groups is meant, [G]."""
    likely = expit(features(heard) @ np.array(WEIGHTS) + INTERCEPT)
    return np.where(candidates(heard) & (not heard.is_strange), likely, 0.0)


class Meaning(NamedTuple):
    """What a text means, of G groups."""

    chances: Vector
    """[G]: how likely each is meant."""
    members: list[Numbers]
    """[G]: the items that are meant of each; all of them where the text names none."""
    alone: tuple[int, ...] = ()
    """Which of its phrases are as surely meant by themselves."""
    by_name: bool = False
    """All its phrases are names of the data."""

    @property
    def meant(self) -> Numbers:
        """The groups that it is read as, likeliest first; none where nothing is likely enough."""
        order = np.argsort(-self.chances, kind="stable")
        least = MEANT if self.chances.max(initial=0.0) >= MEANT else self.chances.max(initial=0.0)
        return np.asarray(order[self.chances[order] >= max(least, _SOME)], np.int64)

    @property
    def sure(self) -> bool:
        """Whether it is more likely than not that some group is meant."""
        return bool(self.chances.max(initial=0.0) >= MEANT)

    @property
    def items(self) -> Numbers:
        """The items that it is read as, those of the likeliest group first."""
        return np.concatenate([np.zeros(0, np.int64), *(self.members[number] for number in self.meant)])

    @property
    def possible(self) -> Numbers:
        """Those that it may mean."""
        return np.flatnonzero(self.chances >= _POSSIBLE)

    @property
    def others(self) -> Numbers:
        """Those of them that it is not read as, likeliest first."""
        order = self.possible[np.argsort(-self.chances[self.possible], kind="stable")]
        return np.asarray(order[~np.isin(order, self.meant)], np.int64)

    def misread(self, did: Callable[[Numbers], npt.NDArray[np.bool_]]) -> float:
        """How far off the number of responders may be since other groups may be meant: of its log, the deviation.

        Args:
            did: says who of some users did something with any of some items lately, [N].
        """
        possible = self.possible
        doers = np.stack([did(self.members[number]) for number in possible], axis=1)
        drawn = np.random.default_rng(0).random((_DRAWS, len(possible))) < self.chances[possible]
        drawn = drawn[drawn.any(axis=1)]
        read = doers[:, np.isin(possible, self.meant)].any(axis=1).sum() + 0.5
        sizes = (doers.astype(np.float32) @ drawn.T.astype(np.float32) > 0).sum(axis=0) + 0.5
        return float(np.sqrt(np.mean(np.log(sizes / read) ** 2))) if len(drawn) else 0.0


def meaning_of(
    whole: Heard,
    alternatives: Sequence[Heard | None],
    named: Numbers,
    of_name: Mapping[int, Numbers],
    sure: bool,
    members: Sequence[Numbers],
) -> Meaning:
    """What a part of a demand means.

    Args:
        whole: the part as a whole, in its sentence.
        alternatives: what it is made of, where that is several phrases; None for one that names something of the data.
        named: the groups that those name.
        of_name: of some groups, the items that go by a name it uses.
        sure: that name has two words or more, so that it speaks for itself.
        members: [G], all items of each group that were done before; a group without any is not meant.
    """
    found = chances(whole)
    by_themselves = [chances(each) if each else None for each in alternatives]
    alone = [number for number, each in enumerate(by_themselves) if each is None or each.max(initial=0.0) >= _SURE]
    found = np.max([found, *(each for number in alone if (each := by_themselves[number]) is not None)], axis=0)
    found = np.where([len(items) > 0 for items in members], found, 0.0)
    found[named] = 1.0
    meant = list(members)
    for group, items in of_name.items():
        found[group] = 1.0 if sure else found[group]
        meant[group] = items if found[group] >= MEANT else meant[group]
    return Meaning(found, meant, tuple(alone))
