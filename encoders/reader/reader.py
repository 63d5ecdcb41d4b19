"""Reads a whole request: the groups and items it means, the entries of the knowledge it speaks of, how sure that is.

The head reads the whole text at once: its clauses one by one only bring in what the chatter is about. Entries that are
spoken of by name add what they stand for; they are mixed with what the head reads, never put in its place.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from encoders.reader.head import ReaderHead, meant_by
from encoders.reader.knowledge import Entry, Phrases, Table, ground_things
from encoders.reader.targets import FoundTitle, Targets
from encoders.records import Record
from encoders.text.encoders import Matrix, TextEncoder, one_by_one
from encoders.text.words import stemmed

SURE = 0.85
"""The reading is sure when so much of it goes to what is named."""
NAMED, BESIDE = 0.06, 0.5
"""A thing is named when it has this share, and this much of the greatest one."""
_BESIDE_OF_ENTRY = 0.3
"""The same for what an entry stands for: a Thanksgiving dinner is turkey as well as what the word dinner brings in."""
OFFERED, CHOICES = 0.02, 4
"""Others are offered beside what is named from this share on, so many at most."""
_NAMED_SINGLE, _BESIDE_SINGLE = 0.04, 0.2
"""The same where single items can be meant, which a request is spread over."""
_GATHERED, _OFTEN, _ONE_OF = 0.12, 4.0, 0.5
"""A group stands for its items when they have this share together, so many times what chance would give such a group,
and none of them has more than this part of it."""
_NOTHING = 0.5
"""Where single items can be meant, a request means nothing here from this share of nothing on."""
_OF_UNKNOWN_WORDS, _CLEAR = 0.5, 0.3
"""A request means nothing here, unless some thing has this share, where so many of its words are said nowhere else."""
_STANDS_OUT = 2.5
"""The greatest share is so many times what chance would give each thing; else nothing is meant."""
MOST = 8
"""Things that one demand names at most."""
_SUPPORT = 0.05
"""An entry counts where the head gives so much to what it stands for: a landlord who sells iced tea wants no linen."""
_ENTRY = 0.5
"""How much what the entries stand for counts beside what the head reads."""
_TITLE = 0.5
"""How much the titles that it names count beside that."""
_WITNESSED = 0.01
"""A title of one word needs this share of what is read without it."""
_NEAREST = 3
_NAME_WORDS = (2, 3, 4, 5)
"""Words of a name that is found as it stands; one word alone says too little."""
_LOOKED_AT = 64


class MeantGroup(Record):
    """A group or a single item that a request means."""

    group: str
    """As a demand names it."""
    source: str
    probability: float
    because: str
    """The name of the entry, or the words of the request, that it was found by."""
    single: bool = False
    """It is one item, not a group."""


class WholeReading(Record):
    """What a request means in this data."""

    groups: tuple[MeantGroup, ...]
    """Best first; none where nothing in the data is near enough."""
    entries: tuple[str, ...]
    """Names of the entries of the knowledge that it speaks of."""
    sure: bool
    """Whether the groups can stand for the request without its own words; with no groups, that nothing is meant."""
    beside: tuple[str, ...] = ()
    """What it may mean as well, best first; not named in the demand."""
    nearest: tuple[str, ...] = ()
    """What comes nearest where there are no groups, for saying so."""


class _Ranked(NamedTuple):
    """A thing that a request may mean."""

    name: str
    number: int
    share: float
    said: str = ""
    """The words of the request that are its title."""


class Reader:
    """Reads requests over one data set; safe to use from several threads."""

    def __init__(
        self,
        targets: Targets,
        head: ReaderHead,
        encoder: TextEncoder,
        entries: Sequence[Entry],
        table: Table,
        phrases: Phrases,
        ordinary: Collection[str] = (),
        said: Collection[str] = (),
    ) -> None:
        """Read with a trained head.

        Args:
            targets: what can be meant.
            head: trained on these targets and this encoder.
            encoder: of the requests.
            entries: the knowledge; ``phrases`` finds them in a text.
            table: what the things of the entries are in the data.
            phrases: over ``entries``.
            ordinary: texts whose words alone are no titles of single items, such as chatter.
            said: texts that, with all others here, have every word that can mean something; none: any can.
        """
        self._ordinary = _words_in(ordinary)
        own = (*targets.texts, *table, *(text for entry in entries for text in (*entry.says, *entry.things)))
        self._said = _words_in((*said, *own)) if said else frozenset()
        self._group = np.array([targets.place[group] for group in targets.group_of[: len(targets)]], np.int64)
        self.targets, self._head, self._encoder = targets, head, encoder
        self._phrases, self._table = phrases, table
        self.entries = tuple(entries)
        """Those that can be spoken of here: others mean nothing in this data."""
        self._stands_for = {entry.name: meant_by(entry.things, table, targets) for entry in entries}

    def stands_for(self, things: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What the things of an entry are in the data, as groups or items by name; none where it has no such thing."""
        unknown = [thing for thing in things if thing not in self._table]
        table = {**self._table, **ground_things(unknown, self.targets, self._encoder)}
        return {
            thing: tuple(self.targets.names[number] for number in meant_by([thing], table, self.targets))
            for thing in things
        }

    def alone(self) -> "Reader":
        """The same head, with no entry looked up: for finding out what the knowledge is worth."""
        return Reader(self.targets, self._head, self._encoder, (), {}, Phrases(()), self._ordinary, self._said)

    def shares(self, text: str) -> Matrix:
        """How much of a text means each thing, and nothing, [T + 1]."""
        head, found = self._heard(text)
        return self._mixed(head, found)[0]

    def called(self, text: str) -> frozenset[int]:
        """The things that a text calls by a name of theirs, in two words or more."""
        words = stemmed(text)
        runs = (words[start : start + length] for length in _NAME_WORDS for start in range(len(words) - length + 1))
        return frozenset(number for run in runs for number in self.targets.called.get(run, ()))

    def read(self, text: str) -> WholeReading:
        """Read one request."""
        head, found = self._heard(text)
        shares, by_entry = self._mixed(head, found)
        titles = self._titles(text, shares)
        ranked = self._ranked(self._with_titles(shares, titles), titles, self._gathered(head, bool(titles)))
        chosen = self._chosen(ranked, float(shares[-1]), self.called(text), by_entry)
        if chosen and chosen[0].share < _CLEAR and self.made_up(text):
            chosen = []
        others = [each.name for each in ranked if each not in chosen and each.share >= OFFERED]
        return WholeReading(
            groups=tuple(self._meant(each, by_entry, text) for each in chosen),
            entries=tuple(entry.name for entry in found),
            sure=(sum(each.share for each in chosen) if chosen else float(shares[-1])) >= SURE,
            beside=tuple(others[:CHOICES]) if chosen else (),
            nearest=() if chosen else tuple(each.name for each in ranked[:_NEAREST]),
        )

    def _chosen(
        self, ranked: Sequence[_Ranked], nothing: float, called: Collection[int], known: Collection[int]
    ) -> list[_Ranked]:
        """What is named of ``ranked``, the greatest share first; none where the request means nothing here."""
        least, beside = (_NAMED_SINGLE, _BESIDE_SINGLE) if self.targets.singles else (NAMED, BESIDE)
        greatest = max((each.share for each in ranked if not each.said), default=0.0)
        by_chance = 1.0 / max(1, len(self.targets))
        if not ranked or ranked[0].share < _STANDS_OUT * by_chance:
            return []
        if nothing >= (_NOTHING if self.targets.singles else greatest) and not ranked[0].said:
            return []
        of_entry = max(least, min(beside, _BESIDE_OF_ENTRY) * greatest)
        bounds = dict.fromkeys(known, of_entry) | dict.fromkeys(called, OFFERED)
        return [each for each in ranked[:MOST] if each.share >= bounds.get(each.number, max(least, beside * greatest))]

    def made_up(self, text: str) -> bool:
        """Whether half of the words of a text are said nowhere else."""
        words = [word for word in stemmed(text) if not word.isdigit()]
        # In other alphabets a word may be a whole clause, or one of endless compounds.
        spelled = [word for word in words if word.isascii()]
        unknown = [word for word in spelled if word not in self._said and word not in self._ordinary]
        return bool(self._said and words) and len(unknown) >= _OF_UNKNOWN_WORDS * len(words)

    def _titles(self, text: str, shares: Matrix) -> list[FoundTitle]:
        """Single items that the request names; by one word ("Dave") only where the head sees them too."""
        if not self.targets.singles:
            return []
        found = self.targets.titles.find(text, self._ordinary)
        return [each for each in found if " " in each.said or shares[list(each.title.items)].sum() >= _WITNESSED]

    def _with_titles(self, shares: Matrix, titles: Sequence[FoundTitle]) -> Matrix:
        """Mix what is named in, as what the entries stand for is."""
        if not titles:
            return shares
        known = np.zeros_like(shares)
        for found in titles:
            known[list(found.title.items)] += 1.0 / len(found.title.items) / len(titles)
        return np.asarray((1 - _TITLE) * shares + _TITLE * known)

    def _ranked(self, shares: Matrix, titles: Sequence[FoundTitle], gathered: Sequence[int]) -> list[_Ranked]:
        """The things that a request may mean, the greatest share first; what goes by one name is one of them."""
        targets, left = self.targets, shares[:-1].copy()
        ranked = []
        for found in titles:
            items = list(found.title.items)
            ranked.append(_Ranked(found.title.name, items[0], float(left[items].sum()), found.said))
            left[items] = 0.0
        for group in gathered:
            members = self._group == group
            ranked.append(_Ranked(targets.names[group], group, float(left[members].sum())))
            left[members] = 0.0
        for number in np.argsort(-left, kind="stable")[:_LOOKED_AT].tolist():
            same = next((n for n, each in enumerate(ranked) if each.name == targets.names[number]), None)
            if same is None:
                ranked.append(_Ranked(targets.names[number], number, float(left[number])))
            else:
                ranked[same] = ranked[same]._replace(share=ranked[same].share + float(left[number]))
        return sorted(ranked, key=lambda each: -each.share)

    def _gathered(self, shares: Matrix, titled: bool) -> list[int]:
        """Groups whose items the head spreads a request over; none where single items are named."""
        targets, groups = self.targets, self.targets.groups
        if titled or not targets.singles:
            return []
        left = shares[:-1]
        together = np.bincount(self._group, weights=left, minlength=groups)
        by_chance = (1.0 - shares[-1]) * np.bincount(self._group[groups:], minlength=groups) / (len(left) - groups)
        found: list[int] = np.flatnonzero(together >= np.maximum(_GATHERED, _OFTEN * by_chance)).tolist()
        single = np.zeros(groups)
        np.maximum.at(single, self._group[groups:], left[groups:])
        return [group for group in found if single[group] <= max(_ONE_OF * together[group], left[group])]

    def _heard(self, text: str) -> tuple[Matrix, list[Entry]]:
        """What the head reads, [T + 1], and the entries that the text speaks of."""
        head = self._head.read(one_by_one(self._encoder).encode([text]))[0]
        return head, [entry for entry, _ in self._phrases.find(text) if self._supported(entry, head)]

    def _supported(self, entry: Entry, head: Matrix) -> bool:
        """Whether the request as a whole is about what one of its phrases stands for; a company's own always are."""
        meant = self._stands_for[entry.name]
        return bool(meant) and (entry.name in self._phrases.own or float(head[list(meant)].sum()) >= _SUPPORT)

    def _mixed(self, shares: Matrix, entries: Sequence[Entry]) -> tuple[Matrix, dict[int, str]]:
        """How much of the request means each thing, and nothing, [T + 1]; and the entries that things come from."""
        by_entry: dict[int, str] = {}
        if entries:
            known = np.zeros_like(shares)
            for entry in entries:
                for number, share in self._stands_for[entry.name].items():
                    known[number] += share / len(entries)
                    by_entry.setdefault(number, entry.name)
            shares = (1 - _ENTRY) * shares + _ENTRY * known
        return shares, by_entry

    def _meant(self, each: _Ranked, by_entry: dict[int, str], text: str) -> MeantGroup:
        targets = self.targets
        return MeantGroup(
            group=each.name,
            source=targets.source,
            probability=each.share,
            because=each.said or by_entry.get(each.number) or _words_for(text, each.name),
            single=each.number >= targets.groups,
        )


def _words_in(texts: Collection[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in stemmed(text))


def _words_for(text: str, name: str) -> str:
    """The words of a request that a thing shares with it, else the request itself, cut short."""
    own = set(stemmed(name))
    shared = [word for word in text.split() if set(stemmed(word)) & own]
    return " ".join(shared) or (text if len(text) <= 60 else f"{text[:59]}…")
