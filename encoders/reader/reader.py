"""Reads a whole request: the groups and items it means, the entries of the knowledge it speaks of, how sure that is.

The head reads the whole text at once: its clauses one by one only bring in what the chatter is about. Entries that are
spoken of by name add what they stand for; they are mixed with what the head reads, never put in its place.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from encoders.language.naming import stemmed
from encoders.language.text import Matrix, TextEncoder
from encoders.reader.grounding import Table
from encoders.reader.head import Head
from encoders.reader.knowledge import Entry, Phrases
from encoders.reader.targets import Targets
from encoders.reader.texts import meant_by

SURE = 0.85
"""The reading is sure when so much of it goes to what is named."""
NAMED, BESIDE = 0.06, 0.3
"""A thing is named when it has this share, and this much of the greatest one."""
_STANDS_OUT = 2.5
"""The greatest share is so many times what chance would give each thing; else nothing is meant."""
_ASIDE = 0.02
"""What has this share comes next where nothing that is named is meant: many times what chance gives."""
MOST = 8
"""Things that one demand names at most."""
_ENTRY = 0.5
"""How much what the entries stand for counts beside what the head reads."""
_NEAREST = 3


class MeantGroup(BaseModel):
    """A group or a single item that a request means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    """As a demand names it."""
    source: str
    probability: float
    because: str
    """The name of the entry, or the words of the request, that it was found by."""
    single: bool = False
    """It is one item, not a group."""


class Understood(BaseModel):
    """What a request means in this data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[MeantGroup, ...]
    """Best first; none where nothing in the data is near enough."""
    entries: tuple[str, ...]
    """Names of the entries of the knowledge that it speaks of."""
    sure: bool
    """Whether the groups can stand for the request without its own words."""
    beside: tuple[str, ...] = ()
    """What it finds next, beside the groups."""
    nearest: tuple[str, ...] = ()
    """What comes nearest where there are no groups, for saying so."""


class Reader:
    """Reads requests over one data set; safe to use from several threads."""

    def __init__(
        self,
        targets: Targets,
        head: Head,
        encoder: TextEncoder,
        entries: Sequence[Entry],
        table: Table,
        phrases: Phrases,
    ) -> None:
        """Read with a trained head.

        Args:
            targets: what can be meant.
            head: trained on these targets and this encoder.
            encoder: of the requests.
            entries: the knowledge; ``phrases`` finds them in a text.
            table: what the things of the entries are in the data.
            phrases: over ``entries``.
        """
        self.targets, self._head, self._encoder = targets, head, encoder
        self._phrases = phrases
        self._stands_for = {entry.name: meant_by(entry, table, targets) for entry in entries}

    def alone(self) -> "Reader":
        """The same head, with no entry looked up: for finding out what the knowledge is worth."""
        return Reader(self.targets, self._head, self._encoder, (), {}, Phrases(()))

    def read(self, text: str) -> Understood:
        """Read one request."""
        found = [(entry, said) for entry, said in self._phrases.find(text) if self._stands_for[entry.name]]
        shares, by_entry = self.shares(text, [entry for entry, _ in found])
        order: list[int] = np.argsort(-shares, kind="stable")[: MOST + 1].tolist()
        chosen = [n for n in order if n < len(self.targets) and shares[n] >= max(NAMED, BESIDE * shares[order[0]])]
        by_chance = 1.0 / max(1, len(self.targets))
        if shares[-1] >= shares[order[0]] or shares[order[0]] < _STANDS_OUT * by_chance:
            chosen = []
        further = (
            [n for n in order if n < len(self.targets) and shares[n] >= _ASIDE and n not in chosen] if chosen else []
        )
        near = [n for n in order if n < len(self.targets)][:_NEAREST]
        return Understood(
            groups=tuple(self._meant(n, float(shares[n]), by_entry, text) for n in chosen[:MOST]),
            entries=tuple(entry.name for entry, _ in found),
            beside=tuple(self.targets.names[n] for n in further),
            sure=float(shares[chosen].sum()) >= SURE,
            nearest=() if chosen else tuple(self.targets.names[n] for n in near),
        )

    def shares(self, text: str, entries: Sequence[Entry]) -> tuple[Matrix, dict[int, str]]:
        """How much of the request means each thing, and nothing, [T + 1]; and the entries that things come from."""
        shares = self._head.read(self._encoder.encode([text]))[0]
        by_entry: dict[int, str] = {}
        if entries:
            known = np.zeros_like(shares)
            for entry in entries:
                for number, share in self._stands_for[entry.name].items():
                    known[number] += share / len(entries)
                    by_entry.setdefault(number, entry.name)
            shares = (1 - _ENTRY) * shares + _ENTRY * known
        return shares, by_entry

    def _meant(self, number: int, share: float, by_entry: dict[int, str], text: str) -> MeantGroup:
        targets = self.targets
        return MeantGroup(
            group=targets.names[number],
            source=targets.source,
            probability=share,
            because=by_entry.get(number) or _words_for(text, targets.texts[number]),
            single=number >= targets.groups,
        )


def _words_for(text: str, name: str) -> str:
    """The words of a request that a thing shares with it, else the request itself, cut short."""
    own = set(stemmed(name))
    shared = [word for word in text.split() if set(stemmed(word)) & own]
    return " ".join(shared) or (text if len(text) <= 60 else f"{text[:59]}…")
