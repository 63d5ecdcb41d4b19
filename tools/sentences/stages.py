"""Stages of the life cycle, users of a source and saved audiences, as people speak of them."""

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from prompts.loader import table
from tools.sentences.spans import BACK, back_in
from tools.types import ANYTHING, Behaviour, DataCard, LifeCycle, Membership, Stage

_WORDS = table("past_words")["words"]
PERSON = _WORDS["person"]
NOT = _WORDS["not"]
_WORD = r"[a-z][a-z'&/-]*"
_THING = rf"(?P<what>(?:{_WORD}\s+){{0,2}}?{_WORD})"
_LEAD = r"(?:(?:the|our|all|any|only|just|those|these|my|most|very|more)\s+)*"


@lru_cache
def _patterns() -> tuple[tuple[Stage, re.Pattern[str]], ...]:
    """Each stage with words for it; a group ``what`` names the thing it is about."""
    found = []
    for each in table("stages")["stages"]:
        form = each["say"].replace("<person>", PERSON).replace("<thing>", _THING)
        words = re.compile(rf"\b(?P<negated>{NOT})?{_LEAD}(?:{form})", re.IGNORECASE)
        found.append((each["stage"], words))
    return tuple(found)


_WINNING = re.compile(
    r"\b(?:win|get|find|attract|gain|acquire|reach(?:ing)?|recruit|bring\s+in|for|want|need)\s+$", re.IGNORECASE
)
_TIMED: frozenset[Stage] = frozenset(("new", "regular", "loyal", "heavy", "high spending", "low spending", "inactive"))
_PRONOUN = re.compile(r"^(?:it|them|this|that|those|these|any|us|our|more|again|up|us)$", re.IGNORECASE)
_GAP = re.compile(r"\s*(?:,\s*)?")


def read_stages(text: str, as_of: date) -> tuple[tuple[LifeCycle, ...], str]:
    """Stages of the life cycle that a text names, and the text without their words."""
    found: list[LifeCycle] = []
    for stage, words in _patterns():
        while match := _first(stage, words, text):
            end, days = _window(stage, text, match.end(), as_of)
            what = " ".join((match.groupdict().get("what") or ANYTHING).split())
            thing = ANYTHING if _PRONOUN.match(what) else what
            wanted = LifeCycle(stage=stage, holds=not match["negated"], what=thing[:500], days=days)
            found.append(wanted)
            text = f"{text[: match.start()]} , {text[end:]}"
    return tuple(dict.fromkeys(found)), text


def _first(stage: Stage, words: re.Pattern[str], text: str) -> re.Match[str] | None:
    for match in words.finditer(text):
        if stage == "new" and _WINNING.search(text[: match.start()]):
            continue
        return match
    return None


def _window(stage: Stage, text: str, end: int, as_of: date) -> tuple[int, int | None]:
    """The window that is named right behind a stage, and where its words end."""
    gap = _GAP.match(text, end)
    start = gap.end() if gap else end
    match = BACK.match(text, start)
    if stage not in _TIMED or match is None:
        return end, None
    found = back_in(match[0], as_of)
    return match.end(), found[0] if found else None


def read_source_users(text: str, card: DataCard) -> tuple[tuple[Behaviour, ...], str]:
    """Users of a source other than the main one ("coupon users", "who use coupons"), and the text without the words."""
    found = []
    for source in (each.source for each in card.sources if each.source != card.main_source):
        one = re.escape(source.lower().rstrip("s"))
        things = rf"(?:any\s+|a\s+|an\s+|our\s+|the\s+|their\s+|some\s+)*{one}s?\b(?!\s+(?:for|on|of)\b)"
        using = r"(?:us(?:e[ds]?|ing)|redeem(?:ed|s|ing)?|clip(?:ped|s|ping)?|tak(?:e|en|ing)\s+up)"
        negation = r"(?P<negated>(?:(?:have|has|do|does|did)\s*(?:n't|\s+not)|never|not)\s+)?"
        forms = (
            rf"\b(?P<negated>{NOT})?{_LEAD}(?:{one}\s+(?:us(?:er|ing\s+{PERSON})s?|redeemers?|clippers?|lovers?|hunters?|{PERSON})|(?:users?|redeemers?)\s+of\s+{one}s?)\b",
            rf"\b(?:who|that)\s+(?:have\s+|has\s+|ever\s+)*{negation}(?:ever\s+)?{using}\s+{things}",
            rf"(?<!likely )\b{negation}{using}\s+{things}",
        )
        for form in forms:
            while match := re.search(form, text, re.IGNORECASE):
                end = match.end()
                days = None
                if back := BACK.match(text, end + len(text[end:]) - len(text[end:].lstrip())):
                    spotted = back_in(back[0], card.as_of)
                    days, end = (spotted[0] if spotted else None), back.end()
                found.append(Behaviour(did=not match["negated"], what=ANYTHING, source=source, days=days))
                text = f"{text[: match.start()]} , {text[end:]}"
    return tuple(dict.fromkeys(found)), text


def read_memberships(text: str, saved: Sequence[str]) -> tuple[tuple[Membership, ...], str]:
    """Saved audiences that a text takes as a part, in quotes or by a known name, and the text without the words."""
    found = []
    known = "|".join(re.escape(name) for name in sorted(saved, key=len, reverse=True))
    by_name = rf"|(?-i:(?P<known>{known}))(?!\w)" if known else "|(?P<known>(?!))"
    names = rf"""(?:["“](?P<quoted>[^"”]+)["”]{by_name})"""
    lead = rf"(?:(?:those|anyone|everyone|{PERSON})\s+)?(?:(?:who|that)\s+(?:are|is)\s+)?(?:already\s+)?"
    place = r"(?:(?:in|from|part\s+of|on)\s+)?(?:the\s+|my\s+|our\s+)*(?:saved\s+)?(?:audience\s+|list\s+|segment\s+)?"
    clause = re.compile(
        rf"(?P<negated>\b{NOT}{lead}{place}|\b(?:who|that)\s+are(?:n't|\s+not)\s+{place})(?:{names})(?:\s+(?:audience|list|segment))?"
        rf"|\b(?P<inside>(?:who|that)\s+are\s+(?:also\s+|already\s+)?in|in|and\s+also\s+in)\s+(?:the\s+|my\s+|our\s+)*(?:saved\s+)?(?:audience|list|segment)\s+"
        rf"""["“'‘](?P<inner>[^"”'’]+)["”'’]"""
        rf"""|\b(?:{NOT}{lead})(?:in|from)\s+(?:the\s+|my\s+|our\s+)*['‘](?P<single>[^'’]+)['’]""",
        re.IGNORECASE,
    )
    while match := clause.search(text):
        name = match["inner"] or match["quoted"] or match["single"] or match["known"]
        found.append(Membership(audience=name[:200], member=bool(match["inside"])))
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return tuple(dict.fromkeys(found)), text
