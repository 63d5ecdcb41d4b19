"""Drift: a saved audience asked again at later days, and told of once."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from threading import Event

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tests.planted import AS_OF, MINIMUM, World
from tests.present import present
from tools import workers
from tools.access.callers import Caller, Scope
from tools.audiences import drift as drifting
from tools.audiences.drift import MOST_MOVED, is_off, movement
from tools.delivery.posting import PostResult
from tools.service import AudienceService
from tools.storage.indexing import open_forecaster
from tools.types import AudienceSpec, Interval
from tools.workers import WebhookWorker

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
FIRST_FOOD = AudienceSpec(demand="Households that will buy baby food for the first time in the next 28 days", cut=0.1)

At = Callable[[date], AudienceService]


@pytest.fixture
def at(own: AudienceService, world_workspace: Workspace) -> Iterator[At]:
    """The service on another day, with the saved audiences of ``own``."""
    opened: list[AudienceService] = []

    def at(day: date) -> AudienceService:
        forecaster = open_forecaster(world_workspace, own.settings, day)
        opened.append(AudienceService(own.settings, own.tenant.workspace, forecaster))
        return opened[-1]

    yield at
    for service in opened:
        service.close()


def test_on_the_day_it_was_saved_nothing_drifts(own: AudienceService) -> None:
    saved = own.save(COFFEE, "Coffee", "Ada")
    found = own.drifts.check("coffee")
    assert (found.users, found.users_now, found.stayed, found.came, found.left) == (*[saved.users] * 3, None, None)
    assert (found.moved, found.counted, found.reasons, found.drifted) == (0.0, None, (), False)
    assert (found.forecast, found.as_of, found.checked) == (saved.forecast, AS_OF, AS_OF)
    assert found.forecast == found.forecast_now


def test_habits_stay_and_new_parents_move_on(own: AudienceService, at: At, world: World) -> None:
    own.save(COFFEE, "Coffee", "Ada")
    own.save(FIRST_FOOD, "First food", "Ada")
    own.combine("or", ["Coffee", "First food"], "Both", "Ada")
    own.webhooks.add("https://example.com/hook", ["audience.drifted"])
    later = at(AS_OF + timedelta(days=28))
    for _ in range(2):
        report = later.drifts.check_all()
    assert [each.name for each in report.unchecked] == ["Both"]
    assert report.unchecked[0].why == "'Both' was combined from others; check those."
    coffee, food = report.audiences
    members = set(own.tenant.registry.members("Coffee")[0])
    assert coffee.counted == len(members & world.did("coffee"))
    assert coffee.reasons == ()
    assert 0 < coffee.moved < MOST_MOVED
    for found in (coffee, food):
        for moved, of in ((found.left, found.users), (found.came, found.users_now)):
            assert 0 <= present(of) - (found.stayed or 0) - (moved or 0) < MINIMUM
        assert all(users is None or users >= MINIMUM for users in (found.stayed, found.left, found.came))
    assert food.reasons[:1] == ("members",)
    assert food.moved > MOST_MOVED
    [told] = own.webhooks.deliveries()
    assert (told.event, told.audience, told.version) == ("audience.drifted", food.audience_id, 1)
    own.drifts.check_all()
    assert len(own.webhooks.deliveries()) == 1


def test_what_is_told_names_nobody(own: AudienceService, at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "MOST_MOVED", -1.0)
    saved = own.save(COFFEE, "Coffee", "Ada")
    own.webhooks.add("https://example.com/hook")
    found = own.drifts.check("Coffee")
    [row] = own.tenant.registry.database.run("SELECT body FROM deliveries")
    told = pl.read_json(row["body"].encode()).to_dicts()[0]
    assert told["type"] == "audience.drifted"
    counts = {name: told["data"].pop(name) for name in ("users", "users_now", "stayed", "holdout", "moved")}
    assert told["data"] == {
        "audience_id": saved.id, "name": "Coffee", "version": 1, "as_of": str(AS_OF), "counted": None,
        "model_version": saved.model_version, "checked": str(AS_OF), "came": None, "left": None,
        "reasons": ["members"], "checked_with": saved.model_version,
    }  # fmt: skip
    agent = own.of(Caller(name="agent", scopes=frozenset({Scope.SIZE})))
    seen = agent.drifts.check("Coffee").model_dump() | {"holdout": agent.saved("Coffee").holdout}
    assert counts == {name: seen[name] for name in counts}, "what leaves is what a token sees"
    assert found.drifted
    own.save(COFFEE, "Coffee", "Ada")
    own.drifts.check("Coffee")
    assert [line.version for line in own.webhooks.deliveries() if line.event == "audience.drifted"] == [2, 1]


def test_a_recorded_outcome_that_is_not_what_was_forecast_is_drift(own: AudienceService, tmp_path: Path) -> None:
    saved = own.save(COFFEE, "Coffee", "Ada")
    members = own.tenant.registry.members("Coffee")[0]
    for count, reasons in ((round(saved.forecast.mid if saved.forecast else 0), ()), (5, ("calibration",))):
        pl.DataFrame({"user_id": members[:count]}).write_csv(tmp_path / f"{count}.csv")
        own.outcomes.from_file("Coffee", tmp_path / f"{count}.csv", "Ada")
        found = own.drifts.check("Coffee")
        assert (found.counted, found.reasons) == (count, reasons)


def test_what_cannot_be_asked_again(own: AudienceService, at: At) -> None:
    later = at(AS_OF + timedelta(days=7))
    later.save(COFFEE, "Coffee", "Ada")
    with pytest.raises(RequestError, match="There is no saved audience 'Tea'"):
        own.drifts.check("Tea")
    with pytest.raises(RequestError, match=f"'Coffee' is as of {AS_OF + timedelta(days=7)}, and what is served is as"):
        own.drifts.check("Coffee")
    assert [each.name for each in own.drifts.check_all().unchecked] == ["Coffee"]


USERS = [f"u{number}" for number in range(40)]


@given(st.permutations(USERS), st.integers(1, 40), st.floats(0, 1), st.floats(1, 3), st.sets(st.sampled_from(USERS)))
def test_a_wider_interval_never_finds_more_movement(
    ranked: list[str], users: int, low: float, high: float, was: set[str]
) -> None:
    cut, sure = users / 40, Interval(low=10, mid=10, high=10)
    now = set(ranked[:users])
    plainly = movement(was, ranked, cut, sure)
    assert plainly == (len(was ^ now), len(was) + len(now))
    assert 0 <= movement(was, ranked, cut, Interval(low=10 * low, mid=10, high=10 * high))[0] <= plainly[0]
    assert movement(now, ranked, cut, Interval(low=10 * low, mid=10, high=10 * high))[0] == 0


@pytest.mark.parametrize(
    ("counted", "off"), [(100, False), (85, False), (84, True), (130, False), (131, True), (None, False)]
)
def test_counts_are_off_outside_the_95_percent_interval(counted: int | None, off: bool) -> None:
    assert is_off(Interval(low=90, mid=100, high=120), counted) == off
    assert not is_off(None, counted)


def test_the_courier_looks_for_drift_where_somebody_wants_to_know(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks once the service is there, and what it finds is sent."""
    monkeypatch.setattr(drifting, "MOST_MOVED", -1.0)
    monkeypatch.setattr(workers, "PAUSE", 0.01)
    own.save(COFFEE, "Coffee", "Ada")
    own.webhooks.add("https://example.com/hook", ["audience.drifted"])
    there: Iterator[AudienceService | None] = iter([None, own])
    sent = Event()

    def post(*arguments: str) -> PostResult:
        assert '"audience.drifted"' in arguments[3]
        sent.set()
        return PostResult(204, "answered 204")

    monkeypatch.setattr(workers, "post", post)
    chosen = own.settings.model_copy(update={"workspace": own.tenant.workspace.path})
    with WebhookWorker(chosen, lambda: next(there)):
        assert sent.wait(30)
    assert [line.state for line in own.webhooks.deliveries()] == ["delivered"]
