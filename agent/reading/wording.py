"""Phrases of a request, the sentence of a demand in words, and other languages."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache, partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.text.demand import quoting
from prompts.loader import LANGUAGES, table
from tools.sentences.clauses import number
from tools.types import ANYTHING, AudienceSpec, Behaviour, Filter, LifeCycle


class Parts(BaseModel):
    """What a demand is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[str, ...] = Field(min_length=1, description="groups of the data, or words that name some")
    action: str = Field("buy", description="the action of the source the items come from")
    first_time: bool = False
    days: int
    join: Literal["any", "all"] = Field("any", description="all: each item is required of the same user")
    asked: str = Field("", description="the request's own words, where the items are a reading of them that is unsure")
    struck: tuple[str, ...] = Field((), description="things read from those words that the person left out again")

    def sentence(self, unit_plural: str) -> str:
        """The demand, such as "Households that will buy coffee in the next 28 days"."""
        first = " for the first time" if self.first_time else ""
        what = f"{verb(self.action)} {self._named()}"
        who = f"{unit_plural[:1].upper()}{unit_plural[1:]}"
        asked = "" if self.struck else self.asked  # they speak of what was left out, too
        return f"{who} that will {what}{quoting(asked)}{first} in the next {self.days} days"

    @property
    def anything(self) -> bool:
        """Whether it names no thing, and the conditions alone say who is meant."""
        return self.items == (ANYTHING,)

    def _named(self) -> str:
        return " as well as ".join(self.items) if self.join == "all" else listed(self.items, "or")

    def newcomers(self) -> tuple[Behaviour, ...]:
        """The hard conditions that "for the first time" stands for: none of the items at any time before."""
        return tuple(Behaviour(did=False, what=item) for item in self.items) if self.first_time else ()


def verb(action: str) -> str:
    """What a user does, in words; an action nobody has worded yet stands as it is."""
    return str(table("words")["verbs"].get(action, action))


def listed(names: tuple[str, ...] | list[str], joint: str) -> str:
    """Names as people list them: "a, b or c"."""
    return f" {joint} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def conditions(spec: AudienceSpec) -> list[str]:
    """The hard conditions of a spec, each in words; things that are done alike stand together."""
    words = [_filter(each) for each in spec.filters]
    alike: dict[Behaviour, list[str]] = {}
    for each in spec.behaviours:
        alike.setdefault(each.model_copy(update={"what": ANYTHING}), []).append(each.what)
    words += [_behaviour(each, things) for each, things in alike.items()]
    words += [_life_cycle(each) for each in spec.life_cycle]
    words += [f'{"" if each.member else "not "}in "{each.audience}"' for each in spec.memberships]
    return words


def each_condition(spec: AudienceSpec) -> list[str]:
    """Each hard condition of an audience in words, so that each can be removed by itself."""
    return [_one(kind, one) for kind in _KINDS for one in getattr(spec, kind)]


def keep_conditions(spec: AudienceSpec, kept: Collection[str]) -> AudienceSpec:
    """Only those hard conditions whose words are among ``kept``."""
    left = {kind: tuple(one for one in getattr(spec, kind) if _one(kind, one) in kept) for kind in _KINDS}
    return spec.model_copy(update=left)


_KINDS = ("filters", "behaviours", "life_cycle", "memberships")
"""The fields of an audience that hold its conditions."""


def _one(kind: str, condition: object) -> str:
    return conditions(AudienceSpec.model_validate({"demand": "-", kind: (condition,)}))[0]


def _filter(each: Filter) -> str:
    if not each.values:
        return f"{each.field}: {each.op.removeprefix('is ')}"
    return f"{each.field}: {'not ' if each.op == 'is not' else ''}{listed(each.values, 'or')}"


