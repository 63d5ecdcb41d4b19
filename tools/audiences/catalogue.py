"""The catalogue of the data: items and groups near some words, and what a whole request means in it."""

import logging
from contextlib import suppress
from functools import cached_property
from threading import Event, Lock, Thread
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from encoders.data.events import ACTIVE_DAYS, Dataset
from encoders.errors import AudienceError, RequestError
from encoders.model.users import read_vocabulary
from encoders.predictor import Forecaster
from encoders.reader import Reader, WholeReading, open_reader
from encoders.reader.head import material
from encoders.reader.knowledge import checked_table, trades
from encoders.settings import Settings
from encoders.text.encoders import text_encoder
from encoders.text.words import Spelling
from encoders.workspace import Progress, Workspace, silent
from tools.audiences.disclosure import Disclosure
from tools.operation_types import CataloguePage, GroupCard
from tools.types import GroupHit, ItemHit

# --- The catalogue of the data, and search for the items and groups near some words ---------------


_BEST_ITEMS = 4


class CatalogueSearch:
    """Items and groups of one forecaster."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Number the groups."""
        self.forecaster = forecaster
        vocabulary = forecaster.snapshot.vocabulary
        keys = [
            (vocabulary.sources[source], group)
            for source, group in zip(vocabulary.source_of, vocabulary.groups, strict=True)
        ]
        self.groups = sorted(set(keys))
        place = {key: number for number, key in enumerate(self.groups)}
        self._group_of = np.array([place[key] for key in keys], np.int64)
        self._seen = np.flatnonzero(forecaster.snapshot.histories.seen)

    @cached_property
    def _lately(self) -> sp.csr_matrix:
        """Items users of the population did in the last weeks, [users, V]."""
        done = self.forecaster.done_within(ACTIVE_DAYS)
        return done[self.forecaster.snapshot.histories.in_population]

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
        past = self.forecaster.snapshot.histories.past
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
        vocabulary = self.forecaster.snapshot.vocabulary
        hits = []
        for item in self._seen[np.argsort(-near[self._seen], kind="stable")][:limit]:
            source = vocabulary.sources[vocabulary.source_of[item]]
            question = "item", source, vocabulary.texts[item]
            users = disclosure.count(int(self.item_users[item]), *question)
            events = disclosure.total(int(self._events[item]), users, *question)
            hits.append(
                ItemHit(
                    text=vocabulary.texts[item],
                    group=vocabulary.groups[item],
                    source=source,
                    similarity=float(near[item]),
                    users=users,
                    events=None if events is None else int(events),
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
                    items=tuple(self.forecaster.snapshot.vocabulary.texts[item] for item in texts),
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


_EXAMPLES = 8


class Catalogue:
    """Browses one forecaster's items."""

    def __init__(self, search: CatalogueSearch) -> None:
        """Browse what ``search`` finds things in."""
        self._search, self._forecaster = search, search.forecaster

    def browse(self, of: str, page: int, size: int, source: str = "") -> CataloguePage:
        """One page of ``size`` names below ``of``: the sources, the groups of a source, or the items of a group.

        Args:
            of: a source or a group; empty for the sources.
            page: from 0.
            size: names of a page.
            source: of the group, where several have one of that name; else that of the first.

        Raises:
            RequestError: the data has neither such a source nor such a group.
        """
        names = self._names(of.strip(), source)
        start = max(0, page) * size
        return CataloguePage(of=of.strip(), names=names[start : start + size], total=len(names))

    def describe(self, group: str, disclosure: Disclosure, source: str = "") -> GroupCard:
        """What is known of a group; where two sources have one of that name, that of ``source``, or of the first.

        Raises:
            RequestError: the data, or the source, has no such group.
        """
        number = self._number(group, source)
        if number is None:
            raise RequestError(f"There is no group '{group[:60]}' in this data.")
        of, name = self._search.groups[number]
        items = self._search.items_of(number)
        card = next(each for each in self._actions() if each[0] == of)
        gaps = self._gaps(items)
        question = "came back", of, name
        interval = None
        if disclosure.count(gaps["user_id"].n_unique(), *question) is not None:
            interval = disclosure.quantile(
                gaps["gap"].cast(pl.Float64).to_numpy(), 0.5, *question, weights=gaps["weight"].to_numpy()
            )
        return GroupCard(
            group=name,
            source=of,
            action=card[1],
            users=disclosure.count(int(self._search.group_users[number]), lately(of, name)),
            items=self._texts(number)[:_EXAMPLES],
            item_count=len(items),
            interval_days=interval,
        )

    def _names(self, of: str, within: str) -> tuple[str, ...]:
        vocabulary = self._forecaster.snapshot.vocabulary
        if not of:
            return tuple(vocabulary.sources)
        source = next((each for each in vocabulary.sources if each.lower() == of.lower() and not within), None)
        number = self._number(of, within)
        if source is None and number is None:
            raise RequestError(f"There is no source or group '{of[:60]}' in this data.")
        if number is not None and source is None:
            return self._texts(number)
        return self._search.common_groups(str(source), len(self._search.groups))

    def _number(self, group: str, source: str) -> int | None:
        """The number of a group by its name, in any case, and by its source where one is named."""
        named, within = group.strip().lower(), source.strip().lower()
        found = [
            number
            for number, (of, name) in enumerate(self._search.groups)
            if name.lower() == named and within in ("", of.lower())
        ]
        main = self._forecaster.dataset.card.main_source
        return next((each for each in found if self._search.groups[each][0] == main), found[0] if found else None)

    def _texts(self, number: int) -> tuple[str, ...]:
        """The items of a group, those of most users first."""
        items, users = self._search.items_of(number), self._search.item_users
        texts = self._forecaster.snapshot.vocabulary.texts
        return tuple(texts[item] for item in items[np.argsort(-users[items], kind="stable")])

    def _actions(self) -> list[tuple[str, str]]:
        """Each source with what users do there."""
        past = self._forecaster.snapshot.histories.past
        found = past.events().group_by("source").agg(pl.col("action").min()).collect()
        return [(str(source), str(action)) for source, action in found.iter_rows()]

    def _gaps(self, items: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Days between two days of one user, ``gap``, with what each weighs: those of one user together 1."""
        past = self._forecaster.snapshot.histories.past
        return (
            past.events(4 * ACTIVE_DAYS)
            .filter(pl.col("item_id").is_in(items.tolist()))
            .select("user_id", day=pl.col("time").dt.date())
            .unique()
            .sort("user_id", "day")
            .with_columns(gap=pl.col("day").diff().over("user_id").dt.total_days())
            .drop_nulls("gap")
            .with_columns(weight=1 / pl.len().over("user_id"))
            .collect()
        )


# --- What a whole request means in the data: the reader behind a service, opened when it is first needed
#
# A server opens it in the background instead: nobody waits while it is learned, and what is asked meanwhile is read
# without it.


log = logging.getLogger(__name__)

LOADING_SECONDS = 5.0
"""A request waits so long for a reader that is loaded, which takes a second or two; not for one that is learned."""


class Learning(NamedTuple):
    """What is done so that requests can be read as a whole."""

    doing: str
    share: float | None
    """How much of it is done; None: not known, as while a reader that is there is loaded."""


class _Stopped(Exception):
    """Nobody needs the reader any more."""


def learn_to_read(workspace: Workspace, settings: Settings, progress: Progress) -> None:
    """Have the reader of the current data in the workspace's cache, so that no first request waits for it.

    Raises:
        DataError: there is no data, or the glossary of the workspace cannot be read.
    """
    dataset, encoder = Dataset.current(workspace), text_encoder(settings.text_encoder)
    vocabulary = read_vocabulary(dataset, encoder, workspace)
    open_reader(workspace, dataset.card.name, vocabulary, encoder, settings.seed, progress)


def _at_once(description: str, fraction: float | None = None, /) -> None:
    """Whatever is told of takes a while."""
    raise _Stopped


class ReaderService:
    """One reader for everybody who uses a service; safe to use from several threads."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster, seed: int) -> None:
        """Read requests over the data of ``forecaster``; nothing is opened yet."""
        self._workspace, self._forecaster, self._seed = workspace, forecaster, seed
        self._reader: Reader | None = None
        self._lock = Lock()
        self._worker: Thread | None = None
        self._stop = Event()
        self._renewing = False
        self.learning: Learning | None = None
        """What is done in the background; None: nothing, or not any more."""

    def begin(self) -> None:
        """Open the reader in the background, once."""
        if self._worker is None:
            self.learning = Learning("Opening the reader of requests", None)
            self._worker = Thread(target=self._learn, name="reader", daemon=True)
            self._worker.start()

    def close(self) -> None:
        """Stop learning; what was learned so far is lost."""
        self._stop.set()
        if self._worker is not None:
            self._worker.join()

    def open(self, progress: Progress = silent) -> Reader:
        """The reader; where the workspace has none yet it is trained now, which takes some minutes.

        Raises:
            DataError: the glossary of the workspace cannot be read; the text says what is wrong with it.
        """
        with self._lock:
            if self._reader is None:
                forecaster = self._forecaster
                name, vocabulary = forecaster.dataset.card.name, forecaster.snapshot.vocabulary
                encoder = text_encoder(forecaster.model.config.text_encoder)
                self._reader = open_reader(self._workspace, name, vocabulary, encoder, self._seed, progress)
                forecaster.read_with(self._reader)
            return self._reader

    def opened(self) -> Reader | None:
        """The reader; None while it is being learned in the background. Raises like ``open``."""
        if self._worker is not None and self.learning is not None and self.learning.share is None:
            self._worker.join(LOADING_SECONDS)
        return None if self.learning is not None else self.open()

    def renew(self) -> None:
        """Read with the glossary as it is now; nothing is trained for it. Raises like ``open``.

        One that is being learned in the background is renewed when it is ready, as it may have read the one before.
        """
        if self.learning is not None:
            self._renewing = True
            return
        with self._lock:
            there, self._reader = self._reader, None
        if there is not None:
            try:
                self.open()
            except AudienceError:
                self._reader = there
                raise

    def load(self) -> None:
        """Have the reader at once where the workspace has it already, so that forecasts are the same from the start."""
        with suppress(_Stopped, AudienceError):  # whoever has a request read is told what is wrong
            self.open(_at_once)

    def read(self, text: str) -> WholeReading | None:
        """Read one request; None while the reader is being learned in the background. Raises like ``open``."""
        reader = self.opened()
        return reader.read(self.spelled(text)) if reader else None

    def spelled(self, text: str) -> str:
        """The text with its mistyped words put right by those of the data and of the knowledge."""
        return self._spelling.corrected(text)

    @cached_property
    def _spelling(self) -> Spelling:
        vocabulary, stuff = self._forecaster.snapshot.vocabulary, material()
        entries = [entry for each in trades().values() for entry in each]
        known = [text for entry in entries for text in (*entry.says, *entry.things)]
        return Spelling(
            [*vocabulary.groups, *vocabulary.texts, *checked_table(self._forecaster.dataset.card.name), *known],
            [*stuff.frames, *stuff.nothings, *stuff.elsewhere],
        )

    def _learn(self) -> None:
        try:
            self.open(self._tell)
            if self._renewing:
                self._reader = None
                self.open(self._tell)
        except _Stopped:
            pass
        except AudienceError as error:
            log.warning("Whole requests cannot be read: %s", error)  # whoever makes one is told, too
        except Exception:
            log.exception("The reader of requests could not be opened.")
        finally:
            self.learning = None

    def _tell(self, description: str, fraction: float | None = None, /) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.learning = Learning(description, fraction)
