"""The one sentence of an audience is the audience."""

import re
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import RequestError
from tests.planted import World
from tests.tools.sentence_cards import FILMS, SHOP
from tools.audiences.changes import canonical
from tools.sentences.sentence import read, take_conditions, with_conditions, write
from tools.service import AudienceService
from tools.types import (
    ANYTHING,
    MOST_CONDITIONS,
    AudienceSpec,
    Behaviour,
    DataCard,
    Filter,
    LifeCycle,
    Membership,
    Stage,
)

STAGES: tuple[Stage, ...] = get_args(Stage)
COFFEE = "Households that will buy coffee in the next 28 days"

PLAIN = st.sampled_from(["coffee", "dog food", "ice cream or frozen pizza", "tea & biscuits", ANYTHING])
ODD = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        [
            "coffee at any time before", "tea on at least 3 days", 'the "best" beans', "a; and who bought b", " tea ",
            "x in the last 3 days", "12 days", "tea (green)", "; only those who bought tea", "in the audience", "\\",
        ]
    ),
)  # fmt: skip
THINGS = st.one_of(PLAIN, ODD)
DAYS = st.one_of(st.none(), st.integers(1, 36_500))


@st.composite
def filters(draw: st.DrawFn, card: DataCard) -> Filter:
    field = draw(st.one_of(st.sampled_from(card.fields).map(lambda each: each.field), ODD))
    op = draw(st.sampled_from(["is", "is not", "is unknown", "is known"]))
    known = [value.value for each in card.fields if each.field == field for value in each.values]
    value = st.one_of(st.sampled_from(known), ODD) if known else ODD
    values = tuple(draw(st.lists(value, min_size=1, max_size=3))) if op in ("is", "is not") else ()
    return Filter.model_validate({"field": field, "op": op, "values": values})


@st.composite
def behaviours(draw: st.DrawFn, card: DataCard) -> Behaviour:
    kind = draw(st.sampled_from(["plain", "ago", "times", "amount"]))
    days = draw(st.integers(1, 36_500)) if kind == "ago" else draw(DAYS)
    amount = st.floats(0.01, 1e9, allow_nan=False)
    return Behaviour(
        did=True if kind == "ago" else draw(st.booleans()),
        what=draw(THINGS),
        days=days,
        source=draw(st.sampled_from(["", *(each.source for each in card.sources if each.source != card.main_source)])),
        ago=kind == "ago",
        times=draw(st.integers(1, 10_000)) if kind == "times" else None,
        amount=draw(amount) if kind == "amount" else None,
    )


@st.composite
def specs(draw: st.DrawFn, card: DataCard = SHOP) -> AudienceSpec:
    stages = st.builds(
        LifeCycle,
        stage=st.sampled_from(STAGES),
        holds=st.booleans(),
        what=THINGS,
        source=st.sampled_from(["", "coupons", "odd; source"]),
        days=DAYS,
    )
    memberships = st.builds(Membership, audience=ODD, member=st.booleans())
    demand = st.one_of(
        st.just(COFFEE),
        st.sampled_from(
            [f"{COFFEE}.", "tea", "people who bought tea before Halloween", f'"{COFFEE}"', "loyal customers"]
        ),
        ODD,
    )
    return AudienceSpec(
        demand=draw(demand),
        filters=tuple(draw(st.lists(filters(card), max_size=3))),
        behaviours=tuple(draw(st.lists(behaviours(card), max_size=3))),
        life_cycle=tuple(draw(st.lists(stages, max_size=2))),
        memberships=tuple(draw(st.lists(memberships, max_size=2))),
        cut=draw(st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.2, 0.05, 1.0, 0.123456]))),
        like=draw(st.one_of(st.just(""), ODD)),
    )


@given(specs())
def test_the_sentence_of_an_audience_reads_as_that_audience(spec: AudienceSpec) -> None:
    assert read(write(spec, SHOP), SHOP) == spec


@given(specs(FILMS))
def test_so_it_does_in_the_words_of_films(spec: AudienceSpec) -> None:
    assert read(write(spec, FILMS), FILMS) == spec


@given(specs())
def test_what_stages_stand_for_may_stand_beside_them(spec: AudienceSpec) -> None:
    assert read(write(spec, SHOP, lambda each: "on at least 3 days in the last 182 days; the top"), SHOP) == spec