def _behaviour(each: Behaviour, things: list[str]) -> str:
    """What was done, or not, to several things alike."""
    what = listed(things, "and") if each.did else f"no {listed(things, 'or')}".replace(f"no {ANYTHING}", "nothing")
    if each.source:
        what += f" ({each.source})"
    if each.ago:
        return f"{what}, the last time more than {each.days} days ago"
    if each.times is not None:
        what += f" on at least {each.times} days"
    if each.amount is not None:
        what += f" for at least {number(each.amount)} in all"
    return f"{what} {f'in the last {each.days} days' if each.days else 'at any time before'}"


def _life_cycle(each: LifeCycle) -> str:
    about = "" if each.what == ANYTHING else f": {each.what}"
    source = f" ({each.source})" if each.source else ""
    when = f" in the last {each.days} days" if each.days else ""
    return f"{'' if each.holds else 'not '}{each.stage}{about}{source}{when}"


def plain(name: str, limit: int = 80) -> str:
    """A text from the data, safe to show: no markup, no line breaks, not too long."""
    kept = "".join(character for character in name if character.isprintable() and character not in "<>[]`*_#|\\")
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


_FOREIGN_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_LATIN_END = 0x250
"""The first code point after the Latin letters."""
_ASCII_END = 0x7F
"""The last code point that English needs: with a letter beyond it, one small word of a language tells it."""


def language(text: str) -> str:
    """Name of the language ``text`` is written in, as far as its small words tell; English when in doubt."""
    words = [word.lower() for word in _FOREIGN_WORD.findall(text)]
    letters = [character for character in text if character.isalpha()]
    if letters and sum(ord(character) < _LATIN_END for character in letters) < len(letters) / 2:
        return (
            "Chinese" if any("\u4e00" <= letter <= "\u9fff" for letter in letters) else "a language other than English"
        )
    english = frozenset(str(table("words")["frame"]).split())
    score = {name: sum(word in small for word in words) for name, small in _small().items()}
    best = max(score, key=lambda name: score[name])
    alone = any(ord(letter) > _ASCII_END for letter in letters) and list(score.values()).count(score[best]) == 1
    return best if score[best] >= 2 - alone and score[best] > sum(word in english for word in words) else "English"


def small_words(name: str) -> frozenset[str]:
    """Words of a language, named as by ``language``, that name no thing."""
    return _small().get(name, frozenset())


def code_of(name: str) -> str:
    """The code of a language in which there are replies; "" for every other."""
    return next((code for code in LANGUAGES if table(f"languages/{code}")["name"] == name), "")


def is_read(name: str) -> bool:
    """Whether the reader of whole requests has learned the language: English, and those of the replies."""
    return name == "English" or bool(code_of(name))


def into_english(text: str, code: str) -> str:
    """The message with what the rules have to read in English; labels that were clicked become those of the page."""
    if code not in LANGUAGES:
        return text
    known = table(f"languages/{code}")
    labels = {shown.lower(): label for label, shown in known["labels"].items()}
    if label := labels.get(text.strip().lower()):
        return str(label)
    for pattern, english in known["rewrites"]:
        text = re.sub(pattern, partial(_rewritten, english), text, flags=re.IGNORECASE)
    return text


def _rewritten(english: str, match: re.Match[str]) -> str:
    """What a match becomes, still apart from the word before it."""
    return " " * match[0][:1].isspace() + match.expand(english)


def labelled(options: Sequence[str], code: str) -> tuple[str, ...]:
    """Clickable answers as they are shown in a language."""
    labels = table(f"languages/{code}")["labels"] if code in LANGUAGES else {}
    return tuple(labels.get(option, option) for option in options)


def _small() -> dict[str, frozenset[str]]:
    others = {name: frozenset(words.split()) for name, words in table("words")["languages"].items()}
    own = (table(f"languages/{code}") for code in LANGUAGES)
    return others | {each["name"]: frozenset(each["small"].split()) for each in own}


_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_CHINESE_JOINTS = re.compile(r"[^\u4e00-\u9fff]+|[和或与及、]")

