"""What users did or did not do before, in a person's English."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from encoders.text.words import COUNT, days_of, number_of
from prompts.loader import table
from tools.sentences.clauses import NOT, PERSON, Phrasing, past
from tools.sentences.spans import SPAN, back_in
from tools.types import ANYTHING, Behaviour, DataCard

IT = "it"
"""As what was done: what the demand itself is about."""

_WORDS = table("past_words")["words"]
_BARE_PAST = r"bought|purchased"
"""Verbs that speak of the past whatever stands before them."""
_PAST = _WORDS["past"]
_BASE = _WORDS["base"]
_COMING = _WORDS["coming"]
_COMING_BASE = _WORDS["coming_base"]
_HERE = _WORDS["here"]
_SPENT = _WORDS["spent"]
_ADVERBS = _WORDS["adverbs"]
_WHO = _WORDS["who"]
_HAVE = _WORDS["have"]
_DID_NOT = _WORDS["did_not"]
_IF = r"(?:(?:only\s+)?(?:if|where|when|as\s+long\s+as)\s+)?"
_PREFIX = (
    rf"(?P<out>{NOT})?(?:(?:{_IF}{_WHO})\s+|(?:but|and|also|plus|,)\s+(?=(?:have|has|had|never|did|do|must|should)))?"
)
_ONES = rf"(?:(?:the|those|our|any|all|other)\s+)*(?:{PERSON}|anyone|anybody|everyone|everybody|those|whoever)\s+"

_END = re.compile(_WORDS["end"], re.I)
_BEFORE = re.compile(_WORDS["before"], re.I)
_RECENTLY = re.compile(r"\b(?:recently|lately|of\s+late|just)\b", re.IGNORECASE)
_RECENT_DAYS = 30
_USERS = re.compile(
    rf"(?:^|[,.;:!?(+]|\b(?:and|but|or|if|only|also|just|they|must|should|who|that|which|those|anyone|everyone|{PERSON}))\s*$",
    re.I,
)
"""What a condition on users may stand behind; it is no condition where somebody else is spoken of."""
_SAID_WHO = re.compile(rf"(?:{NOT})?(?:{_ONES})?{_IF}{_WHO}\b|(?:but|and|also|plus|,)", re.I)
_POSSESSED = re.compile(r"(?:'s|'ve|\bhave|\bhas)\s+got$", re.I)
_NOTHING = re.compile(r"^\s*(?:nothing\b|no\s+)", re.I)
_EACH = re.compile(r"\b(?:a|per|each|every)\s+(?P<unit>week|fortnight|month|quarter|year)\b", re.I)
_AT_LEAST = r"(?:at\s+least|no\s+(?:fewer|less)\s+than|a\s+minimum\s+of|minimum|min\.?)"
_MORE = r"(?:more\s+than|over|above|upwards?\s+of|>)"
_TIMES = (
    re.compile(
        rf"\b(?:on\s+)?{_AT_LEAST}\s+(?P<n>{COUNT})\s*(?:different\s+|separate\s+)?(?:times|x\b|days|occasions)", re.I
    ),
    re.compile(rf"\b(?P<over>{_MORE})\s*(?P<n>{COUNT})\s*(?:times|x\b|occasions)", re.I),
    re.compile(rf"\b(?P<n>{COUNT})\s*(?:\+|plus|or\s+more)\s*(?:times|x\b|occasions)", re.I),
    re.compile(
        rf"\b(?:on\s+)?(?P<n>{COUNT})\s*(?:times|x\b|occasions)(?:\s*(?:\+|or\s+more|plus|at\s+least|minimum))?", re.I
    ),
    re.compile(
        r"\b(?:at\s+least\s+|(?P<over>more\s+than\s+))?(?P<twice>twice|thrice|more\s+than\s+once|repeatedly|multiple\s+times|several\s+times|again\s+and\s+again)\b(?:\s+or\s+more|\s*\+)?",
        re.I,
    ),
)
_SO_MANY = (
    re.compile(rf"^(?P<lead>\s*){_AT_LEAST}\s+(?P<n>{COUNT})\s+(?!days?\b|weeks?\b|months?\b)", re.I),
    re.compile(rf"^(?P<lead>\s*)(?P<over>{_MORE})\s+(?P<n>{COUNT})\s+(?!days?\b|weeks?\b|months?\b)", re.I),
    re.compile(rf"^(?P<lead>\s*)(?P<n>{COUNT})\s*(?:\+|or\s+more|plus)\s+", re.I),
    re.compile(r"^(?P<lead>\s*)(?P<n>\d+)\s+(?=.*\bor\s+more\b)", re.I),
)  # fmt: skip
_TRAILING_MORE = re.compile(r"\s+or\s+more\b", re.I)
_MONEY = _WORDS["money"]
_AMOUNT = re.compile(
    rf"\b(?P<lead>{_PREFIX}{_HAVE}{_ADVERBS})(?:{_SPENT})\s+(?:(?:in\s+total\s+|altogether\s+)?"
    rf"(?:(?P<least>{_AT_LEAST}|{_MORE})|(?P<less>less\s+than|under|below|at\s+most|up\s+to))\s*)?{_MONEY}(?:\s*(?:\+|or\s+more|plus))?"
    r"(?P<here>(?:\s+(?:with\s+us|here|in\s+(?:the|our)\s+(?:shop|store)s?|in\s+total|in\s+all|altogether|or\s+so|each|already))*)",
    re.I,
)
_WORTH = re.compile(rf"\b(?:worth|for)\s+(?:{_AT_LEAST}|{_MORE})\s*{_MONEY}(?:\s+in\s+(?:all|total))?", re.I)
_ARTICLES = re.compile(r"^(?:(?:a|an|any|some|our|the|their|of|more|lots\s+of|single|kind\s+of|on|for)\s+)+", re.I)
_PRONOUN = re.compile(_WORDS["pronoun"], re.I)
_ALL = re.compile(r"^(?:anything|something|stuff|things|goods|products)?$", re.I)


@dataclass(frozen=True)
class SpottedCondition:
    """A condition on the past, and where its words stand in the text."""

    behaviours: tuple[Behaviour, ...]
    start: int
    end: int


class _Thing(NamedTuple):
    """What stands behind a verb: the thing, how often and since when."""

    what: str
    days: int | None
    times: int | None
    amount: float | None
    end: int


class PastReader:
    """Reads conditions on the past of one data set."""

    def __init__(self, card: DataCard) -> None:
        """Know the wordings of its sources."""
        self._card = card
        self._phrasing = Phrasing.of(card)
        own = {self._phrasing.wording(each.source).verb for each in card.sources if each.wording}
        verbs_past = "|".join([_PAST, *(re.escape(past(verb)) for verb in sorted(own))])
        verbs_base = "|".join([_BASE, *map(re.escape, sorted(own))])
        any_verb = rf"{verbs_past}|{verbs_base}"
        more = r"(?=more|over|longer|at\s+least)"
        end = r"(?=\s|$|[,.;:!?])"
        bare = rf"(?<![-\w])(?<!store )(?<!shop )(?:{_BARE_PAST}){end}"
        on = r"(?=\s)(?!\s+not\b)"
        self._forms = (
            ("ago", rf"\b{_PREFIX}(?:{_HAVE})last\s+(?:{verbs_past})\s+"),
            ("ago all", rf"\b{_PREFIX}(?:{_HAVE})last\s+(?:{_COMING}|bought|purchased|ordered|active){_HERE}\s*{more}"),
            ("not all", rf"\b{_PREFIX}{_DID_NOT}\s+{_ADVERBS}(?:{_COMING}|{_COMING_BASE})\b{_HERE}"),
            (
                "not",
                rf"\b{_PREFIX}(?:have\s+|has\s+|had\s+)?{_DID_NOT}\s+{_ADVERBS}(?:had\s+(?:a|any)\s+|{any_verb}){end}",
            ),
            ("did", rf"\b{_PREFIX}{_HAVE}{_ADVERBS}{bare}"),
            ("did", rf"\b(?P<out>{NOT})?(?:{_ONES})?{_IF}{_WHO}\s*{_HAVE}{_ADVERBS}(?:{verbs_past}){on}"),
            ("did", rf"\b(?P<out>{NOT})?(?:{_ONES})?(?:have|has)\s+{_ADVERBS}(?:{verbs_past}){on}"),
            ("did", rf"\b(?P<out>{NOT}){_ONES}(?:{verbs_past}){on}"),
            ("did", rf"\b(?:and|who|that|they)\s+did\s+(?:{verbs_base})(?=\s)"),
            *(("did", rf"\b{_PREFIX}{_HAVE}{_ADVERBS}{words}") for words in self._other_sources()),
        )

    def next(self, text: str) -> SpottedCondition | None:
        """The first condition on the past in a text; None where there is none."""
        for find in (self._last_purchase, self._amount, self._time_of, self._verbs, self._nothing_since):
            if found := find(text):
                return found
        return None

    # --- forms ------------------------------------------------------------------------------------

    def _last_purchase(self, text: str) -> SpottedCondition | None:
        """Such as "whose last coffee purchase was over 60 days ago"."""
        match = re.search(
            rf"\b(?:whose|with\s+(?:a|their)|their|the)\s+last\s+(?P<what>[^,.;:!?]*?)\s*(?:purchase|order|buy|visit|shop|rating|view(?:ing)?|time)s?\s+"
            rf"(?:was|is|being|were|of\s+[^,.;]*?was)?\s*(?:more\s+than|over|longer\s+than|at\s+least)\s*(?:{SPAN})\s+(?:ago|back)\b",
            text,
            re.I,
        )
        if match is None:
            return None
        days = days_of(match["count"], match["unit"])
        return SpottedCondition(
            (Behaviour(did=True, what=_named(match["what"], ANYTHING), days=days, ago=True),), *match.span()
        )

    def _amount(self, text: str) -> SpottedCondition | None:
        """Such as "spent more than $100 on pet food this year"."""
        match = _AMOUNT.search(text)
        if match is None:
            return None
        digits = match["m1"] or match["m2"]
        if (
            match["m2"]
            and not re.search(r"(?:dollars?|bucks|euros?|pounds?|quid|usd|eur|gbp)\s*(?:or\s+more)?", match[0], re.I)
            and not match["least"]
        ):
            return None
        amount = float(digits.replace(",", "")) * (1000 if match["k1"] or match["k2"] else 1)
        rest = re.compile(r"\s*(?:or\s+more\s+)?(?:on|for|in)\s+(?!the\s+(?:last|past)|last|this|\d)", re.I).match(
            text, match.end()
        )
        found = self._thing(text, rest.end() if rest else match.end(), bare=rest is None)
        if not 0 < amount <= 1e9:
            return None
        did = not match["less"] and not match["out"]
        wanted = Behaviour(did=did, what=_named(found.what, ANYTHING), days=found.days, amount=amount)
        return SpottedCondition((wanted,), match.start(), found.end)

    def _time_of(self, text: str) -> SpottedCondition | None:
        """Such as "excluding last month's cat food buyers", "last month's coffee buyers"."""
        match = re.search(
            rf"(?P<out>\b{NOT})?\b(?:the\s+)?(?P<when>(?:last|past|this|previous)\s+(?:week|month|quarter|year)['’]s)\s+(?P<what>(?:[\w&'-]+\s+){{0,4}}?)(?!audience)(?:{PERSON})\b",
            text,
            re.I,
        )
        if match is None:
            return None
        back = back_in(match["when"], self._card.as_of)
        wanted = Behaviour(did=not match["out"], what=_named(match["what"], IT), days=back[0] if back else None)
        return SpottedCondition((wanted,), *match.span())

    def _verbs(self, text: str) -> SpottedCondition | None:
        best: tuple[int, int, str, re.Match[str]] | None = None
        for rank, (kind, form) in enumerate(self._forms):
            for match in re.finditer(form, text, re.I):
                if not _speaks_of_users(match, text):
                    continue
                if best is None or (match.start(), rank) < (best[0], best[1]):
                    best = match.start(), rank, kind, match
                break
        if best is None:
            return None
        _, _, kind, match = best
        return self._read(kind, match, text)

    def _read(self, kind: str, match: re.Match[str], text: str) -> SpottedCondition | None:
        out = bool(match.groupdict().get("out"))
        source, place = self._source(match, text)
        found = self._thing(text, place, bare=kind.endswith("all"))
        if kind.startswith("ago"):
            ago = re.search(
                rf"(?:more\s+than|over|longer\s+than|at\s+least)\s*(?:{SPAN})\s+(?:ago|back)\b",
                text[match.end() :],
                re.I,
            )
            if ago is None:
                return None
            what = ANYTHING if kind == "ago all" else _named(text[match.end() : match.end() + ago.start()], IT)
            wanted = Behaviour(did=True, what=what, days=days_of(ago["count"], ago["unit"]), ago=True)
            return SpottedCondition((wanted,), match.start(), match.end() + ago.end())
        source, found = self._said_behind(match, source, found)
        did = kind == "did"
        if did and (nothing := _NOTHING.match(found.what)):
            did, found = False, found._replace(what=found.what[nothing.end() :])
            kind = "not" if found.what.strip() else "not all"
        what = ANYTHING if kind.endswith("all") else _named(found.what, IT)
        if kind == "not" and _ALL.match(found.what) and found.what:
            what = ANYTHING
        if what.casefold() in ("anything", "something"):
            what = ANYTHING
        times, days, amount = found.times, found.days, found.amount
        recently = _RECENTLY.search(match[0]) or _RECENTLY.search(text[place : found.end])
        if recently and days is None:
            days = _RECENT_DAYS
        wanted = Behaviour(
            did=did != out, what=what, days=days, source=source, times=times if amount is None else None, amount=amount
        )
        end, others = self._continued(text, found.end, wanted)
        return SpottedCondition((*self._with_habit(text[: match.start()], wanted), *others), match.start(), end)

    def _source(self, match: re.Match[str], text: str) -> tuple[str, int]:
        """The source that a verb speaks of, and where the thing begins: the main one unless another's words follow."""
        verb = match[0].split()[-1].lower() if match[0].split() else ""
        for source in (each.source for each in self._card.sources if each.source != self._card.main_source):
            said = self._phrasing.wording(source)
            noun = source.lower().rstrip("s")
            if said.before and verb in (said.verb, past(said.verb), "used", "use", "had", "got"):
                words = re.compile(
                    rf"\s*(?:{re.escape(said.before)}|(?:an?\s+|the\s+)?{re.escape(noun)}s?\s+(?:for|on|of))\s+", re.I
                )
                if follows := words.match(text, match.end()):
                    return source, follows.end()
        return "", match.end()

    def _said_behind(self, match: re.Match[str], source: str, found: _Thing) -> tuple[str, _Thing]:
        """The source whose words end behind the thing ("rated dramas below four stars"), and the thing without them."""
        verb, what = (match[0].split() or [""])[-1].lower(), " ".join(found.what.split())
        for each in self._card.sources:
            said = self._phrasing.wording(each.source)
            told = each.wording and not said.before and said.after and verb in (said.verb, past(said.verb))
            if told and each.source != self._card.main_source and what.lower().endswith(f" {said.after.lower()}"):
                return each.source, found._replace(what=what[: -len(said.after)])
        return source, found

    def _other_sources(self) -> Iterator[str]:
        """The words of the other sources, in the past, as far as they cannot be those of the main one."""
        for each in self._card.sources:
            said = self._phrasing.wording(each.source)
            if each.source != self._card.main_source and each.wording and said.before:
                yield rf"(?:{re.escape(past(said.verb))}|used)(?=\s+{re.escape(said.before)}\s)"

    def _nothing_since(self, text: str) -> SpottedCondition | None:
        """Such as "no coffee in the last 30 days", "but not in the last 30 days"."""
        match = re.search(
            r"\b(?:but|and|with|who\s+had)?\s*(?P<no>no|not|none|nothing|without(?:\s+any)?)\s+", text, re.I
        )
        while match is not None:
            found = back_in(text[match.end() :], self._card.as_of)
            if found is not None:
                days, start, end = found
                what = text[match.end() : match.end() + start]
                if not _END.search(what) and len(what.split()) <= 5:
                    what = re.sub(
                        r"\b(?:purchases?|orders?|visits?|views?|ratings?|bought|at\s+all)\s*$",
                        "",
                        what.strip(),
                        flags=re.I,
                    )
                    named = ANYTHING if match["no"].lower() == "nothing" and not what.strip() else _named(what, IT)
                    return SpottedCondition(
                        (Behaviour(did=False, what=named, days=days),), match.start(), match.end() + end
                    )
            place = match.end()
            match = re.compile(r"\b(?:but|and|with)?\s*(?P<no>no|not|none|nothing|without)\s+", re.I).search(
                text, place
            )
        return None

    # --- what stands behind a verb ----------------------------------------------------------------

    def _thing(self, text: str, start: int, bare: bool) -> _Thing:
        """The thing with its limits, up to where something else begins; ``bare``: there are limits only."""
        stop = _END.search(text, start)
        end = stop.start() if stop else len(text)
        piece = text[start:end]
        amount = None
        if worth := _WORTH.search(piece):
            digits = worth["m1"] or worth["m2"]
            amount, piece = float(digits.replace(",", "")) or None, _blank(piece, worth.start(), worth.end())
        back = back_in(piece, self._card.as_of, loosely=True)
        days: int | None = None
        if back:
            days, piece = back[0], _blank(piece, back[1], back[2])
            if not bare and piece[back[2] :].strip() and not _BEFORE.search(piece[back[2] :]):
                end = start + back[2] if not _counted(piece[back[2] :]) else end
                piece = piece[: back[2]] if not _counted(piece[back[2] :]) else piece
        if days is None and (each := _EACH.search(piece)):
            days, piece = days_of(None, each["unit"]), _blank(piece, *each.span())
        times, piece = _times(piece)
        if bare:
            end = start + back[2] if back else start
            if words := re.compile(rf"{_HERE}\s*").match(text, start):
                end = max(end, words.end())
        return _Thing(_BEFORE.sub(" ", piece), days, times, amount, end)

    def _continued(self, text: str, end: int, first: Behaviour) -> tuple[int, tuple[Behaviour, ...]]:
        """What a clause goes on with about the same thing: "but not in the last 3 months"."""
        match = re.compile(
            r"\s*,?\s*(?:but|and|yet|though|just)\s+(?:(?:have|has|had|did|do)(?:n't|nt|\s+not)(?:\s+(?:since|done\s+so|bought|got|had|watched|seen|purchased|it|them|any))*|"
            r"not|never|nothing|none|no\s+longer)\s*(?:(?:any(?:thing)?|it|them|since|at\s+all|once|lately|recently)\s*)*",
            re.I,
        ).match(text, end)
        if match is None or not first.did:
            return end, ()
        back = back_in(text[match.end() :], self._card.as_of, loosely=True)
        if back is None or back[1] > 2:
            return end, ()
        return match.end() + back[2], (_not_since(first, back[0]),)

    def _with_habit(self, before: str, wanted: Behaviour) -> tuple[Behaviour, ...]:
        """Such as "tea drinkers who haven't bought tea in 60 days" have bought it: the last time longer ago."""
        if wanted.did or wanted.days is None or wanted.times or wanted.what in (ANYTHING, IT):
            return (wanted,)
        habit = rf"\b{re.escape(wanted.what)}\s+(?:{PERSON}|customers)\s*$"
        if not re.search(habit, before, re.I):
            return (wanted,)
        return (wanted.model_copy(update={"did": True, "ago": True}),)


