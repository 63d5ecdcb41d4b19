"""The tasks as tools of the server, and the capabilities of this agent."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from pydantic import ValidationError

from encoders.errors import AccessError, RequestError
from encoders.settings import Settings
from tools.access.callers import Scope
from tools.access.gate import Gate
from tools.interfaces.adcp.accounts import RateCard, listed, rate_card, synced
from tools.interfaces.adcp.protocol import (
    MAJOR,
    RELEASES,
    AccountsRequest,
    ActivationRequest,
    CapabilitiesRequest,
    Form,
    SignalsRequest,
    SyncRequest,
    TaskError,
    TaskRequest,
    as_task_error,
    form,
    misfit,
    unavailable,
)
from tools.interfaces.adcp.signals import Activation, Check, Discovery
from tools.service import AudienceService

REPLAY_SECONDS = 7 * 24 * 3600
"""How long answers are promised to be repeated; the longest the protocol knows. They are in fact kept for good."""


def capabilities(request: CapabilitiesRequest, release: Form) -> dict[str, Any]:
    """What ``get_adcp_capabilities`` answers, without its envelope."""
    adcp: dict[str, Any] = {
        "major_versions": [MAJOR],
        "idempotency": {"supported": True, "replay_ttl_seconds": REPLAY_SECONDS},
    }
    signals: dict[str, Any] = {"features": {"catalog_signals": False}}
    if release.current:
        adcp["supported_versions"] = list(RELEASES)
        signals = {"discovery_modes": ["brief", "wholesale"], "anonymous_discovery": False}
    answer: dict[str, Any] = {
        "adcp": adcp,
        "supported_protocols": ["signals"],
        "specialisms": ["signal-owned"],
        "request_signing": {"supported": False},
        "account": {"require_operator_auth": False, "supported_billing": ["operator", "agent"], "sandbox": True},
    }
    return answer | ({"signals": signals} if "signals" in (request.protocols or ("signals",)) else {})


logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """What a model reads about a task, what it takes in, and the scope it needs."""

    title: str
    description: str
    request: type[TaskRequest]
    scope: Scope
    reads: bool = True


TASKS = {
    "get_adcp_capabilities": Task(
        "AdCP: what this agent offers",
        "What this agent speaks of AdCP, the Ad Context Protocol: its versions, and that it offers signals.",
        CapabilitiesRequest,
        Scope.READ,
    ),
    "get_signals": Task(
        "AdCP: find signals",
        "AdCP Signals: audiences for a description in plain words ('signal_spec'), sized, priced, and ready for "
        "activate_signal. Also by their ids, or wholesale: all that are saved.",
        SignalsRequest,
        Scope.SIZE,
    ),
    "activate_signal": Task(
        "AdCP: activate a signal",
        "AdCP Signals: put a signal of get_signals to use at platforms or other agents, or stop that. A signal that is "
        "not saved yet is saved, with its holdout. Ask the person before you call.",
        ActivationRequest,
        Scope.ACTIVATE,
        reads=False,
    ),
    "list_accounts": Task(
        "AdCP: list accounts", "AdCP: the accounts you named with sync_accounts, in pages.", AccountsRequest, Scope.READ
    ),
    "sync_accounts": Task(
        "AdCP: name accounts",
        "AdCP: name the brands you act for, and who pays.",
        SyncRequest,
        Scope.ACTIVATE,
        reads=False,
    ),
}
"""Each task under its name, in the order they are listed."""


class Protocol:
    """Answers the tasks for whoever calls."""

    def __init__(self, opened: Callable[[], AudienceService], check: Check, gate: Gate) -> None:
        """Open nothing yet.

        Args:
            opened: gives the service of the current caller.
            check: asked about every audience before it is looked at or saved.
            gate: asked about every call.
        """
        self._opened, self._check, self._gate = opened, check, gate

    def tools(self) -> list[Tool]:
        """The tasks as they are listed."""
        return [
            Tool(
                name=name,
                title=task.title,
                description=task.description,
                input_schema=task.request.model_json_schema(),
                annotations=ToolAnnotations(
                    title=task.title,
                    read_only_hint=task.reads,
                    destructive_hint=False,
                    idempotent_hint=True,
                    open_world_hint=False,
                ),
            )
            for name, task in TASKS.items()
        ]

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Answer one call; whatever goes wrong is an answer, too, and so is a task that is not offered here."""
        try:
            if name not in TASKS:
                raise TaskError(
                    "UNSUPPORTED_FEATURE",
                    f"There is no '{name[:60]}' here.",
                    suggestion="get_adcp_capabilities says what is offered, the list of tools has the rest",
                )
            with self._gate.admitted(name, TASKS[name].scope):
                content = await asyncio.to_thread(self._answer, name, arguments)
        except (RequestError, AccessError, TaskError) as error:
            content = _failed(as_task_error(error))
        except Exception:
            logger.exception("The task %r could not be done", name)
            content = _failed(unavailable())
        if isinstance(arguments.get("context"), dict):
            content["context"] = arguments["context"]
        text = json.dumps(content, ensure_ascii=False)
        failed = content["status"] == "failed"
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=content, is_error=failed
        )

    def _answer(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            request = TASKS[name].request.model_validate(arguments)
        except ValidationError as error:
            raise misfit(error) from error
        release, service = form(request.adcp_version, request.adcp_major_version), self._opened()
        envelope = {"status": "completed"} | ({"adcp_version": release.release} if release.named else {})
        return envelope | self._done(request, release, service, rate_card(service.settings))

    def _done(self, request: TaskRequest, release: Form, service: AudienceService, card: RateCard) -> dict[str, Any]:
        """What a task answers, without its envelope."""
        match request:
            case SignalsRequest():
                return Discovery(service, self._check, card, _address(service.settings, card)).answer(request, release)
            case ActivationRequest():
                return Activation(service, self._check, card).answer(request)
            case SyncRequest():
                return synced(request, service)
            case AccountsRequest():
                return listed(request, service)
            case CapabilitiesRequest():
                return capabilities(request, release)
        raise TypeError(f"No task takes a {type(request).__name__}.")


def _address(settings: Settings, card: RateCard) -> str:
    """Where others reach this agent."""
    return card.agent_url or f"http://{settings.host}:{settings.port}/mcp"


def _failed(error: TaskError) -> dict[str, Any]:
    """An answer that says what went wrong, in both places where the protocol looks for it."""
    return {"status": "failed", "adcp_error": error.content, "errors": [error.content]}
