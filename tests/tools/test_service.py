import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from encoders.errors import RequestError, TooSmallError
from encoders.workspace import Workspace
from tests.planted import (
    AS_OF,
    BABY_FOOD,
    DIAPERS,
    FIELDS,
    FIRST,
    HABITS,
    HOSTILE,
    MINIMUM,
    NOBODY,
    STAPLES,
    World,
    shown,
)
from tests.present import present
from tests.tools.selecting import selected
from tools.access.callers import Caller, Scope
from tools.service import AudienceService
from tools.types import AudienceSpec, Behaviour, Filter

DOGS = AudienceSpec(demand="Households that will buy dog food in the next 28 days")
NEW_PARENTS = AudienceSpec(demand="Households that will buy baby food for the first time in the next 28 days")
EVERYBODY = AudienceSpec(demand="people who will buy bread", cut=1.0)
DEMANDS = [*HABITS, *STAPLES, "diapers", "baby food"]


@pytest.fixture
def members(own: AudienceService) -> Callable[[str], set[str]]:
    """Who is in a saved audience, the held-out users included."""

    def members(name: str) -> set[str]:
        saved = own.tenant.registry.get(name)
        return set(own.tenant.registry.members(saved.id, saved.version)[0])

    return members


# --- the data -------------------------------------------------------------------------------------


def test_the_data_card_counts_what_there_is(service: AudienceService, world: World) -> None:
    card = service.describe_data()
    events = pl.read_parquet(world.folder / "events.parquet").filter(pl.col("time").dt.date() < AS_OF)
    assert (card.title, card.unit, card.unit_plural, card.as_of) == ("A planted shop", "household", "households", AS_OF)
    assert card.population == len(world.dataset.before(AS_OF).population)
    assert [source.source for source in card.sources] == ["purchases", "views", "coupons"]
    for source in card.sources:
        mine = events.filter(pl.col("source") == source.source)
        assert (source.events, source.users) == (len(mine), mine["user_id"].n_unique())
        assert source.first >= FIRST
        assert source.last < AS_OF
    assert [field.field for field in card.fields] == [*FIELDS]
    for field in card.fields:
        assert sum(value.users or 0 for value in field.values) + (field.unknown or 0) == card.population
    assert set(card.top_groups[:3]) == set(STAPLES)
    assert NOBODY not in card.top_groups


def test_words_are_grounded_in_items_and_groups(service: AudienceService, world: World) -> None:
    assert {hit.text for hit in service.search_items("puppy chow", 9)} == set(HABITS["dog food"])
    hit = service.search_groups("something for the baby", 2)[0]
    assert hit.group in ("diapers", "baby food")
    assert set(hit.items) <= {*DIAPERS, *BABY_FOOD}
    population = set(world.dataset.before(AS_OF).population)
    lately = world.dataset.before(AS_OF).events(91).collect().join(world.dataset.items, on="item_id")
    found = lately.filter((pl.col("text") == "dry dog food") & (pl.col("source") == "purchases"))
    hits = service.search_items("dry dog food")
    [dry] = [hit for hit in hits if (hit.source, hit.text) == ("purchases", "dry dog food")]
    assert (dry.users, dry.events) == (len(set(found["user_id"]) & population), len(found))


def test_at_most_so_many_hits(service: AudienceService) -> None:
    assert len(service.search_items("food", 2)) == 2
    assert len(service.search_items("food", 10_000)) == 50


@pytest.mark.parametrize("words", ["", " \n\t"])
def test_empty_words_are_refused(service: AudienceService, words: str) -> None:
    for search in (service.search_items, service.search_groups):
        with pytest.raises(RequestError, match="the words are empty"):
            search(words)


@pytest.mark.parametrize("words", ["x" * 50_000, *HOSTILE, "§$%&/()=?"])
def test_any_words_can_be_searched(service: AudienceService, words: str) -> None:
    assert service.search_items(words)
    assert service.search_groups(words)


# --- size -----------------------------------------------------------------------------------------


