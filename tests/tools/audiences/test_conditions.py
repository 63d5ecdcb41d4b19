"""Hard conditions: who meets them, that other words for one are the same question, and what has no such thing."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from encoders.errors import NotThereError, RequestError
from encoders.predictor import Forecast
from tests.planted import AS_OF, World
from tools.audiences.conditions import Condition, Conditions, Members
from tools.service import AudienceService
from tools.types import AudienceSpec, Behaviour, Filter, LifeCycle, Membership, Stage

COFFEE = "Households that will buy coffee in the next 28 days"
STAGES: tuple[Stage, ...] = get_args(Stage)


@pytest.fixture
def meeting(service: AudienceService) -> Callable[..., set[str]]:
    """Who meets the conditions of a spec, whether in the population or not."""

    def meet(**conditions: object) -> set[str]:
        found = conditions_of(service, **conditions)
        mask = np.logical_and.reduce([each.mask for each in found])
        return {user for user, met in zip(service.population.user_ids, mask, strict=True) if met}

    return meet


def conditions_of(service: AudienceService, **conditions: object) -> tuple[Condition, ...]:
    spec = AudienceSpec.model_validate({"demand": COFFEE} | conditions)
    forecast: Forecast = service.forecaster.forecast(COFFEE)

    def lookup(audience: str) -> Members:
        saved = service.tenant.registry.get(audience)
        members = service.tenant.registry.members(saved.id, saved.version)[0]
        return Members(f"{saved.id} {saved.version}", frozenset(members))

    return service.population.conditions.of(spec, forecast, lookup)


def keys(service: AudienceService, **conditions: object) -> set[str]:
    return {each.key for each in conditions_of(service, **conditions)}


def events(world: World, group: str, days: int | None = None, source: str = "purchases") -> pl.DataFrame:
    """What was done of a group before the as-of date, with the age of each event in days."""
    found = world.dataset.before(AS_OF).events(days).collect().join(world.dataset.items.drop("source"), on="item_id")
    age = (pl.lit(AS_OF) - pl.col("time").dt.date()).dt.total_days()
    wanted = (pl.col("group") == group) if group else pl.lit(True)
    return found.filter(wanted & (pl.col("source") == source)).with_columns(age=age)


def per_user(table: pl.DataFrame, cell: pl.Expr) -> dict[str, float]:
    return dict(table.group_by("user_id").agg(cell.alias("cell")).iter_rows())


def test_on_at_least_so_many_days(meeting: Callable[..., set[str]], world: World) -> None:
    days = per_user(events(world, "coffee", 60), pl.col("age").n_unique())
    expected = {user for user, number in days.items() if number >= 3}
    assert expected
    assert meeting(behaviours=[Behaviour(did=True, what="coffee", times=3, days=60)]) == expected
    others = meeting(behaviours=[Behaviour(did=False, what="coffee", times=3, days=60)])
    assert not others & expected
    assert {user for user in days if user not in expected} <= others


def test_for_at_least_so_much(meeting: Callable[..., set[str]], world: World) -> None:
    worth = per_user(events(world, "coffee", 90), pl.col("value").sum())
    expected = {user for user, amount in worth.items() if amount >= 20}
    assert expected
    assert meeting(behaviours=[Behaviour(did=True, what="coffee", amount=20, days=90)]) == expected


def test_the_last_time_longer_ago(meeting: Callable[..., set[str]], world: World) -> None:
    last = per_user(events(world, "coffee"), pl.col("age").min())
    expected = {user for user, age in last.items() if age > 30}
    assert meeting(behaviours=[Behaviour(did=True, what="coffee", days=30, ago=True)]) == expected


def test_anything_of_a_source(meeting: Callable[..., set[str]], world: World) -> None:
    users = set(events(world, "", source="coupons")["user_id"])
    assert meeting(behaviours=[Behaviour(did=True, what="anything", source="coupons")]) == users
    coffee = set(events(world, "coffee", source="coupons")["user_id"])
    assert meeting(behaviours=[Behaviour(did=True, what="coffee", source="COUPONS")]) == coffee


def test_attributes_that_are_unknown(meeting: Callable[..., set[str]], world: World) -> None:
    ages = dict(world.dataset.users.select("user_id", "age").rows())
    everyone = meeting(filters=[Filter(field="age", op="is unknown")]) | meeting(
        filters=[Filter(field="age", op="is known")]
    )
    assert meeting(filters=[Filter(field="AGE", op="is unknown")]) == {each for each in everyone if ages[each] is None}


def test_a_value_is_the_one_that_is_spelled_so_or_else_all_spellings(service: AudienceService) -> None:
    conditions = Conditions(service.forecaster, 1)
    users = conditions.attributes.height
    ages = ["Old", "old", "OLD", "young"] * users
    conditions.attributes = conditions.attributes.with_columns(pl.Series("age", ages[:users]))
    forecast = service.forecaster.forecast(COFFEE)
    for value, op, spellings in (
        ("old", "is", {"old"}),
        ("oLd", "is", {"Old", "old", "OLD"}),
        ("oLD", "is not", {"young"}),
    ):
        spec = AudienceSpec(
            demand=COFFEE, filters=(Filter.model_validate({"field": "age", "op": op, "values": (value,)}),)
        )
        [found] = conditions.of(spec, forecast)
        assert set(conditions.attributes["age"].filter(pl.Series(found.mask))) == spellings
    with pytest.raises(RequestError, match="'age' has no value 'older'"):
        conditions.of(AudienceSpec(demand=COFFEE, filters=(Filter(field="age", values=("older",)),)), forecast)


def test_how_many_are_left_out_for_want_of_a_value_is_said(service: AudienceService) -> None:
    spec = AudienceSpec(demand=COFFEE, filters=(Filter(field="age", op="is not", values=("25-34",)),))
    unknown = next(each.unknown for each in service.describe_data().fields if each.field == "age")
    assert service.size(spec).warnings[-1] == f"The age of {unknown} households is unknown; they are left out, too."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"behaviours": [Behaviour(did=True, what="coffee", days=30, ago=True)]},
            {"behaviours": [Behaviour(what="coffee", days=30), Behaviour(did=True, what="coffee")]},
        ),
        (
            {"behaviours": [Behaviour(did=True, what="coffee", times=1)]},
            {"behaviours": [Behaviour(did=True, what="COFFEE", days=30_000)]},
        ),
        (
            {"filters": [Filter(field="age", op="is known")]},
            {"filters": [Filter(field="age", values=("55-64", "25-34"))]},
        ),
        (
            {"life_cycle": [LifeCycle(stage="inactive", what="coffee", days=30)]},
            {"behaviours": [Behaviour(did=True, what="coffee", days=30, ago=True)]},
        ),
    ],
)
def test_other_words_for_a_condition_are_the_same_question(
    service: AudienceService, one: dict[str, object], other: dict[str, object]
) -> None:
    assert keys(service, **one) == keys(service, **other)


def test_what_differs_is_another_question(service: AudienceService) -> None:
    seen = [
        keys(service, behaviours=[Behaviour.model_validate({"did": True, "what": "coffee"} | limits)])
        for limits in (
            {}, {"times": 2}, {"times": 3}, {"amount": 5.0}, {"amount": 6.0}, {"days": 30}, {"did": False},
            {"source": "coupons"}, {"days": 30, "ago": True},
        )
    ]  # fmt: skip
    seen += [
        keys(service, life_cycle=[LifeCycle(stage=stage, holds=holds)]) for stage in STAGES for holds in (True, False)
    ]
    assert len({frozenset(each) for each in seen}) == len(seen)


@pytest.mark.parametrize(
    "words",
    ["zeppelin rides", "mortgage advice", "neutron stars", "court hearings", "zzqx jjwv", "coffee or zeppelin rides"],
)
def test_what_the_data_has_nothing_of_is_refused(service: AudienceService, words: str) -> None:
    with pytest.raises(RequestError, match=r"Nothing in the data is like '.+'; the nearest, though not near, is "):
        conditions_of(service, behaviours=[Behaviour(did=True, what=words)])


def test_a_source_that_is_not_there(service: AudienceService) -> None:
    with pytest.raises(RequestError, match=r"The data has no source 'returns'; there is 'purchases', "):
        conditions_of(service, behaviours=[Behaviour(did=True, what="anything", source="returns")])


@pytest.mark.parametrize(
    "fields",
    [
        {"what": "tea", "ago": True, "did": True},
        {"what": "tea", "ago": True, "days": 3},
        {"what": "tea", "times": 2, "amount": 3.0},
        {"what": "tea", "times": 0},
        {"what": "tea", "times": 10_001},
        {"what": "tea", "amount": 0.0},
        {"what": "tea", "amount": float("inf")},
        {"what": "tea", "source": "x" * 201},
    ],
)
def test_a_behaviour_is_one_condition_within_bounds(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Behaviour.model_validate(fields)


def test_a_filter_has_values_or_none_as_it_asks() -> None:
    for op, values in (("is", ()), ("is not", ()), ("is unknown", ("x",)), ("is known", ("x",))):
        with pytest.raises(ValidationError, match="value"):
            Filter.model_validate({"field": "age", "op": op, "values": values})


# --- saved audiences as a part --------------------------------------------------------------------


def test_a_saved_audience_as_a_part(own: AudienceService) -> None:
    tea = own.save(AudienceSpec(demand="Households that will buy tea in the next 28 days", cut=0.5), "Tea", "Ada")
    members, held_out = own.tenant.registry.members(tea.id, tea.version)
    inside = AudienceSpec(demand=COFFEE, memberships=(Membership(audience="tea"),), cut=1.0)
    outside = inside.model_copy(update={"memberships": (Membership(audience=tea.id, member=False),)})
    assert own.size(inside).eligible == len(members)
    assert own.size(outside).users == own.describe_data().population - len(members)
    both = own.save(inside, "Both", "Ada", holdout=0.0)
    assert set(own.tenant.registry.members(both.id, both.version)[1]) == set(held_out)
    assert 'in the audience "tea"' in both.definition


def test_a_part_that_is_not_there_or_is_the_whole(own: AudienceService) -> None:
    spec = AudienceSpec(demand=COFFEE, memberships=(Membership(audience="Autumn"),))
    with pytest.raises(NotThereError):
        own.size(spec)
    own.save(AudienceSpec(demand=COFFEE, cut=0.5), "Autumn", "Ada")
    with pytest.raises(RequestError, match="cannot be a part of itself"):
        own.save(spec, "autumn", "Ada")


def test_another_version_of_a_part_is_another_question(own: AudienceService) -> None:
    wanted = {"memberships": [Membership(audience="Tea")]}
    own.save(AudienceSpec(demand="tea", cut=0.5), "Tea", "Ada")
    before = keys(own, **wanted)
    own.save(AudienceSpec(demand="tea", cut=0.6), "Tea", "Ada")
    assert keys(own, **wanted) != before
    assert own.size(AudienceSpec(demand=COFFEE, memberships=(Membership(audience="Tea"),), cut=1.0)).users == round(
        0.6 * own.describe_data().population
    )


def test_of_many_wrong_conditions_the_first_is_told() -> None:
    """Time and memory stay those of one mistake, however many a caller sends."""
    with pytest.raises(ValidationError) as wrong:
        AudienceSpec.model_validate({"demand": "x", "filters": [{"field": "a"}] * 200_000})
    assert wrong.value.error_count() == 1
