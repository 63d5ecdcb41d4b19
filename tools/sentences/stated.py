"""Takes the conditions out of a person's text; the rest is what is wanted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from prompts.loader import table
from tools.sentences.attributes import Fields, fields_of, read_filters
from tools.sentences.past import IT, PastReader
from tools.sentences.spans import ahead_in
from tools.sentences.stages import read_memberships, read_source_users, read_stages
from tools.types import Behaviour, DataCard, Filter, LifeCycle, Membership

_Each = TypeVar("_Each")
LONGEST = 4_000
"""Characters that are looked through: more than a demand or a message has."""


@dataclass(frozen=True)
class StatedConditions:
    """The conditions in a text, and how far ahead it looks."""

    filters: tuple[Filter, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    """Where the text has no word for the thing ("but not in the last 30 days"), ``what`` is ``IT``."""
    life_cycle: tuple[LifeCycle, ...] = ()
    memberships: tuple[Membership, ...] = ()
    ahead_days: int | None = None
    """As far as the text looks ahead, however far the model can."""

    def __bool__(self) -> bool:
        """Whether the text states any condition."""
        return bool(self.filters or self.behaviours or self.life_cycle or self.memberships)

    def about(self, thing: str) -> "StatedConditions":
        """The same, once it is known what the demand is about."""
        named = tuple(each.model_copy(update={"what": thing}) if each.what == IT else each for each in self.behaviours)
        return replace(self, behaviours=named)


def take_conditions(
    text: str, card: DataCard, saved: Sequence[str] = (), horizon: bool = True, loosely: bool = True
) -> tuple[StatedConditions, str]:
    """The conditions that an English text states, and the text without their words.

    Args:
        text: a message or a sentence, of at most ``LONGEST`` characters; what it says beyond is not read.
        card: the data: its sources with their wordings, its attributes, its as-of date.
        saved: names of saved audiences that may be spoken of without quotes.
        horizon: whether words about the time ahead are taken out as well.
        loosely: whether words that only stand for values of attributes ("families", "young") limit whom the text means;
            otherwise values have to be named.
    """
    text = text[:LONGEST]
    rest = text.replace(chr(1), " ").replace("’", "'").replace("‘", "'")
    rest = _NAMED.sub(rf"\g<0>{_WITHIN}", rest)
    memberships, rest = read_memberships(rest, saved)
    behaviours, rest = read_source_users(rest, card)
    stages, rest = read_stages(rest, card.as_of)
    reader = PastReader(card)
    while spotted := reader.next(rest):
        behaviours += spotted.behaviours
        rest = f"{rest[: spotted.start]} , {rest[spotted.end :]}"
    unknown, rest = take_unknown(rest, card)
    fields = fields_of(card)
    hidden, rest = ([], rest) if loosely else _hidden(rest, fields)
    filters, rest = read_filters(rest, fields)
    rest = _HIDDEN.sub(lambda match: hidden.pop(0), rest)
    ahead = ahead_in(rest, card.as_of) if horizon else None
    if ahead:
        rest = f"{rest[: ahead.start]} , {rest[ahead.end :]}"
    rest = rest.replace(_WITHIN, "")
    stated = StatedConditions(
        filters=_some((*unknown, *filters)),
        behaviours=_some([each.model_copy(update={"what": each.what.replace(_WITHIN, "")}) for each in behaviours]),
        life_cycle=_some([each.model_copy(update={"what": each.what.replace(_WITHIN, "")}) for each in stages]),
        memberships=_some(memberships),
        ahead_days=ahead.days if ahead else None,
    )
    return stated, _tidied(rest) if stated or ahead else text


_HIDDEN = re.compile("\x01+")
_NAMED = re.compile(r"(?<=[a-z] )(?:Who|That|Which|Not|Without)(?= [A-Z])")
"""A word of a name, such as "The Spy Who Loved Me", which begins no condition."""
_WITHIN = "\N{MODIFIER LETTER SMALL W}"
"""Keeps such a word from being read by itself."""
_WISH = re.compile(
    r"\b(?:will|would|(?:going|likely|about|want|plan)\s+to)\s.*?(?=[,;]|\b(?:in\s+the\s+next|within|who|whose|aged|that\s+are|age)\b|$)",
    re.IGNORECASE | re.DOTALL,
)


def _hidden(text: str, fields: Fields) -> tuple[list[str], str]:
    """What names no value of an attribute, and the text with that made unreadable.

    That are the things that are wanted, and words that stand for values without naming them. A text that does not say
    that anybody will do anything is all things.
    """
    if not _WISH.search(text):
        return [text], chr(1) * len(text)
    values = "|".join(re.escape(value) for known in fields.values() for value in known if len(value) > 3) or "(?!)"
    rules = table("attributes")
    say = "|".join(f"(?:{each['say']})" for each in (*rules["words"], *rules["ranges"]))
    found = []
    for match in re.finditer(rf"{_WISH.pattern}|\b(?:{say})\b", text, re.IGNORECASE):
        if _WISH.match(match[0]) or not re.search(values, match[0], re.IGNORECASE):
            found.append(match[0])
            text = f"{text[: match.start()]}{chr(1) * len(match[0])}{text[match.end() :]}"
    return found, text


def take_unknown(text: str, card: DataCard) -> tuple[tuple[Filter, ...], str]:
    """Attributes that have to be unknown, or known, and the text without the words."""
    found = []
    for field in (each.field for each in card.fields):
        name = re.escape(field)
        missing, given = r"(?:unknown|not\s+known|missing|not\s+given|undisclosed)", r"(?:known|given|available)"
        be = r"\s+(?:is|are|being|=)?\s*"
        for op, form in (
            (
                "is unknown",
                rf"\b(?:whose|with|where|of)?\s*(?:an?\s+|the\s+|their\s+)?(?:{name}{be}{missing}|{missing}\s+{name})\b",
            ),
            (
                "is unknown",
                rf"\b(?:with(?:out)?|having)\s+(?:no\s+|an?\s+|any\s+)?(?:known\s+)?{name}(?:\s+on\s+file)\b|\bno\s+known\s+{name}\b",
            ),
            ("is unknown", rf"\bwe\s+(?:don't|do\s+not)\s+know\s+(?:the\s+|their\s+)?{name}\b(?:\s+of)?"),
            (
                "is known",
                rf"\b(?:whose|with|where|of)?\s*(?:an?\s+|the\s+|their\s+)?(?:{name}{be}{given}|{given}\s+{name})\b",
            ),
        ):
            while match := re.search(form, text, re.IGNORECASE):
                found.append(Filter.model_validate({"field": field, "op": op}))
                text = f"{text[: match.start()]} , {text[match.end() :]}"
    return _some(found), text


def _some(found: Sequence[_Each]) -> tuple[_Each, ...]:
    return tuple(dict.fromkeys(found))


_JOINT = r"(?:and|but|or|who|that|which|whose|with|only|just|have|has|are|is|they|also)"


def _tidied(text: str) -> str:
    """The text without what the words that were taken out have left behind."""
    text = re.sub(r"(?:\s*,)+\s*(?:(?:and|but)\s+)?(?=(?:will|would|who|that|likely|going)\b)", " ", text, flags=re.I)
    text = re.sub(r"(?:\s*,)+\s*(?=[,.;:!?]|$)", " ", text)
    text = re.sub(r"^[\s,]+", "", text)
    text = re.sub(r"(?:\s*,\s*)+", ", ", text)
    text = re.sub(rf"(?:(?:^|[\s,]+){_JOINT})+\s*([.!?]*)\s*$", r"\1", text, flags=re.I)
    return " ".join(text.split()).strip(" ,;")