def test_the_interval_contains_the_truth_for_most_demands(service: AudienceService, world: World) -> None:
    population = set(world.dataset.before(AS_OF).population)
    inside = []
    for group in DEMANDS:
        estimate = service.size(AudienceSpec(demand=f"Households that will buy {group} in the next 28 days"))
        truth = len(world.did(group) & population)
        interval = present(estimate.all_responders)
        inside.append(interval.low <= truth <= interval.high)
    assert np.mean(inside) >= 0.6


def test_size_is_consistent_with_itself(service: AudienceService) -> None:
    estimate = service.size(DOGS)
    assert estimate.reads_as == ("dog food",)
    assert estimate.eligible == estimate.population == service.describe_data().population
    assert estimate.cut == estimate.recommended_cut
    assert estimate.users == round(estimate.cut * estimate.eligible)
    assert MINIMUM <= sum(bucket.users or 0 for bucket in estimate.histogram) <= estimate.eligible
    assert len(estimate.histogram) == 20
    assert present(estimate.precision).mid == pytest.approx(present(estimate.responders).mid / estimate.users)
    assert present(estimate.lift) > 1.5
    assert estimate.users in [point.users for point in estimate.curve]
    assert estimate.curve[-1].responders == estimate.all_responders
    assert estimate.warnings == ()


@settings(max_examples=25)
@given(st.sampled_from(DEMANDS), st.floats(0, 1), st.booleans())
def test_the_reach_curve_is_monotone_and_its_intervals_ordered(
    service: AudienceService, group: str, cut: float, first_time: bool
) -> None:
    words = "for the first time " if first_time else ""
    estimate = service.size(AudienceSpec(demand=f"people who will buy {group} {words}next month", cut=cut))
    for before, after in pairwise(estimate.curve):
        assert before.users < after.users
        assert before.responders.mid <= after.responders.mid + 1e-9
        assert before.precision.mid >= after.precision.mid - 1e-9
        assert before.lift >= after.lift - 1e-9
    for point in estimate.curve:
        for interval in (point.responders, point.precision):
            assert 0 <= interval.low <= interval.mid <= interval.high
        assert point.responders.high <= point.users
        assert point.precision.high <= 1
    users = max(1, round(cut * estimate.eligible)) if estimate.eligible else 0
    assert estimate.users == (users if users >= MINIMUM else None)


def test_a_longer_horizon_is_larger_and_says_where_its_level_comes_from(service: AudienceService, world: World) -> None:
    week, month, usual = (
        service.size(AudienceSpec(demand=f"people who will buy beer next {unit}"))
        for unit in ("week", "month", "28 days")
    )
    assert (week.horizon_days, month.horizon_days) == (7, 30)
    expected = present(week.all_responders)
    assert expected.mid < 0.85 * present(month.all_responders).mid
    population = set(world.dataset.before(AS_OF).population)
    assert expected.low <= len(world.did("beer", 7) & population) <= expected.high
    assert "learned from futures of 28 days" in week.warnings[0]
    assert usual.warnings == ()


def test_a_sentence_about_nothing_in_the_data_is_marked(service: AudienceService) -> None:
    estimate = service.size(AudienceSpec(demand="zzqx jjwv"))
    assert estimate.reads_as == ()
    assert "Nothing in the data is like" in estimate.warnings[0]


@pytest.mark.parametrize("cut", [-0.1, 1.1, float("nan")])
def test_a_cut_outside_zero_to_one_is_no_spec(cut: float) -> None:
    with pytest.raises(ValidationError):
        AudienceSpec(demand="tea", cut=cut)


# --- hard conditions ------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
def test_is_and_is_not_and_unknown_are_everyone(service: AudienceService, field: str) -> None:
    card = next(card for card in service.describe_data().fields if card.field == field)
    value = card.values[0].value
    filters = (Filter(field=field, values=(value,)), Filter(field=field, op="is not", values=(value,)))
    sizes = [present(service.size(EVERYBODY.model_copy(update={"filters": (each,)})).eligible) for each in filters]
    assert sizes[0] == card.values[0].users
    assert sum(sizes) + (card.unknown or 0) == service.describe_data().population


