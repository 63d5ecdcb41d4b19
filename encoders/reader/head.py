"""The head of the reader, and the synthetic texts that it learns from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.reader.knowledge import Entry, Table
from encoders.reader.targets import Targets
from encoders.text.encoders import Matrix

# --- What the head learns from: sentences as marketers type them, around names, things, occasions - and
#     around nothing ---
#
# Frames ("need an audience for {x} by 4pm") come from several independent writers; what stands in them are the names of
# the data, the phrases of the knowledge and situations with the things they stand for, and, as examples of nothing,
# chatter, made-up words and things that other trades sell.


PER_GROUP = 30
"""At most so many texts per group of the data; more change little and take time to embed."""
_NAMES = 4
"""Texts around the name of each group."""
_SITUATIONS = 20
"""At most so many situations per group of the data."""
_BARE = 0.2
"""Share of the texts that stand alone, without a frame."""
_FADING = 0.85
"""How much less a thing of an entry counts than the one before it."""
_OF_THEMSELVES = 8
"""One text in so many comes again from somebody who says what they themselves sell."""
_ASIDES = (
    "we sell {trade}. {x}",
    "{trade} brand here: {x}",
    "{x} - it is for our {trade} client",
    "our shop does {trade}, and we look for people who'd like {x}",
    "{trade} maker, the customers are {x}",
    "for the launch of {trade} we want {x}, you know the type",
)
_SYLLABLES = (
    "ba",
    "dor",
    "fi",
    "gra",
    "kle",
    "lun",
    "mo",
    "nix",
    "plu",
    "quo",
    "rat",
    "sti",
    "tor",
    "ux",
    "vel",
    "zin",
)


class ReaderExample(NamedTuple):
    """A text and the targets that it means, with their shares; none: it means nothing here."""

    text: str
    meant: dict[int, float]


_SITUATION_FILES = {"shop": "situations/shop.jsonl", "film": "situations/film.jsonl"}


class Situation(NamedTuple):
    """What somebody says who means certain things without naming them, and the things, the most telling first."""

    text: str
    things: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """The data-independent part of the texts."""

    frames: tuple[str, ...]
    nothings: tuple[str, ...]
    elsewhere: tuple[str, ...]
    situations: dict[str, tuple[Situation, ...]]
    """By trade ("shop", "film")."""


@lru_cache
def material() -> Material:
    """Read ``prompts/reader``."""
    folder = files("prompts").joinpath("reader")

    def lines(name: str) -> tuple[str, ...]:
        return tuple(line for line in folder.joinpath(name).read_text("utf-8").splitlines() if line.strip())

    situations = {
        trade: tuple(Situation(each["text"], tuple(each["things"])) for each in map(json.loads, lines(name)))
        for trade, name in _SITUATION_FILES.items()
    }
    return Material(lines("frames.txt"), lines("nothings.txt"), lines("elsewhere.txt"), situations)


def meant_by(things: Sequence[str], table: Table, targets: Targets) -> dict[int, float]:
    """The targets that things stand for, with their shares, the most telling first; they sum to one, or are none."""
    found: dict[int, float] = {}
    for place, thing in enumerate(things):
        numbers = targets.numbers(table.get(thing, (thing,)))
        for number in numbers:
            number = number if number < len(targets) else targets.place[targets.group_of[number]]
            found[number] = found.get(number, 0.0) + _FADING**place / len(numbers)
    total = sum(found.values())
    return {number: share / total for number, share in found.items()}


def training_texts(
    entries: Sequence[Entry], situations: Sequence[Situation], table: Table, targets: Targets, seed: int
) -> list[ReaderExample]:
    """The texts of one data set, in an order that ``seed`` decides."""
    random = np.random.default_rng(seed)
    stuff = material()
    names = [(name, {number: 1.0}) for number, name in enumerate(targets.names[: targets.groups])]
    items: dict[str, dict[int, float]] = {}
    for number in range(targets.groups, len(targets.names)):
        meant = number if targets.singles else targets.place[targets.group_of[number]]
        items.setdefault(targets.names[number], {})[meant] = 1.0
    things = [(thing, meant_by([thing], table, targets)) for thing in table]
    said = [(text, meant_by(entry.things, table, targets)) for entry in entries for text in entry.says]
    pairs = [
        (f"{targets.names[one]} {word} {targets.names[other]}", {int(one): 0.5, int(other): 0.5})
        for one, other, word in zip(
            random.integers(targets.groups, size=targets.groups),
            random.integers(targets.groups, size=targets.groups),
            random.choice(["and", "or", "plus", "&", ","], size=targets.groups),
            strict=True,
        )
    ]
    wanted = [*(each for each in (*_evened(items), *things, *said) if each[1])]
    drawn = sorted(wanted, key=lambda each: _draw(seed, each[0]))[: (PER_GROUP - _NAMES - 1) * targets.groups]
    again = [
        ReaderExample(_framed(name, stuff, (seed, turn)), meant) for turn in range(_NAMES) for name, meant in names
    ]
    examples = [*again, *(ReaderExample(_framed(text, stuff, (seed,)), meant) for text, meant in (*pairs, *drawn))]
    examples += _of_nothing(stuff, random, max(40, len(examples) // 6), seed)
    aside = [each._replace(text=_beside_a_trade(each.text, stuff, seed)) for each in examples if _speaks(each, seed)]
    return [*examples, *aside, *_in_situations(situations, table, targets, seed)]


def _in_situations(situations: Sequence[Situation], table: Table, targets: Targets, seed: int) -> list[ReaderExample]:
    """Each situation as it stands and within chatter."""
    known = [ReaderExample(each.text, meant_by(each.things, table, targets)) for each in situations]
    drawn = sorted((each for each in known if each.meant), key=lambda each: _draw(seed, each.text))
    bare = drawn[: _SITUATIONS * targets.groups]
    return [*bare, *(each._replace(text=_framed(each.text, material(), (seed,))) for each in bare)]


def _evened(items: dict[str, dict[int, float]]) -> list[tuple[str, dict[int, float]]]:
    """Names of items with shares over the groups that have an item of the name."""
    return [(name, {group: 1 / len(groups) for group in groups}) for name, groups in sorted(items.items())]


def _draw(*given: object) -> int:
    """A number that these decide, and nothing else: a line more somewhere leaves all other texts as they were."""
    return crc32(" ".join(map(str, given)).encode())


def _framed(text: str, stuff: Material, turn: tuple[int, ...]) -> str:
    drawn = _draw(*turn, text)
    if drawn % 100 < 100 * _BARE:
        return text
    return stuff.frames[drawn // 100 % len(stuff.frames)].replace("{x}", text)


def _speaks(example: ReaderExample, seed: int) -> bool:
    """Whether whoever says this speaks of their own trade as well."""
    return _draw(seed, "trade", example.text) % _OF_THEMSELVES == 0


def _beside_a_trade(text: str, stuff: Material, seed: int) -> str:
    """The same said by somebody who sells what the data knows nothing of: that is not what they want people for."""
    drawn = _draw(seed, "aside", text)
    trade = stuff.elsewhere[drawn % len(stuff.elsewhere)]
    return _ASIDES[drawn // 1000 % len(_ASIDES)].replace("{trade}", trade).replace("{x}", text)


def _of_nothing(stuff: Material, random: np.random.Generator, count: int, seed: int) -> list[ReaderExample]:
    """Chatter alone, made-up words, and what other trades sell."""
    found = [ReaderExample(text, {}) for text in stuff.nothings]
    while len(found) < count:
        made_up = ["".join(random.choice(_SYLLABLES, size=random.integers(2, 4))) for _ in range(random.integers(1, 4))]
        text = " ".join(made_up) if random.random() < 0.3 else str(random.choice(stuff.elsewhere))
        found.append(ReaderExample(_framed(text, stuff, (seed, len(found))), {}))
    return found[:count]


# --- The head: from the vector of a whole request to the things it means, learned from synthetic texts
#     in seconds ---
#
# log p(thing | request) = softmax(bend(vector) + scale * cosine(vector, thing))     with one more place for "nothing"
#
# The cosine knows every name from the start; the bend learns which words of a request carry the wish, and what
# occasions stand for. Several seeds are averaged.


Told = Callable[[float], None]

SEEDS = 3
_HIDDEN = 384
_DROPOUT = 0.3
_EPOCHS = 20
_BATCH = 128
_RATE = 2e-3
_DECAY = 1e-4
_NOISE = 0.1
"""Length of the noise that is added to the unit vectors while learning."""
_SCALE = 10.0
"""Where the scale of the cosines begins."""


class _Member(nn.Module):
    """One seed of the head."""

    def __init__(self, dimension: int, targets: int) -> None:
        super().__init__()
        self.bend = nn.Sequential(
            nn.Linear(dimension, _HIDDEN), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, targets + 1)
        )
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def forward(self, vectors: Tensor, things: Tensor) -> Tensor:
        """Logits [B, T + 1] of vectors [B, D] and things [T, D]; the last is "nothing"."""
        near = functional.pad(self.log_scale.exp() * (vectors @ things.T), (0, 1))
        logits: Tensor = self.bend(vectors) + near
        return logits


class ReaderHead:
    """Several seeds of the same network."""

    def __init__(self, members: Sequence[_Member], things: Tensor) -> None:
        """Read through ``members`` which of ``things`` [T, D] a request means."""
        self._members, self._things = members, things

    @torch.no_grad()
    def read(self, vectors: Matrix) -> Matrix:
        """The probability of each thing, and of nothing, for each request: [B, T + 1] from [B, D]."""
        given = torch.from_numpy(np.ascontiguousarray(vectors))
        shares = [member(given, self._things).softmax(-1) for member in self._members]
        return np.asarray(torch.stack(shares).mean(0).numpy())

    def state(self) -> dict[str, Tensor]:
        """All weights, by name."""
        return {f"{n}.{name}": value for n, member in enumerate(self._members) for name, value in _of(member).items()}

    @classmethod
    def load(cls, state: Mapping[str, Tensor], things: Matrix) -> "ReaderHead":
        """The head with weights from ``state``."""
        members = []
        for number in range(1 + max(int(name.partition(".")[0]) for name in state)):
            own = {name.partition(".")[2]: value for name, value in state.items() if name.startswith(f"{number}.")}
            member = _Member(things.shape[1], len(things))
            member.load_state_dict(own)
            members.append(member.eval())
        return cls(members, torch.from_numpy(things))

    @classmethod
    def fit(
        cls,
        vectors: Matrix,
        examples: Sequence[ReaderExample],
        things: Matrix,
        seed: int,
        told: Told = lambda share: None,
    ) -> "ReaderHead":
        """Learn from examples.

        Args:
            vectors: [B, D] of their texts.
            examples: B texts with what they mean.
            things: [T, D].
            seed: of the first member; the others count on from it.
            told: called all along with the share that is done; where it raises, nothing is learned.
        """
        given, known = torch.from_numpy(vectors), torch.from_numpy(things)
        members = [_fit(given, examples, known, seed + number, partial(_part, told, number)) for number in range(SEEDS)]
        return cls(members, known)


def _part(told: Told, number: int, share: float) -> None:
    """Tell of so much of one member."""
    told((number + share) / SEEDS)


def _of(member: nn.Module) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in member.state_dict().items()}


def _fit(vectors: Tensor, examples: Sequence[ReaderExample], things: Tensor, seed: int, told: Told) -> _Member:
    """One member, trained with a seed that decides everything random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        member = _Member(vectors.shape[1], len(things))
        steps = _EPOCHS * max(1, len(examples) // _BATCH)
        optimiser = torch.optim.AdamW(member.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in range(steps):
            told(step / steps)
            rows = torch.randint(len(examples), (_BATCH,))
            noise = _NOISE * functional.normalize(torch.randn(_BATCH, vectors.shape[1]), dim=-1)
            logits = member(functional.normalize(vectors[rows] + noise, dim=-1), things)
            truth = torch.from_numpy(_truth([examples[row] for row in rows.tolist()], len(things)))
            loss = -(truth * logits.log_softmax(-1)).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return member.eval()


def _truth(examples: Sequence[ReaderExample], targets: int) -> npt.NDArray[np.float32]:
    truth = np.zeros((len(examples), targets + 1), np.float32)
    for row, example in enumerate(examples):
        truth[row, -1] = not example.meant
        for number, share in example.meant.items():
            truth[row, number] = share
    return truth
