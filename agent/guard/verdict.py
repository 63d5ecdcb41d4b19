"""What may not be targeted, and why: the verdict on a text, a message in its talk, or an audience."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from agent.guard.classifier import Opinion, classifier, compared
from agent.guard.spelling import repair, without_underscores
from agent.guard.word_lists import Listed, WordListHit, aimed_at, fold_letters, plain_text
from encoders.errors import RequestError
from prompts.loader import reply, table
from tools.types import AudienceSpec

# --- One text as the guard judges it: made plain, with its words repaired, and cut into sentences
#     without courtesies ---


_END = re.compile(r"(?<=\w\w)[.!?;:]+(?=\s|$)|[\n。！？；!?]+|\s+[/|]\s+|(?<=[\u3400-\u9fff])[:;]")
_NOISE = re.compile(r"[^\w\s'’.,%&/+-]+|(?<!\w)[-/.,+&%']+(?!\w)")
_MOST = 12
"""Sentences of one piece of text that are judged one by one; more are judged together."""


class GuardReading(NamedTuple):
    """A text in plain letters, and the same with its words repaired."""

    plain: str
    repaired: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What the word lists are held against."""
        return tuple(dict.fromkeys((self.plain, self.repaired)))


@lru_cache(maxsize=4096)
def read(text: str) -> GuardReading:
    """Read ``text`` but for what it orders and says of its sender; time is in proportion to its length."""
    plain = plain_text(without_underscores(fold_letters(text)))
    return GuardReading(_about_people(plain), _about_people(repair(plain)))


def _about_people(text: str) -> str:
    """The text without what it orders the program and what it says of who sends it, unless nothing else is left."""
    for name, most in (("orders", 0), ("senders", 1)):
        rest = " ".join(_asides(name).sub(" ", text, count=most).split())
        text = rest if sum(map(str.isalnum, rest)) > 3 else text
    return text


@lru_cache
def _asides(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=[,.;:!?] ))(?:{'|'.join(table('guard')[name])})", re.IGNORECASE)