@settings(max_examples=20)
@given(st.data())
def test_filters_keep_exactly_who_has_the_values(service: AudienceService, world: World, data: st.DataObject) -> None:
    users = world.dataset.users
    population = set(world.dataset.before(AS_OF).population)
    expected, filters = population, []
    for field in data.draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        known = sorted(users[field].drop_nulls().unique())
        values = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        op = data.draw(st.sampled_from(["is", "is not"]))
        filters.append(Filter(field=field.upper(), op=op, values=tuple(value.upper() for value in values)))
        has = {
            user
            for user, value in users.select("user_id", field).rows()
            if value is not None and (value in values) == (op == "is")
        }
        expected = expected & has
    estimate = service.size(AudienceSpec(demand="people who will buy bread", filters=tuple(filters)))
    rest = len(population) - len(expected)
    assert estimate.eligible == (shown(len(expected)) if rest >= MINIMUM else len(population))
    for each in estimate.conditions:
        assert (each.kept or 0) + (each.dropped or 0) == len(population)
        assert all(users is None or users >= MINIMUM for users in (each.kept, each.dropped))


@pytest.mark.parametrize("days", [None, 30])
@pytest.mark.parametrize("did", [True, False])
def test_behaviours_keep_who_did_or_did_not(
    service: AudienceService, world: World, did: bool, days: int | None
) -> None:
    events = world.dataset.before(AS_OF).events(days).collect().join(world.dataset.items, on="item_id")
    bought = set(events.filter((pl.col("group") == "diapers") & (pl.col("source") == "purchases"))["user_id"])
    population = set(world.dataset.before(AS_OF).population)
    spec = EVERYBODY.model_copy(update={"behaviours": (Behaviour(did=did, what="diapers", days=days),)})
    estimate = service.size(spec)
    expected = len(population & bought) if did else len(population - bought)
    assert abs(present(estimate.eligible) - expected) <= 0.1 * len(population), "baby wipes may or may not be meant"
    assert estimate.conditions[0].condition.startswith("bought diapers" if did else "did not buy diapers")


def test_first_time_leaves_out_who_has_done_it(service: AudienceService, world: World) -> None:
    estimate = service.size(NEW_PARENTS)
    assert [each.condition for each in estimate.conditions] == ["has never done it before"]
    assert estimate.eligible == len(set(world.dataset.before(AS_OF).population) - world.had_done("baby food"))


@pytest.mark.parametrize(
    ("filter_", "complaint"),
    [
        (Filter(field="agee", values=("25-34",)), "No user has the attribute 'agee'; there is 'age'"),
        (Filter(field="shoe size", values=("9",)), "there is "),
        (Filter(field="age", values=("25-35",)), "'age' has no value '25-35'; there is '25-34'"),
        (Filter(field="region", values=("north", "nort")), "'region' has no value 'nort'; there is 'north'"),
        (Filter(field="user_id", values=("h100",)), "No user has the attribute 'user_id'"),
        (Filter(field="email", values=("x",)), "No user has the attribute 'email'"),
    ],
)
def test_unknown_fields_and_values_name_the_nearest(service: AudienceService, filter_: Filter, complaint: str) -> None:
    spec = DOGS.model_copy(update={"filters": (filter_,)})
    for ask in (service.size, service.preview, service.profile):
        with pytest.raises(RequestError, match=complaint):
            ask(spec)


def test_a_behaviour_that_is_nothing_in_the_data(service: AudienceService) -> None:
    with pytest.raises(RequestError, match="Nothing in the data is like 'zzqx jjwv'"):
        service.size(DOGS.model_copy(update={"behaviours": (Behaviour(what="zzqx jjwv"),)}))


# --- members --------------------------------------------------------------------------------------


