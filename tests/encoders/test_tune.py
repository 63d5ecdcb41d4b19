"""Tuning in the planted world, where it is known what the users given have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.errors import ModelError, RequestError
from encoders.metrics import auc
from encoders.predictor import Forecast, Forecaster
from encoders.tuning import FEWEST_SEEDS, BaseRates, forecast_tuned, read_tuned, tune, tuned_path, write_tuned
from encoders.workspace import Workspace
from tests.faulty import flip
from tests.planted import World
from tools.service import AudienceService

VAGUE = "people who will buy something nice"


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    return service.forecaster


@pytest.fixture(scope="module")
def owners(forecaster: Forecaster, world: World) -> Callable[..., list[str]]:
    """Some users of the population with a habit; None for anybody."""

    def owners(habit: str | None, count: int, draw: int = 0) -> list[str]:
        histories = forecaster.snapshot.histories
        there = [user for user, here in zip(histories.user_ids, histories.in_population, strict=True) if here]
        mine = [user for user in there if habit is None or user in world.habits[habit]]
        return [str(user) for user in np.random.default_rng(draw).choice(mine, count, replace=False)]

    return owners


def quality(forecaster: Forecaster, forecast: Forecast, responders: set[str], seeds: Sequence[str] = ()) -> float:
    """AUC among the population without the seeds."""
    histories = forecaster.snapshot.histories
    judged = histories.in_population & ~np.isin(histories.user_ids, list(seeds))
    return auc(forecast.scores[judged], np.isin(histories.user_ids, list(responders))[judged])


@pytest.mark.parametrize("habit", ["coffee", "dog food", "cat food", "wine", "chocolate", "gardening"])
@pytest.mark.parametrize("count", [5, 20])
def test_users_alone_find_the_others_with_their_habit(
    forecaster: Forecaster, world: World, owners: Callable[..., list[str]], habit: str, count: int
) -> None:
    seeds = owners(habit, count)
    tuned = tune(forecaster, None, seeds)
    assert habit in tuned.demand.sentence
    assert tuned.from_seeds
    forecast = forecast_tuned(forecaster, tuned)
    told = forecaster.forecast(f"households that will buy {habit}")
    assert quality(forecaster, forecast, world.did(habit), seeds) > 0.85
    assert quality(forecaster, forecast, world.did(habit), seeds) > quality(forecaster, told, world.did(habit)) - 0.05
    groups = forecaster.snapshot.vocabulary.groups
    assert habit in {groups[item] for item in forecast.items}


@pytest.mark.parametrize("habit", ["coffee", "dog food", "beer", "gardening", "laundry"])
def test_users_say_what_a_vague_sentence_leaves_open(
    forecaster: Forecaster, world: World, owners: Callable[..., list[str]], habit: str
) -> None:
    seeds = owners(habit, 10)
    tuned = tune(forecaster, VAGUE, seeds)
    assert tuned.demand.sentence == VAGUE
    assert tuned.steps or tuned.from_seeds
    assert tuned.auc_after > tuned.auc_before
    vague = forecaster.read(VAGUE)
    as_written = forecaster.compute(vague, forecaster.encode(vague, 0))
    before = quality(forecaster, as_written, world.did(habit), seeds)
    after = quality(forecaster, forecast_tuned(forecaster, tuned), world.did(habit), seeds)
    assert before < 0.7
    assert after > before + 0.1


@pytest.mark.parametrize("habit", ["coffee", "wine", "beer", "chocolate"])
def test_the_steps_alone_turn_a_vague_sentence_to_the_habit(
    forecaster: Forecaster,
    world: World,
    owners: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    habit: str,
) -> None:
    monkeypatch.setattr("encoders.tuning.CLEARLY", 1.0)
    seeds = owners(habit, 10)
    tuned = tune(forecaster, VAGUE, seeds)
    assert tuned.steps > 0
    assert not tuned.from_seeds
    vague = forecaster.read(VAGUE)
    before = quality(forecaster, forecaster.compute(vague, forecaster.encode(vague, 0)), world.did(habit), seeds)
    assert quality(forecaster, forecast_tuned(forecaster, tuned), world.did(habit), seeds) > before + 0.003


@pytest.mark.parametrize("habit", ["coffee", "wine", "gardening"])
@pytest.mark.parametrize("draw", range(3))
def test_users_with_nothing_in_common_cost_a_clear_sentence_little(
    forecaster: Forecaster, world: World, owners: Callable[..., list[str]], habit: str, draw: int
) -> None:
    sentence = f"households that will buy {habit}"
    tuned = tune(forecaster, sentence, owners(None, FEWEST_SEEDS, draw))
    assert not tuned.from_seeds
    before = quality(forecaster, forecaster.forecast(sentence), world.did(habit))
    assert quality(forecaster, forecast_tuned(forecaster, tuned), world.did(habit)) > before - 0.01


def test_an_untuned_demand_gives_what_its_words_say_by_themselves(
    forecaster: Forecaster, owners: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("encoders.tuning.STEPS", 0)
    monkeypatch.setattr("encoders.tuning.CLEARLY", 1.0)
    for sentence in (
        "people who will buy both coffee and tea but not wine in the next week",
        "households that will buy beer for the first time",
        "households that will redeem a coupon for tea",
    ):
        tuned = tune(forecaster, sentence, owners("coffee", 10))
        assert tuned.steps == 0
        assert tuned.auc_before == tuned.auc_after
        demand = forecaster.read(sentence)
        as_written = forecaster.encode(demand, forecaster.source_meant(sentence))
        mine, plain = forecast_tuned(forecaster, tuned), forecaster.compute(demand, as_written)
        assert mine.demand == plain.demand
        np.testing.assert_allclose(mine.scores, plain.scores, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(mine.probabilities, plain.probabilities, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(mine.items, plain.items)
        np.testing.assert_allclose(mine.own, plain.own, atol=1e-6)
        np.testing.assert_allclose(mine.related, plain.related, atol=1e-5)


def test_what_a_demand_leaves_out_gets_no_prompt(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    sentence = "people who will buy something nice but not wine"
    tuned = tune(forecaster, sentence, owners("coffee", 20))
    assert tuned.steps
    plain = tune(forecaster, "people who will buy wine", owners("coffee", 20))
    assert [part.negated for part in tuned.demand.parts] == [False, True]
    unwanted = tuned.parts.take(np.array([1]))
    untouched = forecaster.encoder.encode(["wine"])[0]
    np.testing.assert_allclose(unwanted.sentences[0], untouched, atol=1e-5)
    assert not np.allclose(plain.parts.sentences[0], untouched, atol=1e-3)


def test_the_model_itself_is_not_trained(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    model = forecaster.model.encoder
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    tune(forecaster, VAGUE, owners("beer", 10))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_the_order_of_the_users_does_not_matter(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    seeds = owners("beer", 12)
    one, two = tune(forecaster, VAGUE, seeds), tune(forecaster, VAGUE, [*reversed(seeds), seeds[0], "nobody"])
    assert torch.equal(one.parts.phrases, two.parts.phrases)
    assert (one.seeds, one.steps, one.auc_after) == (two.seeds, two.steps, two.auc_after)


def test_figures_are_of_users_left_out(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    """Users with nothing in common could be learned by heart; left out, each of them ranks like anybody."""
    chances = [tune(forecaster, None, owners(None, 6, draw)).auc_after for draw in range(8)]
    assert 0.35 < np.mean(chances) < 0.6
    assert tune(forecaster, None, owners("wine", 20)).auc_after > 0.8


def test_too_few_users_are_refused(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    with pytest.raises(RequestError, match=r"needs at least 5 users with events before .* of the 6 given, 4 have any"):
        tune(forecaster, VAGUE, [*owners("beer", 4), "nobody", "no one"])
    with pytest.raises(RequestError, match="Nearly every user is among those given"):
        tune(forecaster, VAGUE, forecaster.snapshot.histories.user_ids)


def test_users_who_stopped_coming_count(forecaster: Forecaster, world: World) -> None:
    tuned = tune(forecaster, VAGUE, sorted(world.gone))
    assert tuned.seeds == len(world.gone & set(forecaster.snapshot.histories.user_ids)) >= FEWEST_SEEDS
    assert np.isfinite(forecast_tuned(forecaster, tuned).scores).all()


def test_the_ground_of_two_habits_names_both(forecaster: Forecaster, owners: Callable[..., list[str]]) -> None:
    histories = forecaster.snapshot.histories
    seeds = np.array([histories.row_of[user] for user in {*owners("dog food", 20), *owners("gardening", 20)}])
    others = np.setdiff1d(np.flatnonzero(histories.in_population), seeds)
    background = BaseRates(forecaster)
    ground = background.ground(np.sort(seeds), others)
    assert set(ground.groups[:2]) == {"dog food", "gardening"}
    assert ground.weights[0] == 1
    assert (np.diff(ground.weights) <= 0).all()
    assert background.demand(ground).phrases == ground.groups[: len(background.demand(ground).phrases)]


def test_a_tuned_demand_is_kept_as_it_was(
    forecaster: Forecaster, owners: Callable[..., list[str]], tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    tuned = tune(forecaster, VAGUE, owners("beer", 8))
    path = write_tuned(workspace, "Beer fans", tuned)
    again = read_tuned(workspace, "beer FANS", tuned.model_version)
    assert (again.demand, again.seeds, again.auc_after) == (tuned.demand, tuned.seeds, tuned.auc_after)
    one, two = forecast_tuned(forecaster, tuned), forecast_tuned(forecaster, again)
    np.testing.assert_array_equal(one.scores, two.scores)
    content = path.read_bytes()
    assert not any(user.encode() in content for user in owners("beer", 8))
    with pytest.raises(ModelError, match=f"tuned with model {tuned.model_version} and cannot be read by model other"):
        read_tuned(workspace, "beer fans", "other")
    flip(path, 0.9)
    with pytest.raises(ModelError, match=r"is damaged .*; tune 'beer fans' again"):
        read_tuned(workspace, "beer fans", tuned.model_version)
    path.write_bytes(content[:-9])
    with pytest.raises(ModelError, match=r"is damaged .*; tune 'beer fans' again"):
        read_tuned(workspace, "beer fans", tuned.model_version)


@pytest.mark.parametrize("name", ["", " ", "../out", "a/b", "a.b", "-a", "x" * 61, "a\n", "\x00"])
def test_names_are_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot name a tuned demand"):
        tuned_path(Workspace(tmp_path), name)


def test_a_missing_one_is_named_with_those_there_are(
    forecaster: Forecaster, owners: Callable[..., list[str]], tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(RequestError, match="no tuned demand 'tea'; none is kept yet"):
        read_tuned(workspace, "tea", "m")
    write_tuned(workspace, "Beer fans", tune(forecaster, VAGUE, owners("beer", 8)))
    with pytest.raises(RequestError, match="no tuned demand 'tea'; there is 'beer-fans'"):
        read_tuned(workspace, "tea", "m")
