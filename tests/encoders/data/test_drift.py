"""Newly prepared data that is far from the version before is refused, and what changed is said."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import app
from encoders.data.drift import compare
from encoders.data.events import Dataset
from encoders.errors import DataError
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.encoders.data.small_shop import CUSTOMER, ORDER, Shop

Row = dict[str, Any]
USERS = [str(number) for number in range(1, 41)]


def orders(first: int, last: int, **more: object) -> list[Row]:
    days = [date(2026, 1, 1) + timedelta(days=day) for day in range(first, last)]
    return [ORDER | {"customer": user, "at": f"{day}T10:00:00"} | more for day in days for user in USERS[:20]]


def customers(**more: object) -> list[Row]:
    return [CUSTOMER | {"id": user, "mail": f"{user}@example.org"} | more for user in USERS]


@pytest.fixture
def before(shop: Shop) -> Dataset:
    shop.table("customers.csv", customers())
    shop.table("orders.csv", orders(0, 40))
    shop.prepare()
    shop.folder.rename(shop.base / "before")
    return Dataset(shop.base / "before")


def changed(shop: Shop, before: Dataset, accepted: bool = False) -> tuple[str, ...]:
    shop.prepare()
    return compare(before, shop.folder, accepted)


def test_a_usual_day_more_is_nothing_to_tell(shop: Shop, before: Dataset) -> None:
    shop.table("orders2.csv", orders(40, 42))
    assert changed(shop, before) == ()


THREE = {name: orders(40, 41, product=name) for name in "abc"}


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ("orders has new columns: 'channel'", orders(40, 41, channel="web")),
        ("column 'paid' of orders holds texts, and numbers before", orders(40, 41, paid="5 EUR")),
        ("the days after 2026-02-09 have 300% of the usual events", [each for one in "abc" for each in THREE[one]]),
        ("100% of the events after 2026-02-09 are with items", orders(40, 41, product="a new one")),
    ],
)  # fmt: skip
def test_what_has_changed_is_told(shop: Shop, before: Dataset, told: str, rows: list[Row]) -> None:
    shop.table("orders2.csv", rows)
    assert told in "; ".join(changed(shop, before, accepted=True))


@pytest.mark.parametrize(
    ("told", "customer", "order"),
    [
        ("attribute 'age' is unknown of 100% of the users, 0% before", {"age_band": None}, {}),
        (
            "100% of the users have values of attribute 'age' that nobody had before, such as 'old'",
            {"age_band": "old"},
            {},
        ),
        ("of the rows cannot be used, 0% before", {}, {"paid": "?!"}),
    ],
)
def test_what_can_hardly_be_is_refused_unless_it_is_accepted(
    shop: Shop, before: Dataset, told: str, customer: Row, order: Row
) -> None:
    shop.table("customers.csv", customers(**customer))
    shop.table("orders2.csv", orders(40, 80, **order) if order else orders(40, 41))
    with pytest.raises(
        DataError, match=r"This is far from the data prepared before: .* Nothing was replaced"
    ) as refused:
        changed(shop, before)
    assert told in str(refused.value)
    assert told in "; ".join(changed(shop, before, accepted=True))


def test_days_that_are_gone_and_days_with_next_to_nothing_are_refused(shop: Shop, before: Dataset) -> None:
    shop.table("orders.csv", orders(20, 40)[:300])
    with pytest.raises(DataError, match="of the events of orders up to 2026-02-09, 38% are left"):
        changed(shop, before)
    shop.table("orders.csv", orders(0, 40))
    shop.table("orders2.csv", orders(40, 41)[:2])
    with pytest.raises(DataError, match="the days after 2026-02-09 have 10% of the usual events of orders"):
        changed(shop, before)


def test_an_attribute_that_is_gone_is_refused(shop: Shop, before: Dataset) -> None:
    shop.change('attributes = { age = "age_band" }', "attributes = {}")
    with pytest.raises(DataError, match="attributes of users are gone: 'age'"):
        changed(shop, before)


def test_the_command_refuses_before_anything_is_replaced(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path / "workspace"))
    settings.cache_clear()
    workspace = Workspace(tmp_path / "workspace")

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app(["prepare", str(shop.spec), *arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    shop.table("customers.csv", customers())
    shop.table("orders.csv", orders(0, 40))
    assert run()[0] == 0
    was = workspace.data
    shop.table("orders2.csv", orders(40, 41)[:2])
    code, told = run()
    assert (code, workspace.data) == (2, was)
    assert "prepare with --accept-drift" in told
    code, told = run("--accept-drift")
    assert code == 0
    assert "Since the version before: the days after 2026-02-09 have 10% of the usual events" in told
    assert "2 files of events are as they were read before" in told
    assert workspace.data != was
    settings.cache_clear()