@lru_cache(maxsize=4096)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a repaired text and, where there are several, all of them together; none for courtesy alone."""
    found = [each for each in (_bare(part) for part in _END.split(text.lower())) if each]
    found = list(dict.fromkeys(found))
    if len(found) > _MOST:
        step = -(-len(found) // _MOST)
        found = [" ".join(found[place : place + step]) for place in range(0, len(found), step)]
    return tuple(dict.fromkeys((*found, ". ".join(found)))) if found else ()


def _bare(sentence: str) -> str:
    """A sentence without courtesies before and after it, and without signs that say nothing."""
    sentence = _courtesy("closers", r"(?:\W+(?:{})(?!\w))+\W*$|\W+$").sub("", sentence)
    opener = _courtesy("openers", r"\W*(?:{})(?!\w)\W*|\W*(?:你好|您好|请|請|谢谢|麻烦|麻煩)\W*")
    while match := opener.match(sentence):
        sentence = sentence[match.end() :]
    return " ".join(_NOISE.sub(" ", sentence).split())


@lru_cache
def _courtesy(name: str, pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("{}", "|".join(table("guard")[name])))


# --- What may not be targeted, and why: the verdict on a text, a message in its talk, or an audience


PIECE = 2000
"""Characters that are judged at once; a longer text is judged in pieces that overlap."""

_OVERLAP = 200
_WIDEST = 80
"""Characters of a sentence that are repeated in the reason, where no single words can be named."""


_CLAUSE = re.compile(r"[,.:;](?:\s|$)")
_LONG = 12
"""Words of a text from which on what is around the words of the lists is judged by itself, too."""
_BESIDE = 6


@lru_cache(maxsize=8192)
def judged(text: str) -> WordListHit | None:
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


def _judged(piece: str) -> WordListHit | None:
    found = _verdict(piece)
    if found is None or found.key not in table("guard")["works"]["categories"]:
        return found
    rest = _works().sub(lambda work: _work_alone(work, found.key), piece)
    rest = _celebrations().sub(table("guard")["works"]["celebration"], rest)
    return found if rest == piece else _verdict(rest)


@lru_cache
def _celebrations() -> re.Pattern[str]:
    """A party that people are at, or throw."""
    return re.compile(table("guard")["works"]["celebrations"], re.IGNORECASE)


def _work_alone(work: re.Match[str], key: str) -> str:
    """A film or the like without its title and what it is about; an adjective says of some traits who watches it."""
    said = work.group()
    if key in table("guard")["works"]["adjectives_stay"] and (work["made"] or work["before"]):
        return said.removesuffix(work["named"] or "")
    return work["after"] or work["titled"] or work["made"] or work["before"]


def _verdict(piece: str) -> WordListHit | None:
    if _courteous(piece):
        return None
    told, settings = _sentences(piece), classifier().settings
    found = _of_people(piece, told)
    opinions = classifier().opinions(told)
    scores = compared([each.score for each in opinions])
    score, place = max(((each, place) for place, each in enumerate(scores)), default=(float("-inf"), 0))
    needed = settings.needed(found)
    if found and needed == settings.named and (near := _around(found.words, told)):
        score = max(compared([classifier().opinions([near])[0].score, score]))
    if score < needed:
        return None
    return found or WordListHit(opinions[place].category, _quoted(told, opinions, place), "")


def _of_people(piece: str, told: tuple[str, ...]) -> WordListHit | None:
    """What the word lists find; a greeting before them does not keep words from being about people."""
    found = listed(piece)
    if found is None or found.of_people:
        return found
    return next((hit for hit in map(listed, told) if hit and hit.of_people and hit.key == found.key), found)


def _around(words: str, told: tuple[str, ...]) -> str:
    """The words of the lists with those beside them in their clause; nothing where that is all there is, or nearly.

    In a long text about other things, the score of the whole says little of a few words. They need as much more as a
    sentence by itself does.
    """
    whole = told[-1] if told else ""
    start = whole.find(words.lower())
    if start < 0 or len(whole.split()) < _LONG:
        return ""
    before = _CLAUSE.split(whole[:start])[-1].split()[-_BESIDE:]
    after = _CLAUSE.split(whole[start + len(words) :])[0].split()[:_BESIDE]
    near = " ".join((*before, words.lower(), *after))
    return "" if near == whole else near


def listed(text: str) -> WordListHit | None:
    """What the word lists find: words for an attribute, age or family beside an offer, minors beside goods of age."""
    texts = read(text).texts
    if found := next((hit for hit in map(aimed_at, texts) if hit), None):
        return found
    views = [Listed(each) for each in texts]
    offer = next((each.offer() for each in views if each.offer()), "")
    if offer and any(each.finds("trait") for each in views):
        return WordListHit(table("guard")["offers"]["key"], offer, "")
    goods = next((each.goods() for each in views if each.goods()), "")
    if goods and any(each.finds("minors") for each in views):
        return WordListHit(table("guard")["goods"]["key"], goods, "")
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


_LINKS = "of|the|in|de|du|des|la|le|di|del|della|der|von|et|and|und|y|e"
"""Small words within a title."""


@lru_cache
def _works() -> re.Pattern[str]:
    """Films and the like, with the words that say what they are about; never with those that say who watches them."""
    works = table("guard")["works"]
    noun, made_of, about, watchers, told_in, article = (
        "|".join(works[name]) for name in ("nouns", "made_of", "about", "watchers", "told_in", "articles")
    )
    name = rf"(?-i:(?:{article}) ?[^\W\d_][\w'’-]*(?:(?: (?:{_LINKS}))* (?:[ld]['’])?[A-ZÀ-Þ][\w'’-]*)*)"
    title = rf"(?: (?:{name}|[«„“\"][^«»„“”\"]{{2,60}}[»“”\"]))"
    ends = r"(?=\s*(?:$|[.,;:!?\n]|\b(?:who|that|which|and|but|with|in the|die|der|und|qui|que|et|y)\b))"
    describes = "".join(
        rf"(?<!\b{word} )" for word in ("are", "is", "were", "being", "has", "have", "sind", "sont", "son")
    )
    return re.compile(
        rf"(?:{describes}\b[\w-]+ )?\b(?P<after>{noun}|{made_of}) (?:{about})(?: [\w'’-]+){{1,7}}?{ends}"
        rf"|\b(?P<titled>{noun}|{made_of}|{told_in}){title}"
        rf"|\b(?P<made>{made_of}) [\w-]+"
        rf"|{describes}\b[\w-]+ (?P<before>{noun})\b(?![ -](?:{watchers})\b)(?P<named>{title})?",
        re.IGNORECASE,
    )


@lru_cache
def _courtesies() -> re.Pattern[str]:
    either = "|".join(table("guard")["courtesies"])
    return re.compile(rf"(?:\W*(?:{either})(?!\w))+\W*", re.IGNORECASE)


def _courteous(text: str) -> bool:
    """Whether a message is courtesy or an order to the page and nothing else."""
    return len(text) <= PIECE and bool(_courtesies().fullmatch(text))


_LINES = 6
_NEAR = 0.3
"""Cosine of two texts from which on one may stand for the other, as "baby food" does for "pregnant"."""
_HINT = -2.0
"""Score from which on the classifier sees something of a trait in a thing."""


class Refusal(BaseModel):
    """Why a demand is declined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Name of the restricted attribute, as advertising protocols write it where they know it."""
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


class JudgedTalk(BaseModel):
    """What of a conversation still counts when the next message is judged; messages that were declined do not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: tuple[str, ...] = Field((), description="the present request, and what was added to it")
    offer: str = Field("", description="the home, job or credit that it is for; stays until another subject is named")

    def after(self, text: str) -> "JudgedTalk":
        """What counts once ``text`` was said too: a request of its own, or a new start, replaces the lines before."""
        words = _Words(text)
        offer = words.offer()
        if words.finds("afresh"):
            return JudgedTalk(lines=(text,), offer=offer)
        lines = (text,) if words.finds("begins") else (*self.lines, text)[-_LINES:]
        return JudgedTalk(lines=lines, offer=offer or self.offer)


