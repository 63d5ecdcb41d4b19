"""What the trained model finds in the planted world, where the right audience is known."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from encoders.errors import ModelError
from encoders.metrics import auc, lift
from encoders.model.users import read_snapshot, read_vocabulary
from encoders.overdispersion import responders
from encoders.predictor import Forecast, Forecaster
from encoders.workspace import Workspace
from tests.planted import AS_OF, BABY_FOOD, DIAPERS, HABITS, HOSTILE, World, narrowed
from tools.service import AudienceService


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    return service.forecaster


def judged(forecaster: Forecaster, forecast: Forecast, audience: set[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, probabilities and the truth for the population."""
    here = forecaster.snapshot.histories.in_population
    truth = np.array([user in audience for user in forecaster.snapshot.histories.user_ids])
    return forecast.scores[here], forecast.probabilities[here], truth[here]


@pytest.mark.parametrize(
    ("demand", "group"),
    [
        ("Households that will buy coffee in the next 28 days", "coffee"),
        ("people who are about to buy dog food", "dog food"),
        ("people who will buy food for their cat", "cat food"),
        ("wine lovers", "wine"),
        ("pale ale or lager", "beer"),
        ("people with a garden", "gardening"),
        ("I want to reach people who do their laundry", "laundry"),
        ("Leute, die Bier kaufen werden", "beer"),
        ("families that will need diapers", "diapers"),
        ("households that will buy baby food", "baby food"),
    ],
)
def test_the_planted_audience_is_found(forecaster: Forecaster, world: World, demand: str, group: str) -> None:
    scores, probabilities, truth = judged(forecaster, forecaster.forecast(demand), world.did(group))
    assert auc(scores, truth) > 0.85
    assert auc(probabilities, truth) > 0.85
    assert lift(scores, truth) > 0.8 * min(10, 1 / truth.mean())


def test_every_alternative_is_read_by_itself(forecaster: Forecaster) -> None:
    vocabulary = forecaster.snapshot.vocabulary
    both = forecaster.forecast("people who will buy dog biscuits or something for the garden").items
    assert vocabulary.texts[both[0]] == "dog biscuits"
    assert {vocabulary.groups[item] for item in both} == {"dog food", "gardening"}


def test_a_sentence_about_nothing_in_the_data_is_sized_with_a_wide_interval(forecaster: Forecaster) -> None:
    known, nothing = (forecaster.forecast(demand) for demand in ("people who will buy beer", "zzqx jjwv people"))
    assert not len(nothing.items)
    assert nothing.spread > 2 * known.spread
    low, _, high = responders(nothing.probabilities, nothing.spread)
    assert low < 0.5 * high


def test_heavy_users_come_before_light_ones(forecaster: Forecaster, world: World) -> None:
    scores, _, truth = judged(forecaster, forecaster.forecast("people who will buy bread"), world.did("bread", 7))
    assert auc(scores, truth) > 0.6


def test_first_time_demand_finds_those_who_bought_diapers(forecaster: Forecaster, world: World) -> None:
    forecast = forecaster.forecast("Households that will buy baby food for the first time in the next 28 days")
    users = np.array(forecaster.snapshot.histories.user_ids)
    before, then = world.had_done("baby food"), world.did("baby food")
    new = forecaster.snapshot.histories.in_population & np.array([user not in before for user in users])
    truth = np.array([user in then for user in users])[new]
    assert auc(forecast.scores[new], truth) > 0.85
    assert not forecast.probabilities[[user in before for user in users]].any()
    assert forecast.scores[~new & forecaster.snapshot.histories.in_population].max() < forecast.scores[new].min()
    best = users[new][np.argsort(-forecast.scores[new])[:10]]
    assert len(set(best) & world.had_done("diapers")) >= 8
    reasons = forecaster.reasons(forecast, forecaster.snapshot.histories.row_of[best[0]])
    assert forecaster.snapshot.vocabulary.texts[reasons[0].item] in DIAPERS
    assert not reasons[0].direct


