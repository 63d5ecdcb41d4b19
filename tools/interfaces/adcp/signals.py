"""get_signals and activate_signal: from words or ids to signals, and signals put to use."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from encoders.data.events import HORIZON_DAYS
from encoders.errors import AudienceError, ModelError, RequestError, TooSmallError
from encoders.text.words import stems
from tools.access.callers import current
from tools.interfaces.adcp.accounts import RateCard, known, once
from tools.interfaces.adcp.listing import Listing, Segment, Segments, of_sentence, saving_key, saving_name
from tools.interfaces.adcp.protocol import (
    ActivationRequest,
    Filters,
    Form,
    SignalDestination,
    SignalsRequest,
    TaskError,
    not_found,
    paged,
)
from tools.service import AudienceService
from tools.types import AudienceSpec, LeftOut, SavedAudience

# --- get_signals: from words or ids to signals with their sizes and prices ------------------------


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


class Discovery:
    """One request for signals."""

    def __init__(self, service: AudienceService, check: Check, card: RateCard, agent_url: str) -> None:
        """Look nothing up yet."""
        self._service, self._check, self._card, self._url = service, check, card, agent_url

    def answer(self, request: SignalsRequest, release: Form) -> dict[str, Any]:
        """What ``get_signals`` answers in a release, without its envelope.

        Raises:
            TaskError: the request makes no sense, or what it aims at is declined.
        """
        known(self._service, request.account)
        words, options = request.words(), self._card.options(request.filters)
        if words:
            permitted(self._check, AudienceSpec(demand=words), "signal_spec")
        found = self._found(request, words) if options and self._wanted(request) else []
        listing = Listing(self._service, self._card, self._url, release)

        def written(segment: Segment) -> dict[str, Any]:
            return listing.written(segment, options, self._deployments(segment, request.destinations), request.fields)

        smallest = request.filters.min_coverage_percentage
        if smallest:
            found = [each for each in found if written(each)["coverage_percentage"] >= smallest]
        shown, pagination = paged(found, request.page, lambda each: each.id, _question(request))
        answer: dict[str, Any] = {"signals": [written(each) for each in shown], "pagination": pagination}
        if release.current:
            answer["cache_scope"] = "account"
        return self._versioned(answer, request, found) if request.discovery_mode == "wholesale" else answer

    def _found(self, request: SignalsRequest, words: str) -> list[Segment]:
        """Signals that were named, then those that fit the words; wholesale: everything that is saved."""
        segments = Segments(self._service)
        if request.discovery_mode == "wholesale":
            return list(segments.saved)
        named = [segments.find(id_) for id_ in self._ours(request)]
        for each in named:
            if each and each.spec and not each.saved:
                permitted(self._check, each.spec, "signal_ids")
        fitting = matching(words, segments, self._service, self._check) if words else ()
        return list({each.id: each for each in (*named, *fitting) if each}.values())

    def _ours(self, request: SignalsRequest) -> list[str]:
        """Ids of the references that name signals of this agent."""
        legacy = [
            each.get("id")
            for each in request.signal_ids or ()
            if each.get("source") == "agent" and each.get("agent_url") == self._url
        ]
        current = [
            each.get("signal_id")
            for each in request.signal_refs or ()
            if each.get("scope") == "signal_source" and each.get("signal_source_url") == self._url
        ]
        return [each for each in (*current, *legacy) if isinstance(each, str)]

    def _wanted(self, request: SignalsRequest) -> bool:
        """Whether signals of our kind and of this provider are asked for at all."""
        kinds, providers = request.filters.catalog_types, request.filters.data_providers
        by_us = providers is None or self._card.provider.casefold() in {each.casefold() for each in providers}
        return by_us and (kinds is None or "owned" in kinds)

    def _deployments(self, segment: Segment, asked: tuple[SignalDestination, ...] | None) -> list[dict[str, Any]]:
        """Where a signal is in use; with the destinations asked about, those alone, in use or not.

        What its file has is for whoever had it written: the counts are as that caller reads them.
        """
        kept = self._service.deployments.of(segment.saved.id) if segment.saved else []
        known = [{name: value for name, value in each.items() if name != "ext"} for each in kept]
        if asked is None:
            return known
        return [
            next(
                (one for one in known if destination.named.items() <= one.items()),
                destination.named | {"is_live": False},
            )
            for destination in asked
        ]

    def _versioned(self, answer: dict[str, Any], request: SignalsRequest, found: list[Segment]) -> dict[str, Any]:
        """The answer with the version of the whole list; with that alone where the caller has this version."""
        saved = [(each.saved.id, each.saved.version) for each in found if each.saved]
        content = json.dumps([saved, self._card.model_dump(mode="json"), self._service.describe_data().model_version])
        version = {"wholesale_feed_version": sha256(content.encode()).hexdigest()[:32]}
        if request.if_wholesale_feed_version != version["wholesale_feed_version"]:
            return answer | version
        return {name: value for name, value in answer.items() if name == "cache_scope"} | version | {"unchanged": True}


def _question(request: SignalsRequest) -> dict[str, Any]:
    """What makes two requests ask for the same list; how they are correlated and paged does not."""
    return request.model_dump(mode="json", exclude={"pagination", "max_results", "context", "ext", "fields"})


# --- activate_signal: put a signal to use at platforms and other agents, or stop that; done once for
#     each key ---


Deployment = dict[str, Any]


class Activation:
    """One request to activate or to deactivate."""

    def __init__(self, service: AudienceService, check: Check, card: RateCard) -> None:
        """Do nothing yet."""
        self._service, self._check, self._card = service, check, card

    def answer(self, request: ActivationRequest) -> dict[str, Any]:
        """What ``activate_signal`` answers, without its envelope; all destinations or none.

        Raises:
            TaskError: the signal or its price is unknown, may not be targeted, or the key was used before.
            AudienceError: it cannot be saved or exported; nothing is in use then.
        """
        known(self._service, request.account)
        if request.action == "activate":
            self._service.check_may_approve()

        def work() -> dict[str, Any]:
            segment = Segments(self._service).find(request.signal_agent_segment_id)
            if segment is None:
                raise not_found()
            act = self._activated if request.action == "activate" else self._deactivated
            return {"deployments": act(segment, request)}

        return once(self._service.deployments, request, work)

    def _activated(self, segment: Segment, request: ActivationRequest) -> list[Deployment]:
        """Save the audience where it is not, write its files, and note where it is in use."""
        self._priced(request.pricing_option_id)
        if segment.spec:
            permitted(self._check, segment.spec, "signal_agent_segment_id")
        saved = self._saved(segment)
        users, left_out = self._service.reachable(saved.id)
        self._large_enough(users)
        made = [(each.named, self._deployed(saved, each, request, left_out)) for each in request.destinations]
        details = {"pricing_option": request.pricing_option_id}
        self._service.deployments.put(saved, made, current().name, details)
        return [deployment for _, deployment in made]

    def _deactivated(self, segment: Segment, request: ActivationRequest) -> list[Deployment]:
        """Note that it is no longer in use there; where it never was, nothing changes."""
        destinations = [each.named for each in request.destinations]
        if segment.saved:
            self._service.deployments.remove(segment.saved, destinations, current().name)
        return [destination | {"is_live": False} for destination in destinations]

    def _saved(self, segment: Segment) -> SavedAudience:
        """The saved audience of a signal; a sentence is saved now, in the name of the caller."""
        if segment.saved:
            return segment.saved
        assert segment.spec is not None
        users = self._service.size(segment.spec).users or 0
        self._large_enough(users - round(users * max(self._service.settings.holdout, self._service.settings.control)))
        return self._service.save(segment.spec, saving_name(segment), current().name, saving_key(segment))

    def _large_enough(self, users: int) -> None:
        minimum = self._service.settings.minimum_size
        if users < minimum:
            raise TooSmallError(f"This signal reaches fewer than {minimum}, so it is not activated, to protect people.")

    def _priced(self, option: str | None) -> None:
        known = [each["pricing_option_id"] for each in self._card.options(Filters())]
        if option not in known:
            raise TaskError(
                "INVALID_REQUEST" if option is None else "INVALID_PRICING_OPTION",
                "Name one of the prices of the signal.",
                field="pricing_option_id",
                suggestion="take a pricing_option_id from an answer of get_signals",
            )

    def _deployed(
        self,
        saved: SavedAudience,
        destination: SignalDestination,
        request: ActivationRequest,
        left_out: Sequence[LeftOut],
    ) -> Deployment:
        """The deployment at one destination.

        Another agent can use the signal at once, by its key, and so can a destination that takes the users from here.
        What is written for a platform is live there only when somebody has uploaded it; so it is not said to be.
        """
        if destination.type == "agent":
            reached = {"ext": {"audience": {"left_out": _plain_all(left_out)}}} if left_out else {}
            return destination.named | _live({"type": "key_value", "key": "audience", "value": saved.id}) | reached
        name = str(destination.platform).strip().lower()
        kinds = {each.key: each.kind for each in self._service.destinations.list()}
        known = next((each for each in (name, re.split("[-_ ]", name)[0]) if each in kinds), "")
        once = sha256(json.dumps([current().name, request.idempotency_key, destination.named]).encode()).hexdigest()
        file = self._service.export(saved.id, key=f"deployment-{once[:40]}", platform=known)
        sent = kinds.get(known, "file") != "file"
        state = _live({"type": "segment_id", "segment_id": saved.id}) if sent else {"is_live": False}
        written = {"rows": file.rows, "held_out": file.held_out, "sha256": file.sha256, "columns": list(file.columns)}
        written |= {"left_out": _plain_all(file.left_out)}
        return destination.named | state | {"ext": {"audience_file": written}}


def _plain_all(left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json") for each in left_out]


def _live(key: dict[str, str]) -> Deployment:
    """What is said of a deployment that can be used from now on."""
    return {"is_live": True, "activation_key": key, "deployed_at": datetime.now(UTC).isoformat()}
