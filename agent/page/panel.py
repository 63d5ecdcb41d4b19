"""The right side of the page, made from one reply: first the size, then what takes longer to look up."""

from typing import TYPE_CHECKING, NamedTuple

from agent.page import cards
from agent.page.cards import Units
from agent.page.skew import skew
from agent.state import AudienceDraft
from encoders.errors import TooSmallError

if TYPE_CHECKING:
    from tools.service import AudienceService


SAVED_SHOWN = 6
"""So many of the saved audiences are compared with the present one, the latest first."""


class Details(NamedTuple):
    """Who the users of a draft are, as HTML."""

    profile: str
    skew: str
    samples: str
    saved: str


def units(service: "AudienceService") -> Units:
    """What one user is called in this data."""
    card = service.describe_data()
    return Units(card.unit, card.unit_plural, card.minimum_size)


def details(service: "AudienceService", draft: AudienceDraft) -> Details:
    """Profile, skew, samples and overlaps; an audience that is too small to look at says so where they would be."""
    words = units(service)
    try:
        shown = (
            cards.profile(service.profile(draft.spec), words),
            skew(service.skew(draft.spec), words),
            cards.samples(service.preview(draft.spec), words),
        )
    except TooSmallError as error:
        shown = cards.apart("Who they are", str(error)), "", ""
    latest = sorted(service.list_audiences(), key=lambda one: one.created, reverse=True)[:SAVED_SHOWN]
    overlaps = service.compare([draft.spec, *(one.id for one in latest)]).overlaps if latest else ()
    return Details(*shown, cards.saved(list(zip(latest, overlaps, strict=False)), words))