def test_sample_users_are_masked_and_have_evidence(service: AudienceService, world: World) -> None:
    samples = service.preview(DOGS, count=7)
    assert len(samples) == 7
    assert [user.probability for user in samples] == sorted((user.probability for user in samples), reverse=True)
    assert samples[0].evidence[0].item in HABITS["dog food"]
    assert samples[0].evidence[0].item in samples[0].why
    everything = "".join(user.model_dump_json() for user in samples)
    assert not any(f'"{user}"' in everything or f" {user}" in everything for user in world.dataset.users["user_id"])
    assert "@" not in everything
    assert samples == service.preview(DOGS, count=7)


def test_the_profile_shows_what_was_planted(service: AudienceService) -> None:
    rows = service.profile(AudienceSpec(demand="wine lovers", cut=0.2))
    by_value = {(row.field, row.value): row for row in rows}
    assert ("income", "high") in by_value
    assert by_value["did in the last 91 days", "wine"].index > 200
    assert [row.index for row in rows] == sorted((row.index for row in rows), reverse=True)
    for row in rows:
        assert row.index == pytest.approx(100 * row.audience_share / row.everyone_share)
        assert row.users is None or row.users >= MINIMUM
        assert row.audience_share > row.everyone_share


def test_everybody_is_like_everybody(service: AudienceService) -> None:
    assert service.profile(EVERYBODY) == ()


@pytest.mark.parametrize("cut", [0.0, 0.01])
def test_small_audiences_are_not_looked_at(own: AudienceService, cut: float) -> None:
    spec = DOGS.model_copy(update={"cut": cut})
    size = own.size(spec)
    assert "fewer than 20 households; so few are not counted, shown or exported" in size.warnings[-1]
    assert (size.users, size.responders, size.precision, size.lift) == (None, None, None, None)
    assert min(point.users for point in size.curve) >= MINIMUM
    saved = own.save(spec, f"few {cut}", "Ada")
    assert (saved.users, saved.holdout, saved.forecast) == (None, None, None)
    for look in (lambda: own.preview(spec), lambda: own.profile(spec), lambda: own.export(saved.id)):
        with pytest.raises(
            TooSmallError, match=r"fewer than 20 households; so few are not shown|Fewer than 20 of this audience may be"
        ):
            look()
    assert not list(own.tenant.workspace.exports.glob("*"))


def test_nobody_is_eligible(service: AudienceService) -> None:
    nobody = EVERYBODY.model_copy(
        update={"filters": (Filter(field="region", values=("north",)), Filter(field="region", values=("south",)))}
    )
    estimate = service.size(nobody)
    assert (estimate.eligible, estimate.users, estimate.lift, estimate.all_responders) == (None, None, None, None)
    assert (estimate.curve, estimate.histogram) == ((), ())
    with pytest.raises(TooSmallError):
        service.preview(nobody)


def test_explaining_one_user(service: AudienceService, world: World) -> None:
    forecast = service.forecaster.forecast(DOGS.demand)
    best = service.forecaster.snapshot.histories.user_ids[int(np.argmax(forecast.probabilities))]
    explained = service.explain(best, DOGS)
    assert explained.in_audience
    assert explained.reasons == ()
    assert explained.percentile > 0.95
    assert explained.evidence[0].item in HABITS["dog food"]
    mask = service.population.people.masked(service.population.row_of[best])
    assert explained.text.startswith(f"Household {mask} is in the audience. Before the as-of date: ")
    assert best not in explained.model_dump_json()
    assert service.explain(f"Household {mask.lower()}", DOGS) == explained


def test_the_owner_sees_ids_where_that_was_asked_for(own: AudienceService) -> None:
    own.settings = own.settings.model_copy(update={"show_ids": True})
    agent = own.of(Caller(name="agent", scopes=frozenset({Scope.PREVIEW})))
    [sample] = own.preview(DOGS, 1)
    assert own.explain(sample.masked_id, DOGS).user_id in own.population.user_ids
    assert agent.explain(sample.masked_id, DOGS).user_id == sample.masked_id.split()[1]


