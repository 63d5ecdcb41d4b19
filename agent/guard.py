"""What may not be targeted, and why: word lists and a small classifier, before any language model is asked.

A text is only ever judged for what it is about, so whatever it orders is neither obeyed nor a reason to stop.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from agent.guarding.classifier import classifier
from agent.guarding.judging import judged, pieces
from agent.guarding.lists import Found, Listed
from agent.guarding.reading import read
from encoders.errors import RequestError
from prompts.loader import reply, table
from tools.types import AudienceSpec

_LINES = 6
_NEAR = 0.3
"""Cosine of two texts from which on one may stand for the other, as "baby food" does for "pregnant"."""
_HINT = -2.0
"""Score from which on the classifier sees something of a trait in a thing."""


class Refusal(BaseModel):
    """Why a demand is declined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Name of the restricted attribute, as advertising protocols write it."""
    reason: str
    words: str = ""
    """What it was declined for."""
    rest: str = ""
    """The text without these words."""

    def hinted_at(self, thing: str) -> bool:
        """Whether a thing is near to what was declined, so that people who do it may stand for people who have it."""
        said = classifier().opinions([thing])[0]
        if said.category == self.key and said.score > _HINT:
            return True
        return any(classifier().likeness(each, thing) > _NEAR for each in (self.words, self.key.replace("_", " ")))


class Talk(BaseModel):
    """What of a conversation still counts when the next message is judged; messages that were declined do not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: tuple[str, ...] = Field((), description="the present request, and what was added to it")
    offer: str = Field("", description="the home, job or credit that it is for; stays until another subject is named")

    def after(self, text: str) -> "Talk":
        """What counts once ``text`` was said too: a request of its own, or a new start, replaces the lines before."""
        words = _Words(text)
        offer = words.offer()
        if words.finds("afresh"):
            return Talk(lines=(text,), offer=offer)
        lines = (text,) if words.finds("begins") else (*self.lines, text)[-_LINES:]
        return Talk(lines=lines, offer=offer or self.offer)


def check(text: str) -> Refusal | None:
    """Why ``text`` may not be targeted; None when it may."""
    return _Words(text).aimed()


def check_turn(text: str, talk: Talk, spec: AudienceSpec | None = None) -> Refusal | None:
    """Like ``check``, for a message in the light of the conversation so far and of the audience on the page.

    A message that starts over is judged by itself.
    """
    words, after = _Words(text), talk.after(text)
    earlier = after.lines[:-1]
    if refusal := words.aimed() or _check_follow_up(words, earlier):
        return refusal
    if words.finds("afresh"):
        return None
    said = [_Words(each) for each in (*earlier, *(_said(spec) if spec else ()))]
    return _Words(". ".join(after.lines[-2:])).aimed() or _check_offer([words, *said], talk.offer, spec)


def check_spec(spec: AudienceSpec, talk: Talk | None = None) -> Refusal | None:
    """Like ``check``, for a whole audience: its sentence, its conditions on the past, and its filters together."""
    talk = talk or Talk()
    said = [_Words(each) for each in _said(spec)]
    for words in said:
        if refusal := words.aimed():
            return refusal
    return _check_offer([*said, *map(_Words, talk.lines)], talk.offer, spec)


def permit(spec: AudienceSpec) -> None:
    """``check_spec`` for those who do not converse.

    Raises:
        RequestError: the audience is declined; the text gives the reason.
    """
    if refusal := check_spec(spec):
        raise RequestError(refusal.reason)


class _Words:
    """A text as the guard reads it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.readings = [Listed(each) for piece in pieces(text) for each in read(piece).texts]

    def aimed(self) -> Refusal | None:
        """The refusal for the restricted attribute that the text aims at."""
        found = judged(self.text)
        return _refusal(found, self.offer()) if found else None

    def follows(self) -> Refusal | None:
        """The refusal for the attribute that the text adds to a request for people."""
        found = next((found for found in (each.follows() for each in self.readings) if found), None)
        return _refusal(found) if found else None

    def offer(self) -> str:
        """The home, job or credit the text speaks of; empty when it speaks of none."""
        return next((found for found in (each.offer() for each in self.readings) if found), "")

    def finds(self, name: str) -> bool:
        """Whether the pattern called ``name`` of any language is in the text."""
        return any(each.finds(name) for each in self.readings)


def _refusal(found: Found, offer: str = "") -> Refusal:
    """Why what was found is declined; ``offer`` is the home, job or credit that is spoken of beside it."""
    offers = table("guard")["offers"]
    if found.key == offers["key"]:
        reason = reply("refused_offer", words=offer or found.words)
        return Refusal(key=offers["key"], reason=reason, words=found.words)
    category = next(each for each in table("guard")["categories"] if each["key"] == found.key)
    reason = reply("refused", words=found.words, name=category["name"])
    return Refusal(key=found.key, reason=reason, words=found.words, rest=found.rest)


def _check_follow_up(words: _Words, earlier: Sequence[str]) -> Refusal | None:
    """A trait alone ("only the black ones") is about people when the message before was about women, say."""
    return words.follows() if any(_Words(line).finds("persons") for line in earlier) else None


def _check_offer(texts: Sequence[_Words], offer: str = "", spec: AudienceSpec | None = None) -> Refusal | None:
    """Age and family status may not decide who hears of a home, a job or a credit, wherever either is said.

    Where one text says both, ``aimed`` has judged it; this is about one text and another, or the page's filters.
    """
    offers = table("guard")["offers"]
    spoken = [each.offer() for each in texts]
    fields = [each.field for each in spec.filters] if spec else []
    chosen = any(re.search(offers["fields"], each, re.I) for each in fields)
    for place, each in enumerate(texts):
        elsewhere = offer or next((found for other, found in enumerate(spoken) if found and other != place), "")
        if elsewhere and each.finds("trait"):
            return _refusal(Found(offers["key"], elsewhere, ""))
    found = offer or next(filter(None, spoken), "")
    return _refusal(Found(offers["key"], found, "")) if found and chosen else None


def _said(spec: AudienceSpec) -> tuple[str, ...]:
    """Everything an audience says, one text each."""
    filters = (f"{each.field} {' '.join(each.values)}" for each in spec.filters)
    things = (*(each.what for each in spec.behaviours), *(each.what for each in spec.life_cycle))
    return (spec.demand, *things, *filters)
