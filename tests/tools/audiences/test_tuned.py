"""Tuned demands behind the service: fitted, kept, sized, explained and saved."""

import numpy as np
import pytest

from encoders.errors import ModelError, RequestError, TooSmallError
from encoders.tuning import FEWEST_SEEDS
from tests.planted import World
from tests.present import present
from tools.service import AudienceService
from tools.types import AudienceSpec, Filter

VAGUE = "people who will buy something nice"


@pytest.fixture
def dog_owners(own: AudienceService, world: World) -> list[str]:
    """Ten users of the population who keep buying dog food."""
    histories = own.forecaster.snapshot.histories
    there = np.array(histories.user_ids)[histories.in_population]
    return [
        str(user)
        for user in np.random.default_rng(1).choice(
            [u for u in there if u in world.habits["dog food"]], 10, replace=False
        )
    ]


def test_users_alone_become_an_audience(own: AudienceService, world: World, dog_owners: list[str]) -> None:
    tuned = own.tune("Dog people", None, dog_owners)
    assert (tuned.name, tuned.seeds, tuned.from_seeds, tuned.warnings) == ("Dog people", 10, True, ())
    assert tuned.reads_as[0] == "dog food"
    assert tuned.auc_after > 0.8
    assert own.tuned("dog PEOPLE").model_copy(update={"name": "Dog people"}) == tuned
    spec = AudienceSpec(demand=tuned.demand, like="Dog people", cut=0.15)
    size = own.size(spec)
    assert size.reads_as[0] == "dog food"
    assert size.demand == tuned.demand
    plain = own.size(AudienceSpec(demand="Households that will buy dog food in the next 28 days", cut=0.15))
    assert size.users == plain.users
    expected = present(plain.all_responders).mid
    assert 0.5 * expected < present(size.all_responders).mid < 2 * expected
    assert present(size.lift) > 2
    for sample in own.preview(spec):
        assert all(evidence.weight > 0 for evidence in sample.evidence)
    assert any(row.value == "dog food" and row.index > 150 for row in own.profile(spec))
    saved = own.save(spec, "dogs", "Ada")
    assert saved.spec == spec
    assert saved.definition.endswith('; ranked as tuned under "Dog people"')
    members = set(own.tenant.registry.members("dogs")[0])
    assert (
        len(members & world.did("dog food")) > 2 * present(saved.users) * len(world.did("dog food")) / size.population
    )
    assert own.explain(sorted(members)[0], spec).in_audience


def test_a_saved_audience_is_as_good_as_a_list(own: AudienceService, dog_owners: list[str]) -> None:
    own.save(AudienceSpec(demand="Households that will buy dog food in the next 28 days", cut=0.1), "dogs", "Ada")
    members = own.tenant.registry.members("dogs")[0]
    by_name = own.tune("a", VAGUE, "dogs")
    assert by_name == own.tune("b", VAGUE, [*members]).model_copy(update={"name": "a"})
    assert by_name.seeds == len(members)
    assert "dog food" in by_name.reads_as
    with pytest.raises(RequestError, match="There is no saved audience 'cats'"):
        own.tune("a", VAGUE, "cats")


def test_conditions_hold_for_tuned_demands(own: AudienceService, dog_owners: list[str]) -> None:
    tuned = own.tune("dogs", None, dog_owners)
    north = AudienceSpec(demand=tuned.demand, like="dogs", filters=(Filter(field="region", values=("north",)),))
    plain = own.size(north.model_copy(update={"like": ""}))
    assert own.size(north).eligible == present(plain.eligible) < 200
    with pytest.raises(TooSmallError):
        own.preview(north.model_copy(update={"cut": 0.01}))


def test_unknown_users_are_counted_and_named(own: AudienceService, dog_owners: list[str]) -> None:
    strangers = [f"stranger{number}" for number in range(7)]
    warnings = own.tune("dogs", None, [*dog_owners, *strangers]).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("7 have no events before ")
    assert warnings[0].endswith("'stranger0', 'stranger1', 'stranger2', 'stranger3', 'stranger4' and 2 more.")
    with pytest.raises(RequestError, match=f"at least {FEWEST_SEEDS} users"):
        own.tune("few", None, [*dog_owners[:4], *strangers])
    with pytest.raises(RequestError, match="no tuned demand 'few'"):
        own.tuned("few")


def test_what_the_users_say_is_told(own: AudienceService, world: World, dog_owners: list[str]) -> None:
    histories = own.forecaster.snapshot.histories
    there = np.array(histories.user_ids)[histories.in_population]
    said = [
        own.tune("any", None, [str(user) for user in np.random.default_rng(draw).choice(there, 12)]).warnings
        for draw in range(4)
    ]
    assert sum(any("little in common" in warning for warning in each) for each in said) >= 3
    other = own.tune("switch", "people who will buy a telescope", dog_owners)
    assert (other.demand, other.from_seeds) == ("people who will buy a telescope", True)
    assert other.reads_as[0] == "dog food"
    assert any("something else in common" in warning for warning in other.warnings)
    assert other.auc_after > other.auc_before + 0.1


def test_a_tuned_demand_keeps_its_sentence(own: AudienceService, dog_owners: list[str]) -> None:
    own.tune("dogs", VAGUE, dog_owners)
    with pytest.raises(RequestError, match='was tuned for "people who will buy something nice", which is not'):
        own.size(AudienceSpec(demand="people who will buy tea", like="dogs"))
    with pytest.raises(RequestError, match="There is no tuned demand 'cats'; there is 'dogs'"):
        own.size(AudienceSpec(demand=VAGUE, like="cats"))
    with pytest.raises(RequestError, match="the words are empty"):
        own.tune("dogs", "  ", dog_owners)


def test_tuning_again_replaces_what_was_kept(own: AudienceService, world: World, dog_owners: list[str]) -> None:
    own.tune("mine", None, dog_owners)
    spec = AudienceSpec(demand=own.tuned("mine").demand, like="mine")
    assert own.size(spec).reads_as[0] == "dog food"
    tea = sorted(world.habits["tea"] & set(own.forecaster.snapshot.histories.user_ids))[:20]
    own.tune("mine", None, tea)
    assert own.size(AudienceSpec(demand=own.tuned("mine").demand, like="mine")).reads_as[0] == "tea"
    with pytest.raises(RequestError, match="which is not the demand that was given"):
        own.size(spec)


def test_another_model_refuses_it(own: AudienceService, dog_owners: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = own.tune("dogs", None, dog_owners)
    config = own.forecaster.model.config.model_copy(update={"version": "m2"})
    monkeypatch.setattr(own.forecaster, "model", type(own.forecaster.model)(own.forecaster.model.encoder, config))
    with pytest.raises(ModelError, match="cannot be read by model m2; tune it again"):
        own.size(AudienceSpec(demand=tuned.demand, like="dogs"))