def test_a_user_of_the_preview_is_explained_by_the_mask(service: AudienceService) -> None:
    small = service.of(Caller(name="agent", scopes=frozenset({Scope.PREVIEW})))
    for sample in small.preview(DOGS, 3):
        found = small.explain(sample.masked_id, DOGS)
        assert (found.in_audience, found.probability, found.evidence) == (True, sample.probability, sample.evidence)
        assert found.user_id == sample.masked_id.split()[1]
        assert found.probability == round(found.probability, 2)


def test_below_admin_an_id_a_stranger_and_a_user_outside_are_answered_alike(service: AudienceService) -> None:
    small = service.of(Caller(name="agent", scopes=frozenset({Scope.PREVIEW})))
    people, selection = service.population.people, selected(service, DOGS)
    inside, outside = int(selection.members[0]), int(selection.ranked[-1])
    ids = [service.population.user_ids[row] for row in (inside, outside)]
    for named in (*ids, people.masked(outside), "h999", "0000-0000-0000-0000", people.masked(inside)[:-1]):
        with pytest.raises(RequestError) as refused:
            small.explain(named, DOGS)
        assert str(refused.value) == f"There is no household '{named}' in this audience."
    assert service.explain(ids[1], DOGS).reasons == ("the probability is below the cut",)


def test_explaining_why_somebody_is_out(service: AudienceService, world: World) -> None:
    gone = sorted(world.gone)[3]
    assert service.explain(gone, DOGS).reasons == (f"not active in the 91 days before {AS_OF}",)
    population = set(world.dataset.before(AS_OF).population)
    parent = min(world.had_done("baby food") & population)
    assert service.explain(parent, NEW_PARENTS).reasons == ("does not meet the condition: has never done it before",)
    ages = dict(world.dataset.users.select("user_id", "age").rows())
    unknown = min(user for user in population - world.had_done("wine") if ages[user] is None)
    spec = EVERYBODY.model_copy(
        update={
            "filters": (Filter(field="age", values=("25-34",)),),
            "behaviours": (Behaviour(did=True, what="wine"), Behaviour(did=True, what="bread")),
        }
    )
    assert service.explain(unknown, spec).reasons == (
        "does not meet the condition: age is 25-34",
        "does not meet the condition: bought wine at any time before",
    )
    no_dog = min(population - world.had_done("dog food"))
    assert service.explain(no_dog, DOGS).reasons == ("the probability is below the cut",)


@pytest.mark.parametrize("user", ["", "h999", "' OR 1=1 --", "x" * 5000])
def test_an_unknown_user(service: AudienceService, world: World, user: str) -> None:
    with pytest.raises(RequestError, match=f"There is no household .* with events before {AS_OF}") as caught:
        service.explain(user, DOGS)
    assert len(str(caught.value)) < 200
    with pytest.raises(RequestError):
        service.explain(min(world.late), DOGS)


# --- audiences that are kept ----------------------------------------------------------------------


def test_a_saved_audience_is_what_was_sized(own: AudienceService, members: Callable[[str], set[str]]) -> None:
    estimate = own.size(DOGS)
    saved = own.save(DOGS, "Dog people", "Ada")
    assert (saved.users, saved.version, saved.as_of) == (estimate.users, 1, AS_OF)
    assert saved.spec == DOGS.model_copy(update={"cut": estimate.cut})
    assert len(members("Dog people")) == estimate.users
    assert saved.holdout == pytest.approx(0.1 * present(saved.users), abs=1)
    assert own.list_audiences() == (saved,)
    assert own.save(DOGS, "dog people", "Ada").version == 2


def test_saving_twice_with_one_key_saves_once(own: AudienceService) -> None:
    assert own.save(DOGS, "Dogs", "Ada", key="k") == own.save(DOGS, "Dogs", "Ada", key="k")
    assert [saved.version for saved in own.list_audiences()] == [1]


