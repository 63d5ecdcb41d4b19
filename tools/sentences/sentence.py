"""The one sentence of an audience, and the way back: the conditions in a text, and what is wanted in the rest."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from pydantic import ValidationError

from encoders.errors import RequestError
from encoders.text.demand import read_demand, without_witness
from prompts.loader import table
from tools.sentences.attributes import Fields, fields_of, read_filters
from tools.sentences.clauses import (
    QUOTED,
    Clause,
    Name,
    Phrasing,
    quoted,
    read_clause,
    read_memberships,
    read_source_users,
    read_stages,
    unquoted,
)
from tools.sentences.past import IT, PastReader
from tools.sentences.spans import ahead_in, ahead_in_place
from tools.types import ANYTHING, AudienceSpec, Behaviour, DataCard, Filter, LifeCycle, Membership

# --- Takes the conditions out of a person's text; the rest is what is wanted ----------------------


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


# --- The one sentence of an audience: everything that decides who is in, in words, and the way back
#
# Households that will buy coffee in the next 28 days; only those whose age is 35-44; and who did not buy tea in the
#     last 30 days; and who are not in the audience "Autumn"; the likeliest 20 %
#
# A name stands in quotes where it would be misread without; so does a demand that says what only conditions may say.


Meaning = Callable[[LifeCycle], str]

_FIRST, _NEXT, _CUT, _LIKE = "; only those ", "; and ", "; the likeliest ", "; ranked as tuned under "
_PIECE = re.compile(rf"(?=; (?:only those|and|the likeliest|ranked as tuned under) )|{QUOTED}", re.DOTALL)
_CUT_PIECE = re.compile(r"; the likeliest (?P<percent>\d+(?:\.\d+)?(?:E-?\d+)?) %")
_LIKE_PIECE = re.compile(rf"; ranked as tuned under (?P<name>{QUOTED})", re.DOTALL)
_NOT_PLAIN = re.compile(r'["()]|^\s|\s$|^$')


def write(spec: AudienceSpec, card: DataCard, meaning: Meaning | None = None) -> str:
    """Everything that decides who is in, in one sentence that ``read`` reads as the same spec.

    Args:
        spec: the audience.
        card: the data, whose words are used.
        meaning: what a stage of the life cycle stands for, to be said beside it.
    """
    clauses = _clauses(spec, card, meaning)
    tail = (_FIRST + _NEXT.join(clauses)) if clauses else ""
    if spec.cut is not None:
        tail += f"{_CUT}{format(Decimal(repr(spec.cut)) * 100, 'f').rstrip('0').rstrip('.') or '0'} %"
    if spec.like:
        tail += _LIKE + quoted(spec.like)
    stop = "." if tail and spec.demand.endswith(".") else ""
    plain = spec.demand.removesuffix(".") + tail + stop if stop else spec.demand + tail
    return plain if _reads_as(plain, card, spec) else quoted(spec.demand) + tail


def read(text: str, card: DataCard) -> AudienceSpec:
    """The audience that a sentence says: one that was written here, or a person's own.

    What a person's own sentence says about the past, about attributes and about the life cycle becomes conditions; the
    rest is the demand. Nothing is added that it does not say.

    Raises:
        RequestError: it does not say what anybody will do, or says more than an audience can have.
    """
    demand, *pieces = _split(text.strip())
    stop = ""
    if pieces and pieces[-1].endswith("."):
        pieces[-1], stop = pieces[-1][:-1], "."
    written = _written(pieces, card)
    if written is None:
        demand, written = text.strip(), {}
    if re.fullmatch(QUOTED, demand, re.DOTALL):
        try:
            return _spec({"demand": unquoted(demand)} | written)
        except json.JSONDecodeError:
            pass
    if not any(letter.isalnum() for letter in demand):
        raise RequestError("The sentence names nothing that anybody will do; say who will do what, and by when.")
    bare, quotation = without_witness(demand)
    if len(bare) > LONGEST:
        raise RequestError(f"The sentence has {len(bare):,} characters; at most {LONGEST:,} can be read.")
    stated, rest = take_conditions(bare, card, horizon=False, loosely=False)
    rest = ahead_in_place(rest, card.as_of)
    rest = demand if rest == bare else rest + quotation
    if stated and not _wants_something(rest):
        example = f"that will {Phrasing.of(card).wish(_example(stated))} in the next {card.horizon_days} days"
        raise RequestError(f"The sentence says what has to hold, but not what they will do; add it, as in '{example}'.")
    return _spec(_joined({"demand": rest + stop} | written, stated.about(_things(rest, card))))


def with_conditions(spec: AudienceSpec, card: DataCard) -> AudienceSpec:
    """The same audience, with what the sentence of its demand says beside the demand as conditions.

    Raises:
        RequestError: see ``read``.
    """
    found = read(spec.demand, card)
    if found == AudienceSpec(demand=found.demand) and found.demand == spec.demand.strip():
        return spec
    cut = spec.cut if spec.cut is not None else found.cut
    fields: dict[str, object] = {"demand": found.demand, "cut": cut, "like": spec.like or found.like}
    for name in _KINDS:
        fields[name] = tuple(dict.fromkeys((*getattr(spec, name), *getattr(found, name))))
    return _spec(fields)


# --- inside ---------------------------------------------------------------------------------------

_KINDS = {"filters": Filter, "behaviours": Behaviour, "life_cycle": LifeCycle, "memberships": Membership}


def _clauses(spec: AudienceSpec, card: DataCard, meaning: Meaning | None) -> list[str]:
    """Each condition as a clause, with quotes only where they are needed."""
    words = Phrasing.of(card)
    told = {each: meaning(each) if meaning else "" for each in spec.life_cycle}
    conditions: Sequence[Clause] = (*spec.filters, *spec.behaviours, *spec.life_cycle, *spec.memberships)

    def clause(each: Clause, name: Name) -> str:
        if isinstance(each, Filter):
            return f"whose {words.filter(each, name)}"
        if isinstance(each, Behaviour):
            return f"who {words.behaviour(each, name)}"
        if isinstance(each, LifeCycle):
            return f"who are {words.life_cycle(each, told[each], name)}"
        return f"who are {words.membership(each)}"

    def plain(name: str) -> str:
        return quoted(name) if _NOT_PLAIN.search(name) else name

    found = []
    for each in conditions:
        text = clause(each, plain)
        alone = len(_split(f"-{_FIRST}{text}")) == 2 and read_clause(text, card) == each
        found.append(text if alone else clause(each, quoted))
    return found


def _split(text: str) -> list[str]:
    """The demand, and what stands behind it, piece by piece; nothing is split within quotes."""
    places = [0, *(match.start() for match in _PIECE.finditer(text) if not match[0]), len(text)]
    return [text[start:end] for start, end in pairwise(places) if start < end] or [""]


def _written(pieces: Sequence[str], card: DataCard) -> dict[str, object] | None:
    """The fields that the pieces behind a demand say; None where they are not of our writing."""
    found: dict[str, list[Clause]] = {name: [] for name in _KINDS}
    fields: dict[str, object] = {}
    for piece in pieces:
        try:
            if match := _CUT_PIECE.fullmatch(piece):
                fields["cut"] = float(Decimal(match["percent"]) / 100)
            elif match := _LIKE_PIECE.fullmatch(piece):
                fields["like"] = unquoted(match["name"])
            else:
                clause = read_clause(piece.removeprefix(_FIRST).removeprefix(_NEXT), card)
                if clause is None:
                    return None
                found[_kind(clause)].append(clause)
        except ValueError:
            return None
    return fields | {name: tuple(clauses) for name, clauses in found.items() if clauses}


def _kind(clause: Clause) -> str:
    return next(name for name, kind in _KINDS.items() if isinstance(clause, kind))


def _joined(fields: dict[str, object], stated: StatedConditions) -> dict[str, object]:
    for name in _KINDS:
        said: tuple[Clause, ...] = getattr(stated, name)
        already = fields.get(name, ())
        assert isinstance(already, tuple)
        if both := tuple(dict.fromkeys((*already, *said))):
            fields[name] = both
    return fields


def _spec(fields: dict[str, object]) -> AudienceSpec:
    try:
        return AudienceSpec.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(f"The sentence cannot be used ({first['loc'][0]}: {first['msg']}).") from None


def _reads_as(text: str, card: DataCard, spec: AudienceSpec) -> bool:
    try:
        return read(text, card) == spec
    except RequestError:
        return False


_NO_WISH = re.compile(
    r"\b(?:i|we|want|need|show|give|find|get|reach|target|me|us|all|any|the|a|an|our|my|those|these|of|with|to|in|for|and|"
    r"but|or|who|that|which|whose|only|just|are|is|have|has|probably|likely|will|would|soon|too|also|please|next|days?|"
    r"win|back|could|everyone|everybody|anyone|anybody|someone|people|persons?|folks|ppl|guys|ones|customers?|shoppers?|users?|"
    r"households?|homes?|families|viewers?|members?|clients?|buyers?|consumers?|subscribers?|audience|do|again|\d+)\b",
    re.IGNORECASE,
)


def _wants_something(rest: str) -> bool:
    return any(letter.isalnum() for letter in _NO_WISH.sub(" ", rest))


def _example(stated: StatedConditions) -> str:
    """What they could do next: the same again, or anything at all."""
    things = (*(each.what for each in stated.behaviours), *(each.what for each in stated.life_cycle))
    done = (each for each in things if each not in (ANYTHING, IT))
    return next(done, ANYTHING)


def _things(demand: str, card: DataCard) -> str:
    """What a demand is about, as the words of one condition."""
    said = Phrasing.of(card).wording("")
    framed = re.compile(rf"^.*\b{re.escape(said.verb)}\s+{re.escape(said.before)}", re.IGNORECASE | re.DOTALL)
    named = (framed.sub("", phrase).strip() for phrase in read_demand(demand).phrases)
    return " or ".join(filter(None, named))[:500] or IT
