"""The gate: scopes, limits, and a line about every call."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from encoders.errors import NotAllowedError, RequestError, TooManyCallsError
from tools.access.callers import OWNER, Caller, Scope, acting_as, current
from tools.access.gate import Gate
from tools.interfaces.adcp.tasks import TASKS
from tools.operations.operation import Effect
from tools.operations.table import BY_NAME


class Lines:
    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []

    def record_call(self, operation: str, outcome: str) -> None:
        self.written.append((current().name, operation, outcome))


def caller(*scopes: Scope, per_minute: int | None = None) -> Caller:
    return Caller(name="agent", scopes=frozenset(scopes), per_minute=per_minute)


def test_what_is_changed_needs_more_than_looking() -> None:
    assert not BY_NAME.keys() & TASKS.keys()
    for name, operation in BY_NAME.items():
        if operation.effect is not Effect.READ:
            assert operation.scope in (Scope.ACTIVATE, Scope.ADMIN), name
    assert {name for name, each in BY_NAME.items() if each.scope is Scope.PREVIEW} == {"preview", "explain", "similar"}
    admins = {name for name, each in BY_NAME.items() if each.scope is Scope.ADMIN}
    assert admins == {"forget", "delete_conversation", "reopen"}
    assert {name: str(task.scope) for name, task in TASKS.items()} == {
        "get_adcp_capabilities": "read",
        "get_signals": "size",
        "activate_signal": "activate",
        "list_accounts": "read",
        "sync_accounts": "activate",
    }


def test_what_any_token_may_do_needs_no_scope() -> None:
    with acting_as(caller()), Gate(Lines).admitted("list_tools", None):
        pass
    with acting_as(caller()), pytest.raises(NotAllowedError), Gate(Lines).admitted("size", Scope.SIZE):
        pytest.fail("was let in")


def test_a_call_without_the_scope_is_turned_away_and_written_down() -> None:
    lines = Lines()
    gate = Gate(lambda: lines)
    with acting_as(caller(Scope.SIZE)), gate.admitted("size", Scope.SIZE):
        pass
    with acting_as(caller(Scope.SIZE)), pytest.raises(NotAllowedError, match="'preview'; this one has size"):  # noqa: SIM117
        with gate.admitted("explain", Scope.PREVIEW):
            pytest.fail("was let in")
    assert lines.written == [("agent", "size", "answered"), ("agent", "explain", "refused")]


def test_what_became_of_a_call_is_written_down() -> None:
    lines = Lines()
    gate = Gate(lambda: lines)
    for error in (RequestError("no"), KeyError("bug")):
        with pytest.raises(type(error)), gate.admitted("size", Scope.SIZE):
            raise error
    assert lines.written == [("owner", "size", "declined"), ("owner", "size", "failed")]


def test_a_token_that_calls_too_often_waits_and_others_do_not() -> None:
    gate = Gate(Lines)
    busy, other = caller(Scope.SIZE, per_minute=3), Caller(name="other", scopes=frozenset({Scope.SIZE}), per_minute=3)
    with acting_as(busy):
        for _ in range(3):
            with gate.admitted("size", Scope.SIZE):
                pass
        with pytest.raises(TooManyCallsError, match="3 times a minute") as error, gate.admitted("size", Scope.SIZE):
            pytest.fail("was let in")
        assert 1 <= error.value.retry_after <= 61
    with acting_as(other), gate.admitted("size", Scope.SIZE):
        pass
    for _ in range(10):
        with gate.admitted("size", Scope.SIZE):
            assert current() is OWNER


def test_the_limit_holds_for_many_at_once() -> None:
    gate = Gate(Lines)

    def call(_: int) -> bool:
        try:
            with acting_as(caller(Scope.SIZE, per_minute=20)), gate.admitted("size", Scope.SIZE):
                return True
        except TooManyCallsError:
            return False

    with ThreadPoolExecutor(8) as many:
        assert sum(many.map(call, range(100))) == 20