def test_every_condition_is_in_the_sentence_in_words() -> None:
    spec = AudienceSpec(
        demand=COFFEE,
        filters=(
            Filter(field="age", values=("25-34", "65 or older")),
            Filter(field="household composition", op="is not", values=("1 adult, no kids",)),
            Filter(field="income", op="is unknown"),
        ),
        behaviours=(
            Behaviour(did=True, what="coffee", times=3, days=60),
            Behaviour(did=False, what="tea", days=30),
            Behaviour(did=True, what="wine", days=45, ago=True),
            Behaviour(did=True, what=ANYTHING, amount=99.5),
            Behaviour(did=True, what="beer", source="coupons"),
        ),
        life_cycle=(LifeCycle(stage="loyal", what="coffee"), LifeCycle(stage="lapsed", holds=False)),
        memberships=(Membership(audience="Autumn", member=False),),
        cut=0.2,
    )
    assert write(spec, SHOP) == "; ".join(
        (
            COFFEE,
            "only those whose age is 25-34 or 65 or older",
            "and whose household composition is not 1 adult, no kids",
            "and whose income is unknown",
            "and who bought coffee on at least 3 days in the last 60 days",
            "and who did not buy tea in the last 30 days",
            "and who last bought wine more than 45 days ago",
            "and who bought anything for at least 99.5 in all at any time before",
            "and who redeemed a coupon for beer at any time before",
            "and who are loyal when it comes to coffee",
            "and who are not lapsed",
            'and who are not in the audience "Autumn"',
            "the likeliest 20 %",
        )
    )


def test_films_are_liked() -> None:
    spec = AudienceSpec(demand="Viewers that will like westerns in the next 28 days", behaviours=(
        Behaviour(did=True, what="comedies", days=30), Behaviour(did=False, what="dramas", source="ratings"),
    ))  # fmt: skip
    assert write(spec, FILMS).endswith(
        "; only those who liked comedies in the last 30 days; and who did not rate dramas below four stars at any time "
        "before"
    )


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (COFFEE, AudienceSpec(demand=COFFEE)),
        ("coffee", AudienceSpec(demand="coffee")),
        (
            f"{COFFEE} who bought tea at least twice in the last month",
            AudienceSpec(demand=COFFEE, behaviours=(Behaviour(did=True, what="tea", times=2, days=30),)),
        ),
        (
            f"{COFFEE} but have not bought it in the last 60 days",
            AudienceSpec(demand=COFFEE, behaviours=(Behaviour(did=False, what="coffee", days=60),)),
        ),
        (
            "loyal customers that will buy tea next week",
            AudienceSpec(demand="that will buy tea next week", life_cycle=(LifeCycle(stage="loyal"),)),
        ),
        (
            "who will buy tea but haven't had any in the last 30 days",
            AudienceSpec(demand="who will buy tea", behaviours=(Behaviour(did=False, what="tea", days=30),)),
        ),
        ("candy before Halloween", AudienceSpec(demand="candy in the next 30 days")),
        (
            f"{COFFEE}; only those who bought tea in the last 9 days.",
            AudienceSpec(demand=f"{COFFEE}.", behaviours=(Behaviour(did=True, what="tea", days=9),)),
        ),
        (f"{COFFEE}; only on Sundays", AudienceSpec(demand=f"{COFFEE}; only on Sundays")),
    ],
)
def test_a_sentence_of_ones_own_is_read(text: str, spec: AudienceSpec) -> None:
    assert read(text, SHOP) == spec


@pytest.mark.parametrize("text", ["?", "...", "people who bought coffee", "loyal customers", "coupon users"])
def test_a_sentence_without_a_demand_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"names nothing|what they will do; add it, as in 'that will buy "):
        read(text, SHOP)


@pytest.mark.parametrize(
    "text",
    ["Families that will buy coffee", "young people who will buy wine", "Men's razors", "who want a single malt"],
)
def test_values_that_were_not_named_are_not_added(text: str) -> None:
    assert read(text, SHOP) == AudienceSpec(demand=text)


def test_what_a_caller_set_stays_beside_what_the_sentence_says() -> None:
    age = Filter(field="age", values=("25-34",))
    spec = AudienceSpec(demand=f"{COFFEE} who bought tea last week", filters=(age,), cut=0.3)
    tea = Behaviour(did=True, what="tea", days=7)
    assert with_conditions(spec, SHOP) == AudienceSpec(demand=COFFEE, filters=(age,), behaviours=(tea,), cut=0.3)
    assert with_conditions(with_conditions(spec, SHOP), SHOP) == with_conditions(spec, SHOP)


