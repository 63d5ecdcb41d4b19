"""Reading a demand: what is to be done, by when, for the first time or not, and how its parts are joined.

The sentence is taken apart by rules only as far as the encoder cannot see by itself: the horizon is a number, "or"
joins alternatives, "both ... and" asks for two things at once, "but not" takes one away. What remains is a phrase for
the text encoder. Where the things that a sentence names are a reading of somebody's own words, those may stand in it as
a witness: 'Households that will buy turkey or pies (as in "thanksgiving dinner crowd") in the next 28 days'.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from encoders.data.events import HORIZON_DAYS
from encoders.text.words import AHEAD, ANYTHING, horizon_in

MOST_PARTS = 16
MOST_PHRASES = 64
"""Each part, and each phrase, is a scan of all items and users; beyond so many the rest stays one phrase."""

_FIRST_TIME = re.compile(
    r"\b(?:for\s+the\s+(?:very\s+)?first\s+time|first[- ]time"
    r"|(?:who|that)\s+have\s+never\s+(?:bought|done|had)\s+(?:it|them|this)(?:\s+before)?)\b",
    re.IGNORECASE,
)
_WHO = (
    r"(?:(?:all|any|the|our|those|select|find|reach|target|show|get|give|me|us|please)\s+)*"
    r"(?:potential\s+|likely\s+|new\s+|future\s+)?"
    r"(?:households?|homes?|families|people|persons?|customers?|shoppers?|users?|consumers?|buyers?|everyone|anyone"
    r"|everybody|anybody|those)"
)
_WILL = r"(?:will|would|(?:(?:are|is)\s+)?(?:going|likely|about)\s+to|wants?\s+to|plan\s+to|may|might|can)"
_SOON = r"(?:(?:probably|soon|likely|most\s+likely|also)\s+)?"
_DO = (
    rf"{_SOON}"
    r"(?:buys?|purchases?|orders?|gets?|takes?|picks?\s+up|shops?\s+for|needs?|wants?|spends?\s+on|try|tries"
    r"|stocks?\s+up\s+on|drinks?|eats?|touch|touches|redeems?\s+(?:a\s+)?(?:coupons?|vouchers?)\s+for"
    r"|watch|watches|reads?|listens?\s+to|plays?|rents?|visits?|subscribes?\s+to|downloads?)"
)
_DOING = r"(?:buying|purchasing|ordering|needing|drinking|eating)"
_FRAME = re.compile(
    rf"^\s*{_WHO}\s+(?:who|that|which)?\s*(?:(?:{_WILL}\s+)?{_DO}|{_DOING})\s+"
    rf"|^\s*who\s+(?:{_WILL}\s+)?{_DO}\s+"
    # Whatever users are called in the data, and what they do there: "viewers that will like", "gamers who might play".
    rf"|^\s*(?:[\w'-]+\s+){{1,3}}?(?:who|that|which)\s+{_WILL}\s+(?:{_DO}|{_SOON}[\w'-]+)\s+(?=\S)"
    rf"|^\s*{_WHO}\s+(?:of|for|with)\s+|^\s*(?:buyers?|purchasers?|purchase|buy|buying)\s+(?:of\s+)?",
    re.IGNORECASE,
)
_NONE = r"(?:not(?!\s+(?:just|only)\b)|no|never|without|none\s+of)(?:\s+(?:those|anyone|people)\s+who)?"
_INSTEAD = re.compile(rf"\s*,?\s*\bbut\s+(?:(?:who|that)\s+)?(?:{_WILL}\s+)?{_DO}\s+", re.IGNORECASE)
_NOT = re.compile(
    rf"\s*,?\s*\b(?:but|and|who|that)\s+{_NONE}\s+(?:{_DO}\s+)?(?:any\s+|a\s+single\s+)?"
    r"|\s*,\s*(?:no|not(?!\s+(?:just|only)\b)|never)\s+"
    rf"|\s*,?\s*\b(?:so\s+)?(?:leav(?:e|ing)\s+(?:out|aside)|exclud(?:e|ing))\s+(?:{_WHO}\s+(?:who\s+|that\s+)?{_DO}\s+)?"
    r"|\s+(?:without|except(?:\s+for)?|rather\s+than)\s+(?:any\s+)?",
    re.IGNORECASE,
)
_SORT = re.compile(r"^(?:the\s+)?(?P<which>.*?)\s*\b(?:ones?|kinds?|sorts?|types?|stuff|variety)\b", re.IGNORECASE)
_PLACE = re.compile(r"\s+(?:in|at|from|for|with|of|on)\s+", re.IGNORECASE)
_JOINED = r"AND|as\s+well\s+as|together\s+with|along\s+with|alongside|plus|and\s+also|and,?\s+in\s+addition,?"
_JOINT = re.compile(rf",?\s+(?:{_JOINED})\s+(?=\S)")
_AND = re.compile(r"\s+and\s+(?=\S)")
_BOTH = re.compile(r"\bboth\s+")
_BOTH_BEHIND = re.compile(r",\s*both$")
_WITNESS = re.compile(r'\s*\(as in "(?P<words>[^"]*)"\)')
_HELD = "\N{SYMBOL FOR UNIT SEPARATOR}"
"""Stands, with a number, for a name that is not to be taken apart."""
_ANYTHING = re.compile(
    rf"(?:.*\b{_WILL}\s+(?:[\w'-]+\s+){{1,5}})?(?:{ANYTHING}|something)"
    r"(?:\s+(?:at\s+all|again|else|more))*(?:\s+(?:here|from\s+us|with\s+us))?",
    re.IGNORECASE,
)
_OR = re.compile(r"\s*(?:,\s*or\s+|\s+or\s+|\s+OR\s+|\s*/\s*|\s*,\s*)")


@dataclass(frozen=True)
class Part:
    """Alternatives, any of which satisfies this part of a demand."""

    phrases: tuple[str, ...]
    negated: bool = False

    @property
    def anything(self) -> bool:
        """Whether it names no thing, so that whatever they do counts."""
        return any(_ANYTHING.fullmatch(phrase) for phrase in self.phrases)


@dataclass(frozen=True)
class Demand:
    """One sentence, taken apart. Every part must hold."""

    sentence: str
    parts: tuple[Part, ...]
    horizon_days: int = HORIZON_DAYS
    first_time: bool = False
    witness: str = ""
    """The words that the parts are a reading of, where the sentence quotes them."""

    @property
    def bare(self) -> str:
        """The sentence without the days ahead and the first time: these do not change what is wanted."""
        return " ".join(_FIRST_TIME.sub(" ", AHEAD.sub(" ", self.sentence)).split()) or self.sentence

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every wanted phrase, in order; what is taken away is not among them."""
        return tuple(phrase for part in self.parts if not part.negated for phrase in part.phrases)

    @property
    def anything(self) -> bool:
        """Whether all it asks is that they do anything at all: then it is the conditions that say who is meant."""
        return len(self.parts) == 1 and self.parts[0].anything


