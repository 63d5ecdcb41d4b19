from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import TooSmallError
from tests.planted import FIELDS
from tests.present import present
from tools.audiences.disclosure import Disclosure, Protected
from tools.audiences.profile import FEWEST, FOUR_FIFTHS, skew_report
from tools.service import AudienceService
from tools.types import AudienceSpec, Filter, Interval, SkewReport


def attributes(**columns: Sequence[str | None]) -> pl.DataFrame:
    users = len(next(iter(columns.values())))
    return pl.DataFrame({"user_id": [str(number) for number in range(users)], **columns})


def report(
    audience: np.ndarray, attributes: pl.DataFrame, everyone: np.ndarray | None = None, minimum: int = 0
) -> SkewReport:
    everyone = np.ones(len(audience), bool) if everyone is None else everyone
    return skew_report(audience, everyone, attributes, Disclosure(minimum), ("audience",))


def test_the_ratio_of_a_worked_example() -> None:
    """40 of 100 and 24 of 80 selected: rates .4 and .3, ratio .75; Katz: exp(ln .75 -+ 1.2816 * .2021)."""
    sexes: list[str | None] = ["f"] * 100 + ["m"] * 80 + [None] * 20
    audience = np.zeros(200, bool)
    audience[:40] = audience[100:124] = audience[180:185] = True
    [field] = report(audience, attributes(sex=sexes)).fields
    most, least = field.rows
    assert (most.value, most.users, most.selected, most.rate, most.ratio) == ("f", 100, 40, 0.4, 1.0)
    assert (least.value, least.users, least.selected, least.rate) == ("m", 80, 24, 0.3)
    assert most.interval == Interval(low=1, mid=1, high=1)
    assert least.ratio == pytest.approx(0.75)
    assert least.interval is not None
    error = (1 / 24 - 1 / 80 + 1 / 40 - 1 / 100) ** 0.5
    assert least.interval.low == pytest.approx(0.75 * np.exp(-1.28155 * error), rel=1e-4)
    assert least.interval.high == pytest.approx(0.75 * np.exp(1.28155 * error), rel=1e-4)
    assert (most.verdict, least.verdict) == ("even", "below")
    assert field.lowest_ratio == pytest.approx(0.75)
    assert (field.unknown, field.unknown_selected) == (20, 5)


@given(st.integers(0, 2**31), st.floats(0.02, 0.95))
def test_ratios_are_rates_over_the_highest_rate(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.array(["a", "b", "c", None])[rng.choice(4, 600, p=[0.5, 0.3, 0.1, 0.1])]
    everyone = rng.random(600) < 0.9
    audience = everyone & (rng.random(600) < share)
    found = report(audience, attributes(field=values.tolist()), everyone)
    [field] = found.fields
    assert (found.users, found.population) == (audience.sum(), everyone.sum())
    assert sum(present(row.users) for row in field.rows) + present(field.unknown) == found.population
    rates = {row.value: row.rate for row in field.rows if row.rate is not None}
    assert min(rates.values()) / max(rates.values()) == pytest.approx(field.lowest_ratio)
    for row in field.rows:
        has = values == row.value
        assert row.users == (everyone & has).sum()
        if row.ratio is None:
            continue
        assert row.selected == (audience & has).sum()
        assert row.verdict == ("below" if row.ratio < FOUR_FIFTHS else "even")
        assert row.interval is not None
        assert 0 <= row.interval.low <= row.ratio <= row.interval.high


def test_few_users_are_marked_and_not_flagged() -> None:
    for users, verdict in ((FEWEST - 1, "few"), (FEWEST, "below")):
        ages = ["young"] * 200 + ["old"] * users
        audience = np.arange(200 + users) < 100
        [field] = report(audience, attributes(age=ages)).fields
        old = next(row for row in field.rows if row.value == "old")
        assert old.verdict == verdict
        assert (old.selected is None) == (verdict == "few")


def test_none_selected_of_a_value_still_has_an_upper_end() -> None:
    ages = ["young"] * 100 + ["old"] * 40
    [field] = report(np.arange(140) < 50, attributes(age=ages)).fields
    old = next(row for row in field.rows if row.value == "old")
    assert old.interval is not None
    assert (old.ratio, old.verdict, old.interval.low) == (0.0, "below", 0.0)
    assert 0 < old.interval.high < FOUR_FIFTHS


def test_no_cell_below_the_minimum_is_exact_or_follows_from_the_others() -> None:
    """20 of 60 selected, and 40 without a value: nothing is said of either but the rough ratio."""
    for selected in (16, 24):
        ages: list[str | None] = ["young"] * 300 + ["old"] * 60 + [None] * 40
        audience = np.arange(400) < 160
        audience[300 : 300 + selected] = True
        [field] = report(audience, attributes(age=ages), minimum=50).fields
        young, old = (next(row for row in field.rows if row.value == value) for value in ("young", "old"))
        assert (field.unknown, field.unknown_selected) == (None, None)
        assert (old.users, old.selected, old.verdict) == (None, None, "few"), "300 and 60 would give 40 away"
        assert (young.users, young.selected) == (300, None)


def test_the_service_finds_what_was_planted(service: AudienceService) -> None:
    wine = AudienceSpec(demand="Households that will buy wine in the next 28 days", cut=0.25)
    report = service.skew(wine)
    assert report.users == service.size(wine).users
    assert [field.field for field in report.fields] == [*FIELDS]
    income = next(field for field in report.fields if field.field == "income")
    assert {row.value: row.verdict for row in income.rows} == {"high": "even", "low": "below"}
    everyone = service.skew(AudienceSpec(demand="people who will buy bread", cut=1.0))
    assert all(field.lowest_ratio == 1 for field in everyone.fields)


def test_a_filter_shows_as_the_skew_it_is(service: AudienceService) -> None:
    high = AudienceSpec(
        demand="people who will buy bread", cut=1.0, filters=(Filter(field="income", values=("high",)),)
    )
    income = next(field for field in service.skew(high).fields if field.field == "income")
    assert income.lowest_ratio == 0


def test_a_small_audience_is_not_compared(service: AudienceService) -> None:
    with pytest.raises(TooSmallError):
        service.skew(AudienceSpec(demand="Households that will buy wine", cut=0.01))


@given(st.integers(0, 2**31))
def test_noise_never_selects_more_users_than_are_shown(seed: int) -> None:
    everyone, shown = np.ones(220, bool), Protected(50, seed.to_bytes(32, "big"), "edition")
    values = ["a"] * 120 + ["b"] * 100
    [field] = skew_report(everyone, everyone, attributes(sex=values), shown, ("audience",)).fields
    for row in field.rows:
        assert row.rate is None or 0 < row.rate <= 1
