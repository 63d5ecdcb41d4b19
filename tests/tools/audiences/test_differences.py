"""No count below the minimum size follows from the counts of one answer, by any sum or difference of them.

A world is a number of users for each part that the groups of an answer cut one another into. A group is then a set of
parts, and a sum of shown counts, each added, taken away or left, stands for parts as well. Whoever reads the answer may
know which parts are empty, but not how many users are in the others.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from tools.audiences.changes import moves
from tools.audiences.disclosure import Disclosure
from tools.audiences.profile import Group, Profile, skew_report
from tools.audiences.sizing import reach_curve

MINIMUM = 50
OWNER = Disclosure(MINIMUM)
USERS = st.one_of(st.integers(0, 60), st.integers(0, 400))
Parts = Sequence[int]


@lru_cache
def _signs(counts: int) -> npt.NDArray[np.int64]:
    return np.array(list(product((-1, 0, 1), repeat=counts)), np.int64)


def small_figures(
    shown: Sequence[int | None], groups: Sequence[Parts], world: Parts, empty: Sequence[bool] | None = None
) -> list[int]:
    """Counts of one user to fewer than the minimum that a sum of shown counts says exactly.

    Args:
        shown: counts of an answer.
        groups: what each of them counts: 1 for each part in it, 0 for the others.
        world: how many users are in each part.
        empty: whether a reader may know that a part is empty; None where they may know it of each.
    """
    known = [place for place, count in enumerate(shown) if count is not None]
    if not known:
        return []
    counts = np.array([shown[place] for place in known], np.int64)
    signs, users = _signs(len(known)), np.array(world, np.int64)
    forms = signs @ np.array([groups[place] for place in known], np.int64)
    meant = np.where(users == 0 if empty is None else np.array(empty), 0, forms)
    one_group = ((meant == 0) | (meant == 1)).all(1) & (meant == 1).any(1)
    said, there = signs @ counts, meant @ users
    return sorted({int(each) for each in said[one_group & (said == there) & (said > 0) & (said < MINIMUM)]})


def test_what_follows_is_found() -> None:
    assert small_figures([105, 100, 100], [(1, 0, 1), (0, 1, 1), (0, 0, 1)], (5, 0, 100)) == [5]
    assert small_figures([300, 280], [(1, 1), (1, 0)], (280, 20)) == [20]
    assert small_figures([300, None], [(1, 1), (1, 0)], (280, 20)) == []


@given(st.tuples(USERS, USERS, USERS))
@example((5, 0, 100))
@example((0, 5, 100))
@example((100, 0, 100))
@settings(max_examples=60)
def test_two_groups_beside_each_other(world: Parts) -> None:
    a, b, both = world
    found = OWNER.common(both, (OWNER.count(a + both), OWNER.count(b + both)), "q")
    groups = [(1, 0, 1), (0, 1, 1), (0, 0, 1), (1, 1, 1), (1, 0, 0), (0, 1, 0)]
    shown = [*found.users, found.both, found.either, *found.apart]
    assert small_figures(shown, groups, world) == []
    if None not in found.users:
        beside = [each - (found.both or 0) for each in found.users if each is not None]
        assert all(each == 0 or each >= MINIMUM for each in beside), "nor any that looks like one"
    assert all(
        each is None or abs(each - true) < MINIMUM for each, true in zip(found.users, (a + both, b + both), strict=True)
    )


def test_the_share_of_two_groups_does_not_tell_few_from_none() -> None:
    """All worlds with one answer are looked at: none of them has one small count in all of them."""
    answers: dict[object, list[tuple[int, int, int]]] = {}
    for one, other in product((150, 153, 154, 260), repeat=2):
        for both in range(min(one, other) + 1):
            found = OWNER.common(both, (one, other), "q")
            answers.setdefault((one, other, found), []).append((one - both, other - both, both))
    for worlds in answers.values():
        for counts in zip(*worlds, strict=True):
            assert not (len(set(counts)) == 1 and 0 <= counts[0] < MINIMUM), worlds


@given(st.tuples(USERS, USERS, USERS))
def test_who_came_and_left(world: Parts) -> None:
    users = np.split(np.arange(sum(world)).astype(str), np.cumsum(world)[:-1])
    sets = [{*users[0], *users[2]}, {*users[1], *users[2]}]
    found = moves((sets[0], sets[1]), (OWNER.count(sets[0]), OWNER.count(sets[1])), OWNER, ("q",))
    groups = [(1, 0, 1), (0, 1, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert small_figures([*found.users, found.stayed, found.came, found.left], groups, world) == []


@pytest.mark.slow
@given(st.lists(USERS, min_size=8, max_size=8))
@example([700, 0, 0, 0, 20, 10, 0, 290])
@example([700, 0, 0, 0, 20, 20, 20, 300])
@example([0, 1, 0, 50, 0, 50, 0, 0])
@settings(max_examples=60)
def test_conditions_by_themselves_and_together(world: Parts) -> None:
    inside = np.array(list(product((0, 1), repeat=3)))
    masks = [np.repeat(inside[:, place] == 1, world) for place in range(3)]
    everyone = np.ones(sum(world), bool)
    users = [everyone, masks[0] & masks[1] & masks[2], *masks]
    shown = OWNER.conditions(users, [()] * 5)
    forms = [(1,) * 8, tuple(inside.all(1).astype(int)), *(tuple(inside[:, place]) for place in range(3))]
    in_tens = all(count in (None, shown[0]) or count % 10 == 0 for count in shown[2:])
    assert small_figures(shown, forms, world) == [] or in_tens
    for count, true in zip(shown, users, strict=True):
        assert count is None or abs(count - true.sum()) < MINIMUM, "none is more off than the few who are left out"


def test_conditions_that_leave_few_together_are_counted_in_tens() -> None:
    """Whoever is neither in the north nor in the south would be the rest of three counts."""
    region = np.repeat(["north", "south", "west"], [503, 404, 7])
    everyone, parts = region != "", [region != "north", region != "south"]
    assert OWNER.conditions([everyone, parts[0] & parts[1], *parts], [()] * 4) == (914, None, 410, 510)
    assert OWNER.conditions([everyone, parts[0], parts[0]], [()] * 3) == (914, 411, 411)


@pytest.mark.slow
@given(st.lists(st.tuples(USERS, USERS), min_size=4, max_size=4))
@example([(55, 5), (100, 100), (100, 100), (0, 0)])
@settings(max_examples=25)
def test_who_is_selected_by_an_attribute(cells: list[tuple[int, int]]) -> None:
    world = [count for cell in cells for count in cell]
    values = pl.Series("v", np.repeat(["a", "b", "c", None], [sum(cell) for cell in cells]), pl.String)
    audience = np.repeat([True, False] * 4, world)
    everyone = np.ones(len(audience), bool)
    if not OWNER.count(audience):
        return
    report = skew_report(
        audience, everyone, pl.DataFrame({"user_id": values.fill_null("x"), "v": values}), OWNER, ("q",)
    )
    [field] = report.fields
    rows = {row.value: row for row in field.rows}
    shown: list[int | None] = [report.users, report.population, field.unknown, field.unknown_selected]
    groups: list[tuple[int, ...]] = [(1, 0) * 4, (1, 1) * 4, (0,) * 6 + (1, 1), (0,) * 6 + (1, 0)]
    for place, value in enumerate("abc"):
        if value in rows:
            before, after = (0, 0) * place, (0, 0) * (3 - place)
            shown += [rows[value].users, rows[value].selected]
            groups += [(*before, 1, 1, *after), (*before, 1, 0, *after)]
    # A cut is a share that the asker chose: how many lie beyond it says nothing of the data.
    beyond = {sum(world[1::2])} if sum(world[1::2]) < MINIMUM else set()
    empty = [sum(cell) == 0 for cell in cells for _ in cell]
    assert set(small_figures(shown, groups, world, empty)) - beyond == set()


@given(st.lists(USERS, min_size=3, max_size=3), st.lists(st.integers(300, 2000), min_size=3, max_size=3))
@example([260, 40, 0], [300, 1000, 0])
@settings(max_examples=40)
def test_what_sets_an_audience_apart(audience: Parts, others: Parts) -> None:
    """A share beside its count says how many the whole are."""
    cells = np.array([audience, others]).T.ravel()
    values = pl.Series("v", np.repeat(["a", "a", "b", "b", None, None], cells), pl.String)
    inside = np.repeat([True, False] * 3, cells)
    did = sparse.csr_matrix(np.repeat([1, 0, 0, 1, 1, 0], cells)[:, None])
    profile = Profile(inside, np.ones(len(inside), bool), OWNER, ("q",))
    table = pl.DataFrame({"user_id": values.fill_null("x"), "v": values})
    rows = profile.rows(table, did, [Group("tea", "tea")], 10)
    shown = [row for row in rows if row.users is not None]
    for kind in ("attribute", "behaviour"):
        counts = [(row.users or 0, row.audience_share) for row in shown if row.kind == kind]
        for number in range(1, len(counts) + 1):
            whole = round(counts[0][0] / counts[0][1])
            rest = whole - sum(users for users, _ in counts[:number])
            assert rest <= 0 or rest >= MINIMUM


@given(st.integers(50, 3000), st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_points_of_the_curve_are_as_far_apart_as_the_smallest_group(eligible: int, cut: float, other: float) -> None:
    points = reach_curve(np.linspace(0.9, 0.1, eligible), 0.0, {cut, other}, MINIMUM)
    users = [point.users for point in points]
    assert points
    assert users[0] >= MINIMUM
    assert all(after - before >= MINIMUM for before, after in pairwise(users))
    assert round(min(cut, other) * eligible) < MINIMUM or round(min(cut, other) * eligible) in users
