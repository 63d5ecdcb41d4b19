"""activate_signal: put a signal to use at platforms and other agents, or stop that; done once for each key."""

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from encoders.errors import TooSmallError
from tools.access.caller import current
from tools.interfaces.adcp.accounts import known
from tools.interfaces.adcp.discovery import Check, permitted
from tools.interfaces.adcp.once import once
from tools.interfaces.adcp.protocol import TaskError, not_found
from tools.interfaces.adcp.rate_card import RateCard
from tools.interfaces.adcp.requests import ActivationRequest, Filters, SignalDestination
from tools.interfaces.adcp.segments import Segment, Segments, saving_key, saving_name
from tools.service import AudienceService
from tools.types import SavedAudience

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
        self._large_enough(self._service.reachable(saved.id))
        made = [(each.named, self._deployed(saved, each, request)) for each in request.destinations]
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
        self._large_enough(users - round(users * self._service.settings.holdout))
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

    def _deployed(self, saved: SavedAudience, destination: SignalDestination, request: ActivationRequest) -> Deployment:
        """The deployment at one destination.

        Another agent can use the signal at once, by its key, and so can a destination that takes the users from here.
        What is written for a platform is live there only when somebody has uploaded it; so it is not said to be.
        """
        if destination.type == "agent":
            return destination.named | _live({"type": "key_value", "key": "audience", "value": saved.id})
        name = str(destination.platform).strip().lower()
        kinds = {each.key: each.kind for each in self._service.destinations.list()}
        known = next((each for each in (name, re.split("[-_ ]", name)[0]) if each in kinds), "")
        once = sha256(json.dumps([current().name, request.idempotency_key, destination.named]).encode()).hexdigest()
        file = self._service.export(saved.id, key=f"deployment-{once[:40]}", platform=known)
        sent = kinds.get(known, "file") != "file"
        state = _live({"type": "segment_id", "segment_id": saved.id}) if sent else {"is_live": False}
        written = {"rows": file.rows, "held_out": file.held_out, "sha256": file.sha256, "columns": list(file.columns)}
        written |= {"left_out": [each.model_dump(mode="json") for each in file.left_out]}
        return destination.named | state | {"ext": {"audience_file": written}}


def _live(key: dict[str, str]) -> Deployment:
    """What is said of a deployment that can be used from now on."""
    return {"is_live": True, "activation_key": key, "deployed_at": datetime.now(UTC).isoformat()}