_OCCASION = frozenset({"for", "during", "at"})
"""Words between a thing and its occasion ("snacks for the game"): after a thing, what follows them is not wanted."""

_CONTRACTED = re.compile(
    r"(?:who|we|they|he|she|it|that|you|i|there|what|hasn|haven|don|doesn|didn|won|isn|aren)['’]\w{1,2}"
)

_JOINTS = frozenset({"to", "of"})
"""Words that hold a thing's name together ("back to school")."""

LONGEST = 5
"""Words in a phrase; a longer run of unknown words is looked up in pieces of so many."""


def noun_phrases(text: str, tongue: str = "English", limit: int = 4) -> tuple[str, ...]:
    """Runs of words that are not part of the frame of a request, in their order, each once.

    Args:
        text: a message, or a part of one.
        tongue: its language, as ``language`` names it.
        limit: so many at most.
    """
    if tongue == "Chinese":
        return _chinese(text)[:limit]
    frame = _words("frame") | small_words(tongue) | frame_words(tongue)
    runs: list[list[str]] = [[]]
    position, before, joint = 0, "", ""
    for match in _WORD.finditer(text):
        broken = re.search(r"[^\s]", text[position : match.start()]) is not None
        position = match.end()
        said = match.group().strip(".’'").removesuffix("'s").removesuffix("’s")
        word = said.lower()
        owner = word in _words("owners") and re.search(r"['’]s?$", match.group()) is not None
        if owner:
            said = match.group()
            word = said.lower()
        if word in frame or word.isdigit() or _CONTRACTED.fullmatch(word):
            joint = word if word in _JOINTS and runs[-1] and not broken and not joint else ""
            before = word if word in _OCCASION else before
            if not joint:
                runs.append([])
            continue
        if broken:
            runs.append([])
        if not runs[-1] and before in _OCCASION and any(runs):
            continue
        runs[-1] += [joint] * bool(joint and runs[-1]) + [word if tongue == "English" else said]
        before = joint = ""
    phrases = [" ".join(_bare(run)[:LONGEST]) for run in runs if run]
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))[:limit]


@lru_cache
def frame_words(tongue: str) -> frozenset[str]:
    """Words that stand around things in the messages that intents are learned from, and so name none themselves."""
    code = code_of(tongue) or ("en" if tongue == "English" else "")
    if not code:
        return frozenset()
    found: set[str] = set()
    forms = table(f"intents/{code}")["intents"]
    for intent in ("demand", "add", "replace", "exclude", "segments", "past"):
        for form in forms[intent].splitlines():
            if "{thing}" in form:
                found |= set(_frame_of(form, tongue))
    things = {match.group().lower() for match in _WORD.finditer(table(f"intents/{code}")["slots"]["thing"])}
    return frozenset(found - things - frozenset(_REPLACED))


_REPLACED = ("coffee", "kaffee", "café", "咖啡")
"""What the messages replace by something else: a thing, though it stands in no slot."""


def _frame_of(form: str, tongue: str) -> Iterator[str]:
    for piece in re.split(r"\{\w+\}", form.lower()):
        if tongue == "Chinese":
            yield from (part for part in re.split(r"[^\u4e00-\u9fff]+|咖啡", piece) if part)
        else:
            yield from (match.group().strip(".’'") for match in _WORD.finditer(piece))


def _chinese(text: str) -> tuple[str, ...]:
    """What is left between the words of the frame: Chinese has no spaces to go by."""
    frame = sorted(small_words("Chinese") | frame_words("Chinese"), key=len, reverse=True)
    pieces = re.sub("|".join(map(re.escape, frame)), " ", text)
    return tuple(dict.fromkeys(piece for piece in _CHINESE_JOINTS.split(pieces) if piece))


def _bare(words: list[str]) -> list[str]:
    """The words without fillers, unless nothing else is there."""
    return [word for word in words if word not in _words("filler")] or words


def _words(key: str) -> frozenset[str]:
    return frozenset(str(table("words")[key]).split())