def _speaks_of_users(match: re.Match[str], text: str) -> bool:
    """Whether it is users who did it, and nobody else in a story around the request."""
    if _POSSESSED.search(match[0]):
        return False
    return bool(_SAID_WHO.match(match[0]) or _USERS.search(text[: match.start()]))


def _not_since(first: Behaviour, days: int) -> Behaviour:
    """That the same was not done in so many days."""
    return Behaviour(did=False, what=first.what, source=first.source, days=days)


def _blank(text: str, start: int, end: int) -> str:
    """The text with a stretch of it blank, so that places stay where they are."""
    return text[:start] + " " * (end - start) + text[end:]


def _counted(text: str) -> bool:
    return any(form.search(text) for form in _TIMES)


def _times(piece: str) -> tuple[int | None, str]:
    """On how many days at least, and the text without the words."""
    for form in _TIMES:
        if match := form.search(piece):
            found = match.groupdict()
            if found.get("twice"):
                number = (3 if "thrice" in found["twice"].lower() else 2) + bool(found.get("over"))
            else:
                number = int(number_of(found["n"])) + bool(found.get("over"))
            return max(1, number), _blank(piece, *match.span())
    for form in _SO_MANY:
        if match := form.search(piece):
            number = int(number_of(match["n"])) + bool(match.groupdict().get("over"))
            rest = piece[match.end() :]
            return max(1, number), " " * match.end() + _TRAILING_MORE.sub(lambda each: " " * len(each[0]), rest)
    return None, piece


def _named(words: str, otherwise: str) -> str:
    """The thing in some words, without articles; ``otherwise`` where they name none."""
    named = " ".join(words.strip(" '\"").split())
    named = _ARTICLES.sub("", f"{named} ").strip(" .,'\"-")
    return otherwise if _PRONOUN.match(named) else named[:500]
