"""What may be learned of one user by a caller below admin who knows how counts are protected, but not the key."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.errors import TooManyCallsError, TooSmallError
from tests.planted import FIELDS, HABITS, MINIMUM
from tests.tools.selecting import selected
from tests.tools.singled import BREAD, singled_out
from tools.access import gate
from tools.access.callers import Caller, Scope
from tools.access.gate import WINDOW, Allowance
from tools.audiences.disclosure import CERTAIN, EDGES, ROUNDED_TO, SCALE, Disclosure, Protected, shown_above
from tools.audiences.sizing import select, size_estimate
from tools.operation_types import Goal
from tools.service import AudienceService
from tools.types import AudienceSpec, Behaviour, Filter

AGENT = Caller(name="agent", scopes=frozenset(set(Scope) - {Scope.ADMIN}))
KEYS = [number.to_bytes(32, "big") for number in range(400)]


def protected(key: bytes = KEYS[0], minimum: int = 50) -> Protected:
    return Protected(minimum, key, "edition")


# --- the noise ------------------------------------------------------------------------------------


def odds(one: list[object], other: list[object]) -> float:
    """How much likelier, at most, one answer is under one of two worlds, over answers seen often enough to say."""
    known = [answer for answer in set(one) | set(other) if min(one.count(answer), other.count(answer)) >= 100]
    return max(abs(float(np.log(one.count(each) / other.count(each)))) for each in known)


def test_one_user_changes_the_odds_of_an_answer_by_little() -> None:
    """Over fresh keys, which is what somebody without the key has before them; three standard errors are let pass."""
    keys = [number.to_bytes(32, "big") for number in range(6000)]
    answers: list[list[object]] = [[protected(key).count(users, "who") for key in keys] for users in (150, 151)]
    assert odds(*answers) <= 1 / SCALE + 3 * np.sqrt(2 / 100)
    exact = [round(float(np.mean([each for each in some if isinstance(each, int)]))) for some in answers]
    assert exact == pytest.approx([150, 151], abs=1)


def test_what_two_questions_answer_does_not_say_whether_they_select_the_same_users() -> None:
    """Noise of the users themselves would: equal answers for equal users, and others for others."""
    users = np.arange(400) < 150
    one_less = users.copy()
    one_less[0] = False
    same, other = (
        [protected(key).count(users, "a") == protected(key).count(second, "b") for key in KEYS]
        for second in (users, one_less)
    )
    assert abs(np.mean(same) - np.mean(other)) < 0.1
    assert np.mean(same) < 0.35


@given(st.integers(0, 2**31), st.integers(0, 3000), st.text(max_size=20))
def test_asking_again_answers_the_same_and_nothing_exact(seed: int, users: int, question: str) -> None:
    shown = protected(seed.to_bytes(32, "big"))
    found = shown.count(users, question)
    assert found == shown.count(users, question)
    assert found is None or found == 50 or found % ROUNDED_TO == 0
    if users < 50:
        assert found is None


@pytest.mark.slow
def test_the_very_minimum_cannot_be_looked_for() -> None:
    """Along the cuts of one question there is one edge, at a number of users that differs from question to question."""
    edges = []
    for number in range(300):
        shown = [protected().count(users, str(number)) is not None for users in range(40, 200)]
        edges.append(40 + shown.index(True))
        assert shown == sorted(shown)
    assert min(edges) >= MINIMUM
    assert max(np.bincount(edges)) < 0.25 * len(edges)
    assert np.std(edges) > 5


@pytest.mark.slow
def test_a_group_of_the_very_minimum_is_hardly_ever_shown() -> None:
    """Whoever knows 49 of its users would else be told for certain that one more is there, by being answered at all."""
    keys = [number.to_bytes(32, "big") for number in range(4000)]
    shown = [np.mean([protected(key).count(users, "who") is not None for key in keys]) for users in (50, 51)]
    assert max(shown) < 0.006
    assert all(protected(key).count(200, "who") is not None for key in keys)


@given(st.integers(0, 400))
def test_whether_a_group_is_shown_tells_one_user_by_no_more_than_the_noise(users: int) -> None:
    """But with the odds of ``CERTAIN``; both ways: being shown, and being withheld."""
    one, more = (chance_to_be_shown(number) for number in (users, users + 1))
    grows = np.exp(1 / SCALE)
    assert one <= more <= grows * one + CERTAIN + 1e-12
    assert 1 - one <= grows * (1 - more) + CERTAIN + 1e-12
    assert (one > 0) == (users >= 50)


def chance_to_be_shown(users: int) -> float:
    """By arithmetic, where the chance is drawn from an even distribution."""
    chances = shown_above()
    return 0.0 if users < 50 else float(chances[min(users - 50, len(chances) - 1)])


@given(st.integers(50, 2000), st.integers(0, 2**31))
def test_protected_probabilities_are_ranked_as_many_as_are_shown_and_in_bounds(eligible: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exact = np.sort(rng.beta(0.5, 5, eligible))[::-1]
    shown = protected(seed.to_bytes(32, "big")).ranked(exact, eligible, "who")
    assert len(shown) == eligible
    assert (np.diff(shown) <= 0).all()
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_one_user_changes_the_noisy_classes_by_one_in_one_class() -> None:
    """So the probabilities, and all that is computed from them, are as protected as one count."""
    exact = np.sort(np.random.default_rng(1).beta(0.5, 5, 300))[::-1]
    for left_out in range(0, 300, 20):
        fewer = np.delete(exact, left_out)
        changed = np.histogram(exact, EDGES)[0] - np.histogram(fewer, EDGES)[0]
        assert sorted(changed) == [*[0] * (len(EDGES) - 2), 1]
    answers = list[list[float]]()
    for some in (exact, exact[1:]):
        answers.append([float(protected(key).ranked(some, 300, "who").sum()) for key in KEYS])
    gap = abs(np.mean(answers[0]) - np.mean(answers[1]))
    assert gap < 0.3 * np.std(answers[0]), "the noise covers the likeliest user"


# --- the owner ------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 120), min_size=1, max_size=8))
def test_no_cell_below_the_minimum_follows_from_the_others(cells: list[int]) -> None:
    shown = Disclosure(50).cells(cells, [()] * len(cells))
    assert all(count is None or count == cell >= 50 for count, cell in zip(shown, cells, strict=True))
    hidden = sum(cells) - sum(count or 0 for count in shown)
    assert hidden == 0 or hidden >= 50 or all(count is None for count in shown)


@given(st.integers(50, 500), st.integers(0, 500))
def test_no_part_leaves_a_rest_below_the_minimum(whole: int, part: int) -> None:
    disclosure = Disclosure(50)
    shown = disclosure.part(min(part, whole), whole)
    rest = disclosure.rest(whole, shown)
    assert shown is None or shown >= 50
    assert rest is None or rest >= 50
    if shown is not None and rest is None:
        assert shown == whole, "a small rest is shown as nobody"


# --- neighbouring audiences of the planted world --------------------------------------------------


def audiences() -> st.SearchStrategy[AudienceSpec]:
    values = {"age": ("25-34", "55-64"), "income": ("high", "low"), "region": ("north", "south", "west")}
    filters = st.sampled_from(FIELDS).flatmap(
        lambda field: st.builds(
            Filter,
            field=st.just(field),
            op=st.sampled_from(["is", "is not"]),
            values=st.lists(st.sampled_from(values[field]), min_size=1, max_size=2, unique=True).map(tuple),
        )
    )
    behaviours = st.builds(
        Behaviour,
        did=st.booleans(),
        what=st.sampled_from(sorted(HABITS)),
        days=st.sampled_from([None, 7, 14, 28, 60, 90]),
    )
    return st.builds(
        AudienceSpec,
        demand=st.sampled_from([f"people who will buy {group} in the next 28 days" for group in HABITS]),
        filters=st.lists(filters, max_size=2).map(tuple),
        behaviours=st.lists(behaviours, max_size=2).map(tuple),
        cut=st.one_of(st.none(), st.sampled_from([0.2, 0.5, 0.9, 1.0])),
    )


def figures(service: AudienceService, spec: AudienceSpec, key: bytes) -> dict[str, float]:
    """Every number of the size of an audience, as a caller without the key sees it; -1 for what is withheld."""
    shown, forecaster = protected(key, MINIMUM), service.forecaster
    selection = select(forecaster.forecast(spec.demand), spec, service.population.conditions, shown)
    size = size_estimate(spec, selection, forecaster, shown)
    found: dict[str, float | None] = {"eligible": size.eligible, "users": size.users, "lift": size.lift}
    found |= {"recommended": size.recommended_cut, "points": len(size.curve), "last": size.conditions[-1].kept}
    for name in ("responders", "all_responders", "precision"):
        interval = getattr(size, name)
        found |= {f"{name} {end}": getattr(interval, end) if interval else None for end in ("low", "mid", "high")}
    found |= {f"bucket {place}": bucket.users for place, bucket in enumerate(size.histogram[:4])}
    return {name: -1.0 if value is None else float(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def agent(service: AudienceService) -> Iterator[AudienceService]:
    """The service as somebody below admin sees it, who may ask for ever."""
    seen = service.of(AGENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen.tenant.allowance, "ask", lambda *asked: None)
        yield seen


@settings(max_examples=250)
@given(audiences(), st.integers(0, 2**31))
def test_an_audience_is_shown_through_its_noisy_counts_alone(
    agent: AudienceService, spec: AudienceSpec, seed: int
) -> None:
    """A neighbour is the same audience without one of its users; each spec has a dozen of them here.

    What is shown does not change where the probabilities move within their classes, so it depends on the noisy counts
    alone. Those of a neighbour are without noise one less, in the count and in a single class. So the odds of what is
    shown change by no more than those of the noise on two counts, which the tests above look at.
    """
    disclosure, rng = agent.population.protected, np.random.default_rng(seed)
    exact = selected(agent, spec, disclosure)
    chances = exact.forecast.probabilities[exact.ranked]
    size = agent.size(spec)
    assert size == agent.size(spec)
    kept = [part for each in size.conditions for part in (each.kept, each.dropped)]
    for count in (size.eligible, size.users, *kept, *(point.users for point in size.curve)):
        assert count is None or count >= MINIMUM
    assert size.cut == float(f"{size.cut:.3g}")
    if size.eligible is None:
        assert (size.users, size.all_responders, size.curve, size.histogram) == (None, None, (), ())
        return
    classes = np.clip(np.searchsorted(EDGES, chances, "right") - 1, 0, len(EDGES) - 2)
    low, high = np.asarray(EDGES)[classes], np.asarray(EDGES)[classes + 1]
    moved = np.sort(low + (high - low) * rng.uniform(0.01, 0.99, len(chances)))[::-1]
    assert np.array_equal(disclosure.ranked(moved, size.eligible, *exact.asked), exact.shown)
    for place in rng.integers(0, len(chances), 12):
        fewer = np.histogram(np.delete(chances, place), EDGES)[0]
        assert sorted(np.histogram(chances, EDGES)[0] - fewer) == [*[0] * (len(EDGES) - 2), 1]


@settings(max_examples=60)
@given(audiences())
def test_other_words_for_the_same_conditions_answer_the_same(agent: AudienceService, spec: AudienceSpec) -> None:
    known = {card.field: [value.value for value in card.values] for card in agent.describe_data().fields}
    turned = [
        Filter(
            field=each.field.upper(),
            op="is not" if each.op == "is" else "is",
            values=tuple(value for value in known[each.field] if value not in each.values),
        )
        for each in reversed(spec.filters)
        if set(known[each.field]) != set(each.values)
    ]
    if len(turned) != len(spec.filters):
        return
    longer = [
        each.model_copy(update={"days": 30_000}) if each.days is None and each.did else each
        for each in reversed(spec.behaviours)
    ]
    other = spec.model_copy(update={"filters": (*turned, *turned), "behaviours": (*longer, *longer)})
    one, same = agent.size(spec), agent.size(other)
    hidden = {"conditions", "sentence", "warnings"}
    assert one.model_dump(exclude=hidden) == same.model_dump(exclude=hidden)


def test_a_scan_of_cuts_and_goals_is_computed_from_what_is_shown(agent: AudienceService) -> None:
    spec = AudienceSpec(demand=BREAD, filters=(Filter(field="income", values=("high",)),))
    eligible = agent.size(spec).eligible
    assert eligible is not None
    exact = len(selected(agent, spec).ranked)
    always = agent.population.protected.always_shown / exact
    for cut in np.linspace(always + 0.02, 1.0, 60):
        size = agent.size(spec.model_copy(update={"cut": float(cut)}))
        assert size.eligible == eligible
        assert size.users == round(size.cut * eligible)
        assert size.cut == float(f"{cut:.3g}")
    smallest = agent.population.protected.smallest
    for users in range(exact - 3, exact + 4):
        assert agent.reach_goal(spec, Goal(users=users)).users == min(max(users, smallest), eligible)
    recommended = agent.size(spec).recommended_cut
    assert recommended == float(f"{recommended:.3g}"), "a fraction with all its digits gives its denominator away"


def test_a_household_that_conditions_single_out_is_not_told_by_any_statistic(service: AudienceService) -> None:
    """The attack of two audiences that differ by one household, over fresh keys, on every number of the answer.

    The best threshold on a number may tell the two apart as often as the noise of two answers allows, tanh(2 / SCALE)
    for a count and for the classes, and what chance adds over so many keys (Dvoretzky-Kiefer-Wolfowitz, 99.9 %).
    """
    everyone, single, _ = singled_out(service.population)
    but_one = everyone.model_copy(update={"behaviours": (single.model_copy(update={"did": False}),)})
    exact = [len(selected(service, spec).ranked) for spec in (everyone, but_one)]
    assert exact[0] == exact[1] + 1
    keys = KEYS[:250]
    seen = [[figures(service, spec, key) for key in keys] for spec in (everyone, but_one)]
    bound = np.tanh(1 / SCALE) + 2 * np.sqrt(np.log(2 / 1e-3) / (2 * len(keys)))
    for name in seen[0][0].keys() - {"last"}:
        one, other = (np.array([each[name] for each in some]) for some in seen)
        for threshold in np.unique(one):
            assert abs(np.mean(one >= threshold) - np.mean(other >= threshold)) <= bound, name


def test_comparing_an_audience_with_itself_but_one_says_nothing(agent: AudienceService) -> None:
    all_of = AudienceSpec(demand=BREAD, cut=1.0)
    but_one = all_of.model_copy(update={"behaviours": (Behaviour(did=False, what="brass telescope"),)})
    [overlap] = agent.compare([all_of, but_one]).overlaps
    exact = [len(selected(agent, each).members) for each in (all_of, but_one)]
    assert overlap.users_a is not None
    assert overlap.users_a % ROUNDED_TO == 0
    assert (overlap.users_a, overlap.users_b) != tuple(exact)
    for row in agent.profile(all_of.model_copy(update={"cut": 0.5}), 50):
        assert row.users is not None
        assert row.users >= MINIMUM
    for field in agent.skew(all_of.model_copy(update={"cut": 0.5})).fields:
        assert all(
            row.selected is None or row.selected % ROUNDED_TO == 0 or row.selected == MINIMUM for row in field.rows
        )


def test_below_the_minimum_nothing_is_answered_whoever_asks(service: AudienceService, agent: AudienceService) -> None:
    few = AudienceSpec(demand=BREAD, behaviours=(Behaviour(did=True, what="brass telescope"),))
    for asked in (service, agent):
        size = asked.size(few)
        assert (size.eligible, size.users, size.all_responders, size.curve, size.histogram) == (
            None,
            None,
            None,
            (),
            (),
        )
        assert asked.reach_goal(few, Goal(users=1)).users is None
        [overlap] = asked.compare([few, AudienceSpec(demand=BREAD, cut=1.0)]).overlaps
        assert (overlap.users_a, overlap.both) == (None, None)
        some = service.preview(AudienceSpec(demand=BREAD, cut=1.0), 1)[0].masked_id
        for look in (asked.profile, asked.skew, asked.preview, lambda spec: asked.explain(some, spec)):  # noqa: B023
            with pytest.raises(TooSmallError, match=f"fewer than {MINIMUM} households") as refused:
                look(few)
            assert "1 " not in str(refused.value)


# --- how often ------------------------------------------------------------------------------------


def test_a_token_asks_about_so_many_groups_a_day_and_again_for_free(tmp_path: Path) -> None:
    book, now = Allowance(tmp_path / "allowance.db"), datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(gate.MOST_QUESTIONS - 12):
        book.ask("agent", [number.to_bytes(2, "big")], now=now + timedelta(minutes=number))
    later = now + timedelta(hours=12)
    with pytest.raises(TooManyCallsError):
        book.ask("agent", [b"a profile"], 13, later)
    book.ask("agent", [b"a profile"], 12, later)
    book.ask("agent", [b"a profile"], 12, later)
    book.ask("agent", [(0).to_bytes(2, "big")], now=later)
    with pytest.raises(TooManyCallsError, match=r"200 different questions about groups.*come back in 12 hours"):
        book.ask("agent", [b"another"], now=later)
    book.ask("other", [b"another"], now=later)
    book.close()
    again = Allowance(tmp_path / "allowance.db")
    with pytest.raises(TooManyCallsError) as refused:
        again.ask("agent", [b"another"], now=now + WINDOW - timedelta(seconds=1))
    assert refused.value.retry_after == 1
    again.ask("agent", [b"another"], now=now + WINDOW)
    again.close()


def test_every_count_of_an_answer_takes_one_of_the_questions_and_the_owner_asks_for_ever(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each demand draws noise of its own, also on everyone; each of several conditions is counted by itself, too."""
    monkeypatch.setattr(gate, "MOST_QUESTIONS", 5)
    agent, filters = own.of(AGENT), [Filter(field="income", values=(value,)) for value in ("high", "low")]
    north = Filter(field="region", values=("north",))
    for _ in range(2):
        agent.size(AudienceSpec(demand=BREAD))
        agent.size(AudienceSpec(demand=BREAD, filters=(filters[0],)))
        agent.size(AudienceSpec(demand=BREAD, filters=(filters[0], north)))
    for other in (AudienceSpec(demand="people who will buy tea"), AudienceSpec(demand=BREAD, filters=(filters[1],))):
        with pytest.raises(TooManyCallsError):
            agent.size(other)
        with pytest.raises(TooManyCallsError):
            agent.reach_goal(other, Goal(users=100))
        assert own.size(other).eligible


