"""How well messages are read: intents, things wanted and left out, people, past, times and numbers, by language.

A file holds one labelled message a line: id, language, stage ("fresh", "draft", "question"), text, options, intent,
wants, excluded, people, past, ahead_days, users, percent. What is not a fresh message is read in the language of its
talk, as in a conversation.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.reading.intents import Stage
from agent.reading.message import ParsedMessage
from agent.reading.parse import parse
from encoders.errors import RequestError
from encoders.records import Record
from tools.types import DataCard, FieldCard, SourceCard, ValueCount

_FIELDS: dict[str, tuple[str, ...]] = {
    "age": ("19-24", "25-34", "35-44", "45-54", "55-64", "65 or older"),
    "income": ("under $15,000", "$15,000-24,999", "$35,000-49,999", "$75,000-99,999", "$150,000-174,999"),
    "home ownership": ("homeowner", "probable homeowner", "renter", "probable renter"),
    "marital status": ("married", "unmarried"),
    "household size": ("1 person", "2 people", "3 people", "4 people", "5 or more people"),
    "kids": ("no kids", "1 kid", "2 kids", "3 or more kids"),
}

CARD = DataCard(
    title="A shop",
    note="",
    unit="household",
    unit_plural="households",
    population=2_000,
    as_of=date(2017, 10, 1),
    horizon_days=28,
    sources=tuple(
        SourceCard(
            source=source,
            actions=(action,),
            events=1_000,
            users=1_000,
            items=100,
            first=date(2017, 1, 1),
            last=date(2017, 9, 30),
            wording=wording,
            valued=source == "purchases",
        )
        for source, action, wording in (
            ("purchases", "buy", "buy {items}"),
            ("coupons", "redeem", "redeem a coupon for {items}"),
        )
    ),
    fields=tuple(
        FieldCard(field=field, values=tuple(ValueCount(value=each, users=100) for each in values), unknown=100)
        for field, values in _FIELDS.items()
    ),
    top_groups=(),
    model_version="",
    data_version="",
    main_source="purchases",
)
"""The data that the messages are read against: like the built-in shop."""

DRAFT = ("coffee",)
"""What stands on the page at the stage "draft"."""

_ALIKE = 0.5
"""Share of the longer of two spans that the shorter must cover, where one holds the other."""


class Utterance(BaseModel):
    """One labelled message."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    language: str
    stage: Stage
    text: str
    options: tuple[str, ...] = ()
    intent: str
    wants: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    past: tuple[dict[str, Any], ...] = ()
    ahead_days: int | None = None
    users: int | None = None
    percent: float | None = None


class Share(Record):
    """So many of so many."""

    right: int = 0
    of: int = 0

    def plus(self, right: int, of: int) -> "Share":
        """The same with more counted."""
        return Share(right=self.right + right, of=self.of + of)


class ReadingFigures(Record):
    """The messages of one language together."""

    language: str
    figures: dict[str, Share]


def evaluate_utterances(paths: Iterable[Path]) -> tuple[ReadingFigures, ...]:
    """Read every message of the files and hold it against its label.

    Raises:
        RequestError: a file cannot be read, or a line of it is no labelled message.
    """
    found: dict[str, dict[str, Share]] = {}
    for each in (one for path in paths for one in _read(path)):
        tongue = each.language if each.stage != "fresh" and each.language != "en" else ""
        named = DRAFT if each.stage == "draft" else ()
        parsed = parse(each.text, CARD, each.stage, each.options, (), tongue, named)
        counts = found.setdefault(each.language, {})
        for name, (right, of) in _judged(each, parsed).items():
            counts[name] = counts.get(name, Share()).plus(right, of)
    return tuple(ReadingFigures(language=language, figures=figures) for language, figures in found.items())


def utterance_tables(read: Sequence[ReadingFigures]) -> list[tuple[str, list[list[str]]]]:
    """One table, a row a language."""
    names = list(dict.fromkeys(name for each in read for name in each.figures))
    rows = [["language", *names]]
    for each in read:
        shares = [each.figures.get(name, Share()) for name in names]
        rows.append([each.language, *(f"{share.right}/{share.of}" for share in shares)])
    return [("Messages read as they are labelled: right of all", rows)]


def _read(path: Path) -> list[Utterance]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found += [Utterance.model_validate_json(line)] if line.strip() else []
        except ValidationError as error:
            raise RequestError(f"{path}, line {number}: {error.errors()[0]['msg']}") from error
    return found


def _judged(each: Utterance, parsed: ParsedMessage) -> dict[str, tuple[int, int]]:
    """Right and all, by what is measured."""
    choosing = each.intent == "choose"
    wants = () if choosing and parsed.skipped else (parsed.picked or ()) if choosing else parsed.wants
    share = parsed.holdout if parsed.intent == "holdout" else parsed.percent
    past = sum(_past_read(label, parsed) for label in each.past)
    judged = {"intent": (int(parsed.intent == each.intent), 1)}
    for name, got, label in (("wants", wants, each.wants), ("excluded", parsed.excluded, each.excluded)):
        judged[f"{name} found"] = (sum(any(_alike(one, other) for other in got) for one in label), len(label))
        judged[f"{name} right"] = (sum(any(_alike(one, other) for other in label) for one in got), len(got))
    told = int(bool(parsed.people or each.people))
    judged["people"] = (told * int(bool(parsed.people) == bool(each.people)), told)
    judged["past"] = (past, len(each.past))
    for name, number, labelled in (
        ("days ahead", parsed.ahead_days, each.ahead_days),
        ("users", parsed.users, each.users),
        ("percent", share, each.percent),
    ):
        said = int(number is not None or labelled is not None)
        judged[name] = (int(number == labelled) * said, said)
    return judged


def _alike(one: str, other: str) -> bool:
    one, other = one.lower().strip(" .,!?"), other.lower().strip(" .,!?")
    shorter, longer = sorted((one, other), key=len)
    return one == other or (bool(shorter) and shorter in longer and len(shorter) >= _ALIKE * len(longer))


_STAGES = {"spend": "high spending"}
"""Stages of the life cycle that the labels call otherwise."""


def _past_read(label: dict[str, Any], parsed: ParsedMessage) -> bool:
    """Whether a condition was read that is the same in everything but the words of the thing."""
    if life := label.get("life"):
        return any(each.stage == _STAGES.get(life, life) for each in parsed.life_cycle)
    wanted = (bool(label.get("did")), bool(label.get("ago")), *(label.get(each) or None for each in _NUMBERS))
    return any((each.did, each.ago, each.days, each.times, each.amount) == wanted for each in parsed.behaviours)


_NUMBERS = ("days", "times", "amount")