@pytest.mark.parametrize(("demand", "group"), [("people who will buy dog food", "dog food"), ("wine lovers", "wine")])
def test_evidence_is_what_the_user_really_did(forecaster: Forecaster, world: World, demand: str, group: str) -> None:
    forecast = forecaster.forecast(demand)
    events = world.dataset.before(AS_OF).events().collect()
    for row in np.argsort(-forecast.scores)[:20]:
        user = forecaster.snapshot.histories.user_ids[row]
        assert user in world.habits[group] or user in world.had_done(group)
        reasons = forecaster.reasons(forecast, int(row))
        assert forecaster.snapshot.vocabulary.texts[reasons[0].item] in HABITS[group]
        assert reasons[0].direct
        assert [reason.weight for reason in reasons] == sorted((reason.weight for reason in reasons), reverse=True)
        assert 0 < sum(reason.weight for reason in reasons) <= 1 + 1e-6
        for reason in reasons:
            days = events.filter((pl.col("user_id") == user) & (pl.col("item_id") == reason.item))["time"].dt.date()
            assert (reason.times, reason.last) == (days.n_unique(), days.max())


def test_both_either_and_not(forecaster: Forecaster, world: World) -> None:
    coffee, tea = world.did("coffee"), world.did("tea")
    answers = {
        "people who will buy coffee or tea": coffee | tea,
        "people who will buy both coffee and tea": coffee & tea,
        "people who will buy coffee but not tea": coffee - tea,
    }
    expected = {}
    for demand, audience in answers.items():
        forecast = forecaster.forecast(demand)
        scores, probabilities, truth = judged(forecaster, forecast, audience)
        assert auc(scores, truth) > 0.8, demand
        expected[demand] = probabilities.sum()
    either, both, without = expected.values()
    single = judged(forecaster, forecaster.forecast("people who will buy coffee"), coffee)[1].sum()
    assert both < single < either
    assert without < single


def test_a_longer_horizon_has_more_responders(forecaster: Forecaster, world: World) -> None:
    levels = [
        judged(forecaster, forecaster.forecast(f"people who will buy beer in the next {horizon}"), set())[1].sum()
        for horizon in ("week", "month", "quarter")
    ]
    assert levels == sorted(levels)
    assert levels[0] < 0.85 * levels[1]
    assert forecaster.forecast("people who will buy beer in the next week").demand.horizon_days == 7


def test_nobody_does_what_nobody_did(forecaster: Forecaster) -> None:
    forecast = forecaster.forecast("people who will buy a telescope")
    _, probabilities, _ = judged(forecaster, forecast, set())
    assert [forecaster.snapshot.vocabulary.groups[item] for item in forecast.items] == ["telescope"]
    assert probabilities.mean() < 0.05


@pytest.mark.parametrize(
    "demand", [*HOSTILE, "$units ${x} {items} %s", "\x00\u202e🎉", "'\" OR 1=1 --", "a" * 2000, "?"]
)
def test_orders_in_a_demand_are_only_words(forecaster: Forecaster, demand: str) -> None:
    forecast = forecaster.forecast(demand)
    assert np.isfinite(forecast.scores).all()
    assert ((forecast.probabilities >= 0) & (forecast.probabilities <= 1)).all()


def test_a_model_may_not_score_its_own_past(forecaster: Forecaster, world: World) -> None:
    earlier = read_snapshot(
        world.dataset.before(AS_OF - timedelta(days=1)), forecaster.snapshot.vocabulary, forecaster.encoder
    )
    with pytest.raises(ModelError, match=f"was trained up to {AS_OF} and may not score"):
        Forecaster(forecaster.model, earlier, forecaster.encoder)


def test_a_model_of_another_data_set_may_score_any_date(forecaster: Forecaster, world: World, tmp_path: Path) -> None:
    """Its calendar is another one; here it also lacks the attributes and every source but the main one."""
    dataset = narrowed(world, tmp_path / "data", "elsewhere", ("purchases",), ())
    vocabulary = read_vocabulary(dataset, forecaster.encoder, Workspace(tmp_path))
    as_of = AS_OF - timedelta(days=28)
    elsewhere = Forecaster(
        forecaster.model, read_snapshot(dataset.before(as_of), vocabulary, forecaster.encoder), forecaster.encoder
    )
    then = set(
        dataset.outcome(as_of).filter(
            pl.col("item_id").is_in(np.flatnonzero([group == "dog food" for group in vocabulary.groups]))
        )["user_id"]
    )
    scores, probabilities, truth = judged(elsewhere, elsewhere.forecast("people who will buy dog food"), then)
    assert auc(scores, truth) > 0.85
    assert np.isfinite(probabilities).all()


