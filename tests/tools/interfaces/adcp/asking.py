"""Asking the tasks as another agent would, in the name of some caller."""

from typing import Any

from tests import apart
from tools.access.callers import Caller, Scope, acting_as, current
from tools.access.gate import Gate
from tools.interfaces.adcp.signals import Check
from tools.interfaces.adcp.tasks import Protocol
from tools.service import AudienceService

AGENT = Caller(name="agent", tenant="shop", scopes=frozenset({Scope.READ, Scope.SIZE, Scope.ACTIVATE}))
RIVAL = AGENT.model_copy(update={"name": "rival", "tenant": "other"})
Json = dict[str, Any]


def anything_goes(spec: object) -> None:
    """No audience is declined here."""


def ask(
    service: AudienceService,
    name: str,
    arguments: Json,
    caller: Caller,
    check: Check = anything_goes,
    gate: Gate | None = None,
) -> Json:
    """What a task answers, which is marked as an error where it is one."""

    def seen() -> AudienceService:
        return service.of(current())

    async def one() -> Json:
        with acting_as(caller):
            found = await Protocol(seen, check, gate or Gate(seen)).call(name, arguments)
        assert found.is_error == (found.structured_content["status"] == "failed")
        return dict(found.structured_content)

    return apart.run(one())


def fault(answer: Json) -> Json:
    """The error of an answer, which stands in it twice."""
    assert answer["status"] == "failed"
    assert answer["errors"] == [answer["adcp_error"]]
    return dict(answer["adcp_error"])
