"""Which signals fit some words: saved audiences, the audience of the sentence itself, and topics near it."""

from collections.abc import Callable, Iterator

from encoders.errors import AudienceError, ModelError, RequestError
from encoders.history.events import HORIZON_DAYS
from encoders.language.naming import stems
from tools.adcp.errors import TaskError
from tools.adcp.segments import Segment, Segments, of_sentence
from tools.service import AudienceService
from tools.types import AudienceSpec

_NEAR = 0.3
"""Similarity of words and a group from which on the group is offered beside them."""
_MOST_NEAR = 5
_LOOKED_AT = 24
"""Groups are found once for each source; so many are looked at for ``_MOST_NEAR`` different ones."""

Check = Callable[[AudienceSpec], None]


def permitted(check: Check, spec: AudienceSpec, field: str) -> None:
    """Let through what may be targeted.

    Raises:
        TaskError: the sentence aims at a sensitive trait; the text gives the reason.
    """
    try:
        check(spec)
    except AudienceError as error:
        raise TaskError("POLICY_VIOLATION", str(error), field=field, suggestion="ask without the trait") from error


def matching(words: str, segments: Segments, service: AudienceService, check: Check) -> Iterator[Segment]:
    """Signals for some words: saved ones that fit, the sentence itself, and topics near it, each once.

    A sentence that is saved as it stands is that saved audience.
    """
    said, meant = stems(words), set(service.reads_as(AudienceSpec(demand=words)))
    seen = set()
    for each in segments.saved:
        if said & stems(each.name) or meant & set(_reads_as(each, service)):
            seen.add(_plain(each))
            yield each
    for each in (of_sentence(words), *_near(words, service, check)):
        if _plain(each) not in seen:
            seen.add(_plain(each))
            yield each


def _reads_as(segment: Segment, service: AudienceService) -> tuple[str, ...]:
    """The groups that a saved signal means; none for a combination, and for one in terms that are no longer there."""
    try:
        return service.reads_as(segment.spec) if segment.spec else ()
    except (RequestError, ModelError):
        return ()


def _near(words: str, service: AudienceService, check: Check) -> Iterator[Segment]:
    """Groups of the data near the words, each as a demand of its own; those that may not be targeted are left out."""
    card = service.forecaster.dataset.card
    wording = card.wordings.get(card.main_source, "do {items}")
    hits = [each for each in service.search_groups(words, _LOOKED_AT) if each.similarity >= _NEAR]
    for group in list(dict.fromkeys(each.group for each in hits))[:_MOST_NEAR]:
        what = wording.format(items=group)
        segment = of_sentence(f"{card.unit_plural.capitalize()} that will {what} in the next {HORIZON_DAYS} days")
        if segment.spec and _allowed(check, segment.spec):
            yield segment


def _allowed(check: Check, spec: AudienceSpec) -> bool:
    try:
        check(spec)
    except AudienceError:
        return False
    return True


def _plain(segment: Segment) -> str:
    """The sentence of a signal that is nothing else; otherwise its id."""
    spec = segment.spec
    alone = spec is not None and spec == AudienceSpec(demand=spec.demand, cut=spec.cut)
    return spec.demand.casefold() if spec and alone else segment.id