@given(st.lists(st.sampled_from(re.findall(r"[\w']+|,", (
    "households people who that will buy have bought not never coffee tea in the last next 3 months days before but "
    "and loyal lapsed customers , at least times spent more than 100 on aged 25-34 only new this year haven't"
))), max_size=25))  # fmt: skip
def test_what_was_read_holds_no_further_condition(words: list[str]) -> None:
    try:
        spec = read(" ".join(words), SHOP)
    except RequestError:
        return
    assert not take_conditions(spec.demand, SHOP, horizon=False, loosely=False)[0] or write(spec, SHOP).startswith('"')


def test_sizes_read_sentences_as_the_conversation_does(service: AudienceService, world: World) -> None:
    plain = service.size(AudienceSpec(demand=f"{COFFEE} who bought tea in the last 30 days"))
    spec = AudienceSpec(demand=COFFEE, behaviours=(Behaviour(did=True, what="tea", days=30),))
    assert plain == service.size(spec)
    assert plain.sentence == f"{COFFEE}; only those who bought tea in the last 30 days"
    assert service.size(AudienceSpec(demand=plain.sentence)) == plain
    assert service.stated(AudienceSpec(demand=plain.sentence)) == spec


def test_a_horizon_that_cannot_be_forecast_is_said(service: AudienceService) -> None:
    said = "The sentence looks 1,095 days ahead; the longest time that can be forecast is 91 days, which is taken."
    assert said in service.size(AudienceSpec(demand="tea in the next 3 years")).warnings
    for demand in ("tea in the next quarter", "tea in the next 28 days", "tea"):
        assert not any("looks" in each for each in service.size(AudienceSpec(demand=demand)).warnings)


@pytest.mark.parametrize("pair", [("coffee", "tea"), ("diapers", "beer"), ("bread", "milk"), ("wine", "gardening")])
def test_both_are_never_more_than_either(service: AudienceService, pair: tuple[str, str]) -> None:
    def chances(things: str) -> npt.NDArray[np.float64]:
        return service.forecaster.forecast(f"Households that will buy {things} in the next 28 days").probabilities

    one, other = map(chances, pair)
    both, without = chances(f"both {pair[0]} and {pair[1]}"), chances(f"{pair[0]} but not {pair[1]}")
    assert (both <= np.minimum(one, other) + 1e-12).all()
    assert (without <= np.minimum(one, 1.0 - other) + 1e-12).all()


def test_what_is_saved_states_every_condition(own: AudienceService) -> None:
    saved = own.save(AudienceSpec(demand="loyal customers that will buy coffee", cut=0.5), "Loyal", "Ada")
    assert saved.spec is not None
    assert saved.spec.life_cycle == (LifeCycle(stage="loyal"),)
    assert "; only those who are loyal (on at least " in saved.definition
    assert read(saved.definition, own.describe_data()) == saved.spec


def test_an_audience_saved_before_is_still_the_same_question() -> None:
    """The noise on its counts is drawn from this text: another one would draw it again."""
    spec = AudienceSpec(
        demand=COFFEE,
        filters=(Filter(field="age", values=("25-34",)),),
        behaviours=(Behaviour(did=True, what="tea", days=30),),
        cut=0.2,
    )
    assert canonical(spec) == (
        '{"demand":"Households that will buy coffee in the next 28 days","filters":[{"field":"age","op":"is","values":'
        '["25-34"]}],"behaviours":[{"did":true,"what":"tea","days":30}],"cut":0.2,"like":""}'
    )
    assert "ago" in canonical(
        spec.model_copy(update={"behaviours": (Behaviour(did=True, what="x", days=1, ago=True),)})
    )


@pytest.mark.parametrize("clause", ["who did not buy thing{} in the last 30 days", "but not in 'List {}'"])
def test_conditions_are_all_taken_or_the_sentence_is_refused(clause: str) -> None:
    """A condition that is dropped unsaid reaches people who were to be left out."""

    def sentence(conditions: int) -> str:
        clauses = (clause.format(chr(97 + number)) for number in range(conditions))
        return ", ".join(["Households that will buy coffee in the next 28 days", *clauses])

    found = read(sentence(MOST_CONDITIONS), SHOP)
    assert len(found.behaviours) + len(found.memberships) == MOST_CONDITIONS
    with pytest.raises(RequestError, match="at most 20"):
        read(sentence(MOST_CONDITIONS + 1), SHOP)
    with pytest.raises(RequestError, match="at most 4,000"):
        read(sentence(1) + " or tea" * 1_000, SHOP)
