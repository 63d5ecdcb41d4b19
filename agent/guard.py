"""What may not be targeted, and why: rules over ``prompts/guard.toml``, before any model is asked."""

import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from prompts.loader import reply, table
from tools.types import AudienceSpec


class Refusal(BaseModel):
    """Why a demand is declined, and words for what may be asked for instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Name of the restricted attribute, as advertising protocols write it."""
    reason: str
    instead: tuple[str, ...] = ()


def check(text: str) -> Refusal | None:
    """Why ``text`` may not be targeted; None when it may."""
    rules = table("guard")
    kept = re.sub(_any(tuple(rules["allowed"])), " ", text, flags=re.IGNORECASE)
    for category in rules["categories"]:
        for pattern in _patterns(tuple(category["terms"]), tuple(category["traits"]), rules["people"]):
            if match := re.search(pattern, kept, re.IGNORECASE):
                reason = reply("refused", words=" ".join(match.group().split()), name=category["name"])
                return Refusal(key=category["key"], reason=reason, instead=tuple(category["instead"]))
    offers = rules["offers"]
    subject = re.search(offers["subject"], kept, re.IGNORECASE)
    if subject and re.search(offers["trait"], kept, re.IGNORECASE):
        return Refusal(key=offers["key"], reason=reply("refused_offer", words=subject.group()))
    return None


def check_spec(spec: AudienceSpec) -> Refusal | None:
    """Like ``check``, for a whole audience: its sentence, its conditions on the past, and its filters together."""
    offers = table("guard")["offers"]
    if refusal := check(" ; ".join((spec.demand, *(each.what for each in spec.behaviours)))):
        return refusal
    for condition in spec.filters:
        if refusal := check(f"{condition.field} {' '.join(condition.values)}"):
            return refusal
    subject = re.search(offers["subject"], spec.demand, re.IGNORECASE)
    if subject and any(re.search(offers["fields"], each.field, re.IGNORECASE) for each in spec.filters):
        return Refusal(key=offers["key"], reason=reply("refused_offer", words=subject.group()))
    return None


@lru_cache
def _patterns(terms: tuple[str, ...], traits: tuple[str, ...], people: str) -> tuple[str, ...]:
    """A pattern for the terms, and two for traits beside people, in either order."""
    found = [_any(terms)]
    if traits:
        trait = _any(traits)
        found.append(rf"{trait}(?:\W+(?:and|or)\W+\w+)?\W+{people}\b")
        found.append(rf"\b{people}\s+(?:who|that|which)\s+(?:are|is|were)\s+(?:\w+\s+)?{trait}")
    return tuple(found)


@lru_cache
def _any(patterns: tuple[str, ...]) -> str:
    return rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)"
