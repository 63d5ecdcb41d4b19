"""The gate: scopes, limits, and a line about every call."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from encoders.errors import NotAllowedError, RequestError, TooManyCallsError
from tools.access.caller import OWNER, Caller, Scope, acting_as, current
from tools.access.gate import Gate
from tools.access.scopes import ANY_SCOPE, NEEDED, needed
from tools.adcp.tasks import TASKS
from tools.mcp_server.reading import READING
from tools.mcp_server.writing import WRITING
from tools.rest.keeping import Keeping
from tools.rest.looking import Looking
from tools.rest.telling import Telling
from tools.rest.working import Working

RESOURCES = {route.operation for resources in (Looking, Keeping, Working, Telling) for route in resources.ROUTES}


class Lines:
    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []

    def record_call(self, operation: str, outcome: str) -> None:
        self.written.append((current().name, operation, outcome))


def caller(*scopes: Scope, per_minute: int | None = None) -> Caller:
    return Caller(name="agent", scopes=frozenset(scopes), per_minute=per_minute)


def test_every_tool_has_its_scope() -> None:
    assert NEEDED.keys() == READING.keys() | WRITING.keys() | RESOURCES | TASKS.keys()
    assert all(needed(name) == Scope.ACTIVATE for name in WRITING)
    assert not any(needed(name) == Scope.ACTIVATE for name in READING)
    assert needed("something new") == Scope.ADMIN
    assert {needed(name) for name in ANY_SCOPE} == {None}


def test_a_call_without_the_scope_is_turned_away_and_written_down() -> None:
    lines = Lines()
    gate = Gate(lambda: lines)
    with acting_as(caller(Scope.SIZE)), gate.admitted("size"):
        pass
    with acting_as(caller(Scope.SIZE)), pytest.raises(NotAllowedError, match="'preview'; this one has size"):  # noqa: SIM117
        with gate.admitted("explain"):
            pytest.fail("was let in")
    assert lines.written == [("agent", "size", "answered"), ("agent", "explain", "refused")]


def test_what_became_of_a_call_is_written_down() -> None:
    lines = Lines()
    gate = Gate(lambda: lines)
    for error in (RequestError("no"), KeyError("bug")):
        with pytest.raises(type(error)), gate.admitted("size"):
            raise error
    assert lines.written == [("owner", "size", "declined"), ("owner", "size", "failed")]


def test_a_token_that_calls_too_often_waits_and_others_do_not() -> None:
    gate = Gate(Lines)
    busy, other = caller(Scope.SIZE, per_minute=3), Caller(name="other", scopes=frozenset({Scope.SIZE}), per_minute=3)
    with acting_as(busy):
        for _ in range(3):
            with gate.admitted("size"):
                pass
        with pytest.raises(TooManyCallsError, match="3 times a minute") as error, gate.admitted("size"):
            pytest.fail("was let in")
        assert 1 <= error.value.retry_after <= 61
    with acting_as(other), gate.admitted("size"):
        pass
    for _ in range(10):
        with gate.admitted("size"):
            assert current() is OWNER


def test_the_limit_holds_for_many_at_once() -> None:
    gate = Gate(Lines)

    def call(_: int) -> bool:
        try:
            with acting_as(caller(Scope.SIZE, per_minute=20)), gate.admitted("size"):
                return True
        except TooManyCallsError:
            return False

    with ThreadPoolExecutor(8) as many:
        assert sum(many.map(call, range(100))) == 20