def quoting(words: str) -> str:
    """What a sentence says behind its things to quote the words that they are a reading of; empty for no words."""
    words = " ".join(words.replace('"', "'").split())
    return f' (as in "{words}")' if words else ""


def without_witness(sentence: str) -> tuple[str, str]:
    """A sentence without the words that it quotes, and the quotation; empty where it quotes nothing."""
    quoted = _WITNESS.search(sentence)
    if quoted is None:
        return sentence, ""
    return f"{sentence[: quoted.start()]}{sentence[quoted.end() :]}", f" {quoted[0].strip()}"


@lru_cache
def _nobody(unit: str) -> re.Pattern[str]:
    """The frame of a demand for those who will not do something."""
    return re.compile(
        rf"^\s*(?:{_WHO}|{re.escape(unit)})\s+(?:who|that|which)\s+"
        r"(?:(?:will|would|do)\s+not|won['\u2019]?t|wouldn['\u2019]?t|don['\u2019]?t|(?:will\s+)?never"
        r"|are\s+(?:not\s+(?:going|likely|about)|unlikely)\s+to)\s+"
        rf"(?:{_DO}|[\w'-]+)\s+(?:any\s+)?(?=\S)",
        re.IGNORECASE,
    )


def read_demand(sentence: str, names: Collection[str] = (), unit: str = "users") -> Demand:
    """Take ``sentence`` apart. Anything can be read: in doubt the whole sentence is one phrase.

    Args:
        sentence: the demand.
        names: names of the data that would be taken apart, such as "cold, cough and flu remedies"; they stay whole.
        unit: what users are called in the data, in the plural.
    """
    sentence = " ".join(sentence.split())
    quoted = _WITNESS.search(sentence)
    if quoted is not None:
        rest = read_demand(f"{sentence[: quoted.start()]}{sentence[quoted.end() :]}", names, unit)
        return replace(rest, witness=quoted["words"].strip())
    lower = sentence.lower()
    held = [name for name in sorted(names, key=len, reverse=True) if name.lower() in lower]
    if held:
        return _holding(sentence, held, unit)
    horizon = horizon_in(sentence)
    first_time = _FIRST_TIME.search(sentence) is not None
    body = _FIRST_TIME.sub(" ", AHEAD.sub(" ", sentence))
    if nobody := _nobody(unit).match(body):
        return _of_nobody(sentence, body[nobody.end() :], horizon or HORIZON_DAYS)
    body = _FRAME.sub("", " ".join(body.split()), count=1).strip(" .,;:!?") or sentence
    wanted, *unwanted = _NOT.split(body, maxsplit=MOST_PARTS - 2)
    thing = _PLACE.split(_FRAME.sub("", wanted, count=1), maxsplit=1)[0].strip(" .,")
    left_out = dict.fromkeys(_complete(piece.strip(" .,"), thing) for piece in unwanted if piece.strip(" .,"))
    said = [(piece, False) for piece in conjuncts(wanted) if piece.strip(" .,")] + [(each, True) for each in left_out]
    parts, room = [], MOST_PHRASES
    for piece, negated in said:
        parts.append(Part(_alternatives(piece, max(room, 1)), negated))
        room -= len(parts[-1].phrases)
    if not any(not part.negated for part in parts):
        parts = [Part((sentence,))]
    return Demand(sentence, tuple(parts), horizon or HORIZON_DAYS, first_time)