def test_vectors_that_were_kept_give_the_same_forecast(forecaster: Forecaster) -> None:
    model, snapshot, encoder = forecaster.model, forecaster.snapshot, forecaster.encoder
    fresh = Forecaster(model, snapshot, encoder)
    kept, computed = (
        each.forecast("tea drinkers") for each in (Forecaster(model, snapshot, encoder, fresh.user_vectors), fresh)
    )
    assert np.array_equal(kept.scores, computed.scores)


def test_what_baby_food_is_read_as(forecaster: Forecaster) -> None:
    forecast = forecaster.forecast("households that will buy baby food")
    assert {forecaster.snapshot.vocabulary.texts[item] for item in forecast.items} <= {*BABY_FOOD, *DIAPERS}
    assert set(BABY_FOOD) & {forecaster.snapshot.vocabulary.texts[item] for item in forecast.items}


def test_a_quoted_request_moves_the_ranking_and_not_the_number_who_respond(forecaster: Forecaster) -> None:
    here = forecaster.snapshot.histories.in_population
    plain, tea = (
        forecaster.compute(demand, forecaster.encode(demand, 0))
        for demand in map(forecaster.read, ("Households that will buy coffee in the next 28 days", "peppermint tea"))
    )
    quoting_tea = forecaster.forecast('Households that will buy coffee (as in "peppermint tea") in the next 28 days')
    assert np.array_equal(quoting_tea.items, plain.items)
    before, after = (np.corrcoef(each.scores[here], tea.scores[here])[0, 1] for each in (plain, quoting_tea))
    assert after > before + 0.1
    assert np.corrcoef(quoting_tea.scores[here], plain.scores[here])[0, 1] == pytest.approx(
        after, abs=1e-6
    )  # one to one
    expected = [each.probabilities[here].sum() for each in (plain, quoting_tea)]
    assert expected[1] == pytest.approx(expected[0], rel=0.01)


def test_who_did_it_before_stays_out_whatever_is_quoted(forecaster: Forecaster) -> None:
    plain = forecaster.forecast("Households that will buy coffee for the first time in the next 28 days")
    quoted = forecaster.forecast('Households that will buy coffee (as in "tea") for the first time in the next 28 days')
    out = plain.probabilities == 0.0
    assert out.any()
    assert (quoted.probabilities[out] == 0.0).all()
    assert quoted.scores[out].max() < quoted.scores[~out].min()


ANY = "Households that will buy anything in the next {days} days"


@pytest.mark.parametrize("days", [7, 28, 60, 91])
def test_nobody_does_one_thing_likelier_than_anything(forecaster: Forecaster, days: int) -> None:
    anything = forecaster.forecast(ANY.format(days=days)).probabilities
    groups = sorted(set(forecaster.snapshot.vocabulary.groups))
    for group in groups:
        one = forecaster.forecast(f"Households that will buy {group} in the next {days} days").probabilities
        assert (one <= anything + 1e-9).all(), group


def test_a_longer_time_never_has_fewer_who_do_anything(forecaster: Forecaster) -> None:
    chances = [forecaster.forecast(ANY.format(days=days)).probabilities for days in (1, 7, 14, 28, 45, 91)]
    for sooner, later in pairwise(chances):
        assert (sooner <= later + 1e-12).all()


def test_who_does_anything_is_forecast_about_right(forecaster: Forecaster) -> None:
    histories, dataset = forecaster.snapshot.histories, forecaster.dataset
    forecast = forecaster.forecast(ANY.format(days=28))
    future = dataset.outcome(histories.past.as_of, 28).filter(pl.col("source") == dataset.card.main_source)
    came = np.array([user in set(future["user_id"]) for user in histories.user_ids])[histories.in_population]
    low, _, high = responders(forecast.probabilities[histories.in_population], forecast.spread)
    assert low <= came.sum() <= high
    assert len(forecast.items) == len(np.flatnonzero(forecaster.snapshot.of_source(np.array([0]))[0]))


def test_anything_but_a_thing_is_less_than_anything(forecaster: Forecaster) -> None:
    anything = forecaster.forecast(ANY.format(days=28)).probabilities
    but = forecaster.forecast("Households that will buy anything but not coffee in the next 28 days").probabilities
    both = forecaster.forecast("Households that will buy anything as well as coffee in the next 28 days").probabilities
    coffee = forecaster.forecast("Households that will buy coffee in the next 28 days").probabilities
    assert (but <= anything + 1e-9).all()
    assert (both <= coffee + 1e-9).all()