@settings(max_examples=12)
@given(
    st.sampled_from(["and", "or", "not"]),
    st.lists(st.tuples(st.sampled_from(sorted(HABITS)), st.sampled_from([0.1, 0.35, 0.8])), min_size=2, max_size=3),
)
def test_combining_is_set_algebra(
    service: AudienceService,
    world: World,
    tmp_path_factory: pytest.TempPathFactory,
    operation: Literal["and", "or", "not"],
    wanted: list[tuple[str, float]],
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("own"))
    workspace.data.symlink_to(world.folder)
    own = AudienceService(service.settings, workspace, service.forecaster)
    sets: list[set[str]] = []
    for number, (group, cut) in enumerate(wanted):
        saved = own.save(AudienceSpec(demand=f"people who will buy {group}", cut=cut), f"a{number}", "Ada")
        sets.append(set(own.tenant.registry.members(saved.id, saved.version)[0]))
    joined = own.combine(operation, [f"a{number}" for number in range(len(wanted))], "joined", "Ada")
    first, *others = sets
    algebra: dict[str, Callable[..., set[str]]] = {
        "and": first.intersection,
        "or": first.union,
        "not": first.difference,
    }
    expected = algebra[operation](*others)
    assert set(own.tenant.registry.members(joined.id, joined.version)[0]) == expected
    assert (joined.users, joined.spec) == (shown(len(expected)), None)
    overlaps = own.compare([f"a{number}" for number in range(len(wanted))]).overlaps
    both, smaller = len(sets[0] & sets[1]), min(len(sets[0]), len(sets[1]))
    sizes = (len(sets[0]), len(sets[1]))
    alike = both >= MINIMUM > smaller - both
    if alike and abs(sizes[0] - sizes[1]) < MINIMUM:
        sizes = (smaller := sizes[1],) * 2
    assert overlaps[0].both == (smaller if alike else shown(both))
    assert (overlaps[0].users_a, overlaps[0].users_b) == sizes
    assert overlaps[0].either == sum(sizes) - (overlaps[0].both or 0)
    share, users = overlaps[0].jaccard, len(sets[0]) + len(sets[1])
    assert share is not None
    assert abs(share * users / (1 + share) - both) <= MINIMUM / 10, "as far apart as they are, within a few"
    assert len(overlaps) == len(wanted) * (len(wanted) - 1) / 2
    own.close()


def test_comparing_needs_two_audiences_that_are_there(own: AudienceService) -> None:
    own.save(DOGS, "Dogs", "Ada")
    for audiences in ([], ["Dogs"]):
        with pytest.raises(RequestError, match="at least two"):
            own.compare(audiences)
        with pytest.raises(RequestError, match="at least two"):
            own.combine("and", audiences, "x", "Ada")
    with pytest.raises(RequestError, match="Dogs"):
        own.compare(["Dogs", "Dugs"])
    [overlap] = own.compare(["Dogs", DOGS]).overlaps
    assert overlap.jaccard == 1


def test_the_export_holds_everybody_but_the_held_out(own: AudienceService, members: Callable[[str], set[str]]) -> None:
    saved = own.save(DOGS, "Dogs", "Ada")
    file = own.export("Dogs")
    with Path(file.path).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    exported = {row["user_id"] for row in rows}
    assert exported < members("Dogs")
    assert (file.rows, file.held_out) == (len(rows), saved.holdout)
    assert len(rows) == present(saved.users) - present(saved.holdout)
    hashed = {row["user_id"]: row["email_sha256"] for row in rows}
    for user, digest in hashed.items():
        known = int(user[1:]) % 2 == 0
        assert digest == (hashlib.sha256(f"{user}@example.org".encode()).hexdigest() if known else "")


def test_a_name_that_gives_orders_is_only_a_name(own: AudienceService) -> None:
    for name in HOSTILE:
        assert own.save(DOGS, name, "Ada; DROP TABLE members").name == name
    assert len(own.list_audiences()) == len(HOSTILE)


def test_many_threads_get_the_same_answers(service: AudienceService) -> None:
    specs = [AudienceSpec(demand=f"people who will buy {group} soon", cut=0.3) for group in HABITS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(service.size, specs * 2))
    assert together == [service.size(spec) for spec in specs] * 2