def _of_nobody(sentence: str, body: str, horizon_days: int) -> Demand:
    """Those who will not do something: "households that will not buy coffee"; they may do something else instead."""
    unwanted, *instead = (piece.strip(" .,;:!?") for piece in _INSTEAD.split(body, maxsplit=1))
    wanted = [Part(_alternatives(piece, MOST_PHRASES // 2)) for text in instead for piece in conjuncts(text)]
    return Demand(sentence, (*wanted, Part(_alternatives(unwanted, MOST_PHRASES // 2), negated=True)), horizon_days)


def _holding(sentence: str, names: list[str], unit: str) -> Demand:
    """The same with each of ``names`` as one word."""
    hidden = sentence.replace(_HELD, " ")
    for number, name in enumerate(names):
        hidden = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"{_HELD}{number}{_HELD}", hidden, flags=re.IGNORECASE)
    read = read_demand(hidden, (), unit)

    def shown(text: str) -> str:
        return re.sub(rf"{_HELD}(\d+){_HELD}", lambda match: names[int(match[1])], text)

    parts = tuple(replace(part, phrases=tuple(map(shown, part.phrases))) for part in read.parts)
    return replace(read, sentence=sentence, parts=parts)


def _complete(left_out: str, thing: str) -> str:
    """Say in full what is left out: "fresh fish but not the frozen kind" leaves out "frozen fish"."""
    if _PLACE.match(f" {left_out}"):
        return f"{thing} {left_out}"
    match = _SORT.match(left_out)
    if match is None:
        return left_out
    return f"{match['which']} {thing.split()[-1] if thing else ''}{left_out[match.end() :]}".strip()


def conjuncts(text: str) -> list[str]:
    """The two things that a text asks for at once; the text alone where it asks for one.

    Each word is looked for by itself: one pattern for all of it would try every pair of places in the text.
    """
    both = _BOTH.search(text)
    between = _AND.search(text, both.end() + 1) if both else None
    told = [text[both.end() : between.start()], text[between.end() :]] if both and between else []
    if told and text.startswith(both[0] if both else ""):
        return told
    if joint := _JOINT.search(text, 1):
        return [text[: joint.start()], text[joint.end() :]]
    behind = _BOTH_BEHIND.search(text)
    if behind and (between := _AND.search(text, 1, behind.start())):
        return [text[: between.start()], text[between.end() : behind.start()]]
    return told or [text]


def _alternatives(text: str, most: int) -> tuple[str, ...]:
    pieces = [_FRAME.sub("", piece, count=1).strip(" .,;:!?") for piece in _OR.split(text, maxsplit=most - 1)]
    return tuple(dict.fromkeys(piece for piece in pieces if piece)) or (text.strip(),)
