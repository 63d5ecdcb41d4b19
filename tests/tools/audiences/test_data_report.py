"""What was read, over the planted world."""

from datetime import timedelta

import polars as pl
import pytest

from encoders.errors import NotAllowedError
from tests.planted import AS_OF, USERS, World
from tools.access.callers import Caller, Scope
from tools.audiences.data_report import data_report
from tools.audiences.disclosure import Disclosure
from tools.service import AudienceService


def test_every_event_is_in_one_week_of_its_source(service: AudienceService, world: World) -> None:
    report = service.data_report()
    events = pl.read_parquet(world.folder / "events.parquet")
    assert report.week.weekday() == 0
    assert report.events == report.rows == events.height
    assert (report.first, report.last) == (events["time"].min().date(), events["time"].max().date())  # type: ignore[union-attr]
    for each in report.sources:
        mine = events.filter(pl.col("source") == each.source)
        assert each.events == sum(each.weeks) == mine.height
        third = report.week + timedelta(weeks=2)
        within = pl.col("time").dt.date().is_between(third, third + timedelta(days=6))
        assert each.weeks[2] == mine.filter(within).height
    assert len({len(each.weeks) for each in report.sources}) == 1
    assert report.users == USERS
    assert report.as_of == AS_OF


def test_rows_left_out_are_told_by_reason_most_first(world: World) -> None:
    dataset = world.dataset
    dataset.card = dataset.card.model_copy(
        update={"rejected": {"views: no day: 12": 3, "purchases: no item": 40, "users: repeated": 7}}
    )
    report = data_report(dataset, AS_OF, Disclosure(1))
    told = [(each.source, each.reason, each.rows) for each in report.reasons]
    assert told[:2] == [("purchases", "no item", 40), ("users", "repeated", 7)]
    assert report.left_out == 43
    assert report.rows == report.events + 43


def test_a_source_of_few_users_shows_no_count_and_no_weeks(world: World) -> None:
    report = data_report(world.dataset, AS_OF, Disclosure(10**6))
    assert {(each.events, each.users, each.weeks) for each in report.sources} == {(None, None, ())}
    assert (report.users, report.population, report.users_joined) == (None, None, None)


def test_exact_numbers_are_for_those_who_may_read_them(service: AudienceService) -> None:
    agent = Caller(name="agent", scopes=frozenset({Scope.READ, Scope.PREVIEW, Scope.ACTIVATE}))
    with pytest.raises(NotAllowedError, match="scope 'admin'"):
        service.of(agent).data_report()