def check(text: str) -> Refusal | None:
    """Why ``text`` may not be targeted; None when it may."""
    return _Words(text).aimed()


def check_turn(text: str, talk: JudgedTalk, spec: AudienceSpec | None = None) -> Refusal | None:
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
    aimed = _Words(". ".join(after.lines[-2:])).aimed() or _check_minors(words, said)
    return aimed or _check_offer([words, *said], talk.offer, spec)


def check_spec(spec: AudienceSpec, talk: JudgedTalk | None = None) -> Refusal | None:
    """Like ``check``, for a whole audience: its sentence, its conditions on the past, and its filters together."""
    talk = talk or JudgedTalk()
    for text in _aims(spec):
        if refusal := _Words(text).aimed():
            return refusal
    said = [_Words(each) for each in _said(spec)]
    if refusal := _check_goods(said, spec):
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

    def goods(self) -> str:
        """What may be sold to adults alone; empty when the text speaks of no such thing."""
        return next((found for found in (each.goods() for each in self.readings) if found), "")

    def finds(self, name: str) -> bool:
        """Whether the pattern called ``name`` of any language is in the text."""
        return any(each.finds(name) for each in self.readings)


def _refusal(found: WordListHit, offer: str = "") -> Refusal:
    """Why what was found is declined; ``offer`` is the home, job or credit that is spoken of beside it."""
    offers = table("guard")["offers"]
    if found.key == offers["key"]:
        reason = reply("refused_offer", words=offer or found.words)
        return Refusal(key=offers["key"], reason=reason, words=found.words)
    category = next(each for each in table("guard")["categories"] if each["key"] == found.key)
    own = category.get("reply")
    reason = reply(own, words=found.words) if own else reply("refused", words=found.words, name=category["name"])
    return Refusal(key=found.key, reason=reason, words=found.words, rest=found.rest)


def _check_follow_up(words: _Words, earlier: Sequence[str]) -> Refusal | None:
    """A trait alone ("only the black ones") is about people when the message before was about women, say."""
    return words.follows() if any(_Words(line).finds("persons") for line in earlier) else None


def _check_minors(words: _Words, said: Sequence[_Words]) -> Refusal | None:
    """Minors alone ("only the teenagers") are those who buy what was asked for before, or what the audience names."""
    if not any(each.narrows_to_minors() for each in words.readings):
        return None
    found = next((found for found in (each.goods() for each in said) if found), "")
    return _refusal(WordListHit(table("guard")["goods"]["key"], found, "")) if found else None


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
            return _refusal(WordListHit(offers["key"], elsewhere, ""))
    found = offer or next(filter(None, spoken), "")
    return _refusal(WordListHit(offers["key"], found, "")) if found and chosen else None


def _check_goods(texts: Sequence[_Words], spec: AudienceSpec) -> Refusal | None:
    """Goods of age in one text, and a filter of the page that picks children or teenagers by their age."""
    goods = table("guard")["goods"]
    ages = [value for each in spec.filters if re.search(goods["fields"], each.field, re.I) for value in each.values]
    if not any(re.fullmatch(goods["ages"], value.strip(), re.I) for value in ages):
        return None
    found = next((found for found in (each.goods() for each in texts) if found), "")
    return _refusal(WordListHit(goods["key"], found, "")) if found else None


def _aims(spec: AudienceSpec) -> Iterator[str]:
    """What an audience may aim at a trait by, one text each.

    Age and family status may be filtered by, but beside an offer. So the name of their field says nothing of a trait,
    and each of their values is judged by itself, whichever others stand beside it.
    """
    yield from (spec.demand, *(each.what for each in spec.behaviours), *(each.what for each in spec.life_cycle))
    for each in spec.filters:
        allowed = re.search(table("guard")["offers"]["fields"], each.field, re.IGNORECASE)
        yield from each.values if allowed else (f"{each.field} {' '.join(each.values)}",)


def _said(spec: AudienceSpec) -> tuple[str, ...]:
    """Everything an audience says, one text each."""
    filters = (f"{each.field} {' '.join(each.values)}" for each in spec.filters)
    things = (*(each.what for each in spec.behaviours), *(each.what for each in spec.life_cycle))
    return (spec.demand, *things, *filters)
