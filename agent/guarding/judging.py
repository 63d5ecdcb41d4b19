"""The verdict on one text: the word lists and the classifier together."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from agent.guarding.classifier import Opinion, classifier, compared
from agent.guarding.lists import Found, Listed, aimed_at
from agent.guarding.reading import read, sentences
from prompts.loader import table

PIECE = 2000
"""Characters that are judged at once; a longer text is judged in pieces that overlap."""

_OVERLAP = 200
_WIDEST = 80
"""Characters of a sentence that are repeated in the reason, where no single words can be named."""


@lru_cache(maxsize=8192)
def judged(text: str) -> Found | None:
    """The restricted attribute that ``text`` aims at, with the words that say so; None when it aims at none."""
    return next((found for found in map(_judged, pieces(text)) if found), None)


def read_ahead(texts: Iterable[str]) -> None:
    """Embed many texts together that are judged soon; one by one takes several times as long."""
    classifier().opinions(sentence for text in texts for piece in pieces(text) for sentence in _sentences(piece))


def pieces(text: str) -> Iterator[str]:
    """``text`` in parts of at most ``PIECE`` characters, each once, cut between words where there are any."""
    parts: dict[str, None] = {}
    start = 0
    while len(text) - start > PIECE:
        space = text.rfind(" ", start + PIECE - _OVERLAP, start + PIECE)
        end = space if space > start else start + PIECE
        parts[text[start:end]] = None
        start = end - _OVERLAP
    parts[text[start:]] = None
    yield from parts


def _judged(piece: str) -> Found | None:
    found = _verdict(piece)
    if found is None or found.key not in table("guard")["works"]["categories"]:
        return found
    rest = _works().sub(lambda work: work["before"] or work["after"] or work["made"], piece)
    return found if rest == piece else _verdict(rest)


def _verdict(piece: str) -> Found | None:
    if _courteous(piece):
        return None
    found, settings = listed(piece), classifier().settings
    told = _sentences(piece)
    opinions = classifier().opinions(told)
    scores = compared([each.score for each in opinions])
    score, place = max(((each, place) for place, each in enumerate(scores)), default=(float("-inf"), 0))
    if score < settings.needed(found):
        return None
    return found or Found(opinions[place].category, _quoted(told, opinions, place), "")


def listed(text: str) -> Found | None:
    """What the word lists find: words for an attribute, or age or family beside a home, a job or credit."""
    texts = read(text).texts
    if found := next((hit for hit in map(aimed_at, texts) if hit), None):
        return found
    views = [Listed(each) for each in texts]
    offer = next((each.offer() for each in views if each.offer()), "")
    if offer and any(each.finds("trait") for each in views):
        return Found(table("guard")["offers"]["key"], offer, "")
    return None


def _quoted(told: tuple[str, ...], opinions: list[Opinion], place: int) -> str:
    """The shortest sentence that is declined for the same attribute."""
    settings, key = classifier().settings, opinions[place].category
    alike = [
        text for text, one in zip(told, opinions, strict=True) if one.category == key and one.score >= settings.declined
    ]
    words = min(alike, key=len)
    return words if len(words) <= _WIDEST else f"{words[: _WIDEST - 1]}…"


def _sentences(piece: str) -> tuple[str, ...]:
    """What the classifier reads: without words that say how people buy, or that they like healthy food."""
    return () if _courteous(piece) else sentences(_plain().sub(" ", read(piece).repaired))


@lru_cache
def _plain() -> re.Pattern[str]:
    either = "|".join(table("guard")["plain"])
    return re.compile(rf"\b(?:{either})(?!\w)", re.IGNORECASE)


@lru_cache
def _works() -> re.Pattern[str]:
    """Films and the like, with the words that say what they are about; never with those that say who watches them."""
    works = table("guard")["works"]
    noun, made_of, about, watchers = ("|".join(works[name]) for name in ("nouns", "made_of", "about", "watchers"))
    ends = r"(?=\s*(?:$|[.,;:!?\n]|\b(?:who|that|which|and|but|with|in the|die|der|und|qui|que|et|y)\b))"
    describes = "".join(
        rf"(?<!\b{word} )" for word in ("are", "is", "were", "being", "has", "have", "sind", "sont", "son")
    )
    return re.compile(
        rf"(?:{describes}\b[\w-]+ )?\b(?P<after>{noun}|{made_of}) (?:{about})(?: [\w'’-]+){{1,7}}?{ends}"
        rf"|\b(?P<made>{made_of}) [\w-]+"
        rf"|{describes}\b[\w-]+ (?P<before>{noun})\b(?![ -](?:{watchers})\b)",
        re.IGNORECASE,
    )


@lru_cache
def _courtesies() -> re.Pattern[str]:
    either = "|".join(table("guard")["courtesies"])
    return re.compile(rf"(?:\W*(?:{either})(?!\w))+\W*", re.IGNORECASE)


def _courteous(text: str) -> bool:
    """Whether a message is courtesy or an order to the page and nothing else."""
    return len(text) <= PIECE and bool(_courtesies().fullmatch(text))
