"""Audit lines of the gate: the first of its kind at once, the others counted, and never more than the disk takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.errors import WorkspaceError
from encoders.workspace import Workspace
from tools.access.callers import OWNER, Caller, acting_as
from tools.access.gate import FOLDED_SECONDS, UNKNOWN, RequestAudit
from tools.storage.registry import Registry

SHOP = Caller(name="agent", tenant="shop", scopes=frozenset())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(tmp_path: Path, clock: Clock) -> Iterator[RequestAudit]:
    opened = RequestAudit(lambda tenant: Registry(Workspace(tmp_path).of_tenant(tenant).registry), clock)
    yield opened
    opened.close()


def lines(folder: Path, tenant: str = "") -> list[tuple[str, str, dict[str, object]]]:
    with Registry(Workspace(folder).of_tenant(tenant).registry) as registry:
        return [(line.actor, line.action, line.details) for line in registry.audit()]


def test_a_flood_is_two_lines_a_minute(trail: RequestAudit, clock: Clock, tmp_path: Path) -> None:
    for _ in range(1000):
        trail.refused(UNKNOWN, 401, "/mcp")
    trail.refused(UNKNOWN, 413, "/mcp")
    clock.now += FOLDED_SECONDS
    trail.refused(UNKNOWN, 401, "/mcp")
    trail.close()
    once, many = {"status": 401, "path": "/mcp"}, {"status": 401, "path": "/mcp", "count": 999}
    other = {"status": 413, "path": "/mcp"}
    assert lines(tmp_path) == [("unknown", "refused", each) for each in (once, other, many, once)]


def test_floods_of_ever_new_kinds_are_folded_as_well(trail: RequestAudit, tmp_path: Path) -> None:
    for number in range(3000):
        trail.refused(Caller(name=f"a{number}", scopes=frozenset()), 403, "/mcp")
    trail.close()
    written = lines(tmp_path)
    assert len(written) < 1100
    assert written[-1][2]["count"] == 1999


def test_lines_belong_to_the_tenant_and_the_count_comes_when_the_app_ends(trail: RequestAudit, tmp_path: Path) -> None:
    trail.refused(SHOP, 405, "/mcp")
    trail.refused(SHOP, 405, "/mcp")
    trail.write(OWNER, "download", {"file": "a.csv"})
    with acting_as(SHOP):
        trail.record_call("size", "answered")
    trail.close()
    assert lines(tmp_path) == [("owner", "download", {"file": "a.csv"})]
    assert sorted(lines(tmp_path, "shop"), key=str) == [
        ("agent", "call", {"operation": "size", "outcome": "answered"}),
        ("agent", "refused", {"status": 405, "path": "/mcp", "count": 1}),
        ("agent", "refused", {"status": 405, "path": "/mcp"}),
    ]


def test_a_line_that_cannot_be_written_is_said_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: str) -> Registry:
        raise WorkspaceError("the disk is full")

    trail = RequestAudit(broken)
    trail.refused(UNKNOWN, 401, "/mcp")
    with pytest.raises(WorkspaceError):
        trail.write(OWNER, "download", {"file": "a.csv"})
    trail.close()
    assert "An audit line was not written: the disk is full" in caplog.text