def test_looking_for_signals_takes_no_question_for_what_is_not_shown(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MOST_QUESTIONS", 0)
    spec = AudienceSpec(demand=BREAD, filters=(Filter(field="income", values=("high",)),))
    assert own.of(AGENT).reads_as(spec) == own.size(spec).reads_as


def test_another_version_of_a_part_is_another_question(own: AudienceService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same noise, the difference of two versions would be exact."""
    agent, asked = own.of(AGENT), list[bytes]()
    monkeypatch.setattr(own.tenant.allowance, "ask", lambda name, prints, counts=1: asked.extend(counts * prints))
    own.save(AudienceSpec(demand="people who will buy tea", cut=0.5), "b", "Ada")
    for cut in (0.5, 0.6):
        own.save(AudienceSpec(demand=BREAD, cut=cut), "a", "Ada")
        agent.combined_users("or", ["a", "b"])
    assert len(set(asked)) == 2
    shown = agent.drifts.check("a").model_dump()
    figures = ["users", "users_now", "stayed", "came", "left", "moved", "forecast", "forecast_now"]
    assert len(figures) + len({"counted"}) == len(asked) - 2
    assert shown.keys() > set(figures)


def test_a_ratio_of_a_count_that_is_withheld_is_withheld(own: AudienceService) -> None:
    dogs = AudienceSpec(demand="Households that will buy dog food in the next 28 days")
    own.save(dogs, "Dogs", "Ada")
    few = dogs.model_copy(update={"cut": 1e-6})
    for service in (own, own.of(Caller(name="agent", scopes=frozenset({Scope.SIZE})))):
        [overlap] = service.compare(["Dogs", few]).overlaps
        assert (overlap.users_b, overlap.both, overlap.jaccard) == (None, None, None)


@pytest.mark.parametrize("both", [0, 7, 60])
def test_below_admin_a_share_says_nothing_of_an_overlap_that_is_withheld(both: int) -> None:
    for number in range(40):
        found = Protected(50, b"key", "data").common(both, (400, 300), f"question {number}")
        assert (found.share is None) == (found.both is None)


def test_the_same_combination_in_another_order_is_the_same_question(own: AudienceService) -> None:
    for name, cut in (("A", 0.9), ("B", 0.8), ("C", 0.2)):
        own.save(AudienceSpec(demand=BREAD, cut=cut), name, "Ada", holdout=0.0)
    agent = own.of(AGENT)
    for operation in ("and", "or"):
        asked = [agent.combined_users(operation, names) for names in (["A", "B"], ["B", "A"], ["B", "A", "B"])]
        assert len(set(asked)) == 1
    assert agent.combined_users("not", ["A", "B", "C"]) == agent.combined_users("not", ["A", "C", "B"])
