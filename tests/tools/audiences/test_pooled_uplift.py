"""Who changes because of us, from recorded campaigns: planted persuadables, a null world, protection, erasure."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoders.errors import RequestError
from tests.planted import World, copied
from tests.present import present
from tests.tools.audiences.campaigns import nothing, planted, run
from tools.access.callers import Caller, Scope
from tools.audiences.disclosure import Disclosure, Protected
from tools.audiences.qini import area, qini_curve
from tools.audiences.uplift import Asked, Uplift
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.6)
SHOWN = Disclosure(50)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db") as opened:
        yield opened


def asked(chance: float, users: int = 1000, habitual: bool = False, inside: int | None = None) -> Asked:
    did = np.full(users, habitual)
    return Asked("Tea", "one thing", np.full(users, chance), did, users if inside is None else inside, ("tea",))


def test_planted_persuadables_are_found_and_nobody_else_is_taken_for_one(registry: Registry) -> None:
    rng = np.random.default_rng(1)
    for number in range(15):
        run(registry, rng, planted, f"Coffee {number % 5}")
    report = Uplift(registry, SHOWN, "users").report()
    assert report.campaigns == 15
    found = {(each.low, each.habitual): each for each in report.groups}
    persuadable = {(0.05, False), (0.1, False)}
    assert {place for place, each in found.items() if each.verdict == "may be moved"} == persuadable
    assert all(found[place].effect.low < 0.1 < found[place].effect.high + 0.02 for place in persuadable)
    assert found[0.4, True].verdict == "would come anyway"
    assert sum(present(each.contacted) + present(each.held_out) for each in report.groups) == 15 * 1500
    by_effect, by_forecast = report.qini
    assert (by_effect.ranking, by_forecast.ranking) == ("effect", "forecast")
    assert by_effect.area.low > 0
    assert by_effect.area.mid > by_forecast.area.mid


def test_the_answer_about_an_audience_follows_from_its_users(registry: Registry) -> None:
    rng = np.random.default_rng(1)
    for number in range(15):
        run(registry, rng, planted, f"Coffee {number % 5}")
    uplift = Uplift(registry, SHOWN, "users")
    moved, anyway = (present(uplift.report(each).answer) for each in (asked(0.1), asked(0.6, habitual=True)))
    assert (moved.verdict, moved.more_campaigns) == ("may be moved", 0)
    assert present(moved.effect).low > 0.02
    assert [(each.verdict, each.users) for each in moved.parts] == [("may be moved", 1000)]
    assert anyway.verdict == "would come anyway"
    assert present(anyway.anyway).low > 0.8
    few = present(uplift.report(asked(0.1, 30)).answer)
    assert (few.users, few.verdict, few.effect, few.parts) == (None, "unknown", None, ())


def test_a_cut_by_profit_ends_where_people_would_come_anyway_and_needs_evidence(registry: Registry) -> None:
    rng = np.random.default_rng(1)
    uplift = Uplift(registry, SHOWN, "users")
    chances = np.concatenate([np.full(600, 0.15), np.full(1400, 0.01)])
    mixed = Asked("Tea", "one thing", chances, np.zeros(2000, bool), 2000, ("tea",))
    before = uplift.report(mixed, value=20.0, cost=0.5)
    assert before.cut is None
    for number in range(15):
        run(registry, rng, planted, f"Coffee {number % 5}")
    report = Uplift(registry, SHOWN, "users").report(mixed, value=20.0, cost=0.5)
    cut = present(report.cut)
    assert cut.users == pytest.approx(600, abs=15)
    assert cut.profit.low > 0
    assert cut.profit.mid == pytest.approx(20 * cut.incremental.mid - 0.5 * present(cut.users))
    assert Uplift(registry, SHOWN, "users").report(mixed, value=1.0, cost=0.5).cut is None


def test_nothing_known_is_said_to_be_unknown_and_a_few_campaigns_say_how_many_more(registry: Registry) -> None:
    empty = Uplift(registry, SHOWN, "users").report(asked(0.1))
    answer = present(empty.answer)
    assert (empty.campaigns, empty.groups, empty.qini) == (0, (), ())
    assert (answer.verdict, answer.effect, answer.more_campaigns) == ("unknown", None, None)
    assert "nobody can say who changes" in empty.notes[0]
    run(registry, np.random.default_rng(3), planted)
    answer = present(Uplift(registry, SHOWN, "users").report(asked(0.1)).answer)
    assert answer.verdict == "unknown"
    assert present(answer.effect).low < 0 < present(answer.effect).high
    assert answer.more_campaigns is None or answer.more_campaigns >= 1


@pytest.mark.slow
def test_in_a_null_world_hardly_anything_is_ever_claimed(tmp_path: Path) -> None:
    claims = 0
    for seed in range(20):
        with Registry(tmp_path / f"{seed}.db") as registry:
            rng = np.random.default_rng(100 + seed)
            for number in range(6):
                run(registry, rng, nothing, f"Coffee {number}", users=600)
            report = Uplift(registry, SHOWN, "users").report(asked(0.1))
            claims += any(each.verdict == "may be moved" for each in report.groups)
            assert present(report.answer).verdict != "may be moved"
    assert claims <= 3, "one in twenty is what is said; four of twenty have odds of one in sixty"


def test_below_admin_everything_comes_from_protected_counts(registry: Registry) -> None:
    rng = np.random.default_rng(1)
    for number in range(4):
        run(registry, rng, planted, f"Coffee {number}", users=6000, holdout=0.5)
    exact = Uplift(registry, SHOWN, "users").report(asked(0.1), value=20.0, cost=0.5)
    protected = Protected(50, b"k" * 32, "edition")
    shown = Uplift(registry, protected, "users").report(asked(0.1), value=20.0, cost=0.5)
    assert shown.cut is None
    assert any("scope 'admin'" in note for note in shown.notes)
    counts = [(each.contacted, each.held_out) for each in shown.groups]
    assert counts
    assert all(count is None or count % 5 == 0 for both in counts for count in both)
    mine, theirs = present(exact.answer), present(shown.answer)
    assert present(theirs.effect).mid == float(f"{present(theirs.effect).mid:.2g}")
    width = [present(each.effect).high - present(each.effect).low for each in (mine, theirs)]
    assert width[1] > 0.9 * width[0]


def test_the_curve_is_radcliffes() -> None:
    rows = np.array([[10.0, 6, 10, 2], [10, 3, 10, 3], [10, 1, 10, 3]])
    shares, gained = qini_curve(rows, np.array([3.0, 2.0, 1.0]))
    assert shares.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert (gained * 30).tolist() == pytest.approx([0, 4, 4, 2])
    under, between = area(shares, gained)
    assert under == pytest.approx((4 / 2 + 4 + 3) / 3 / 30)
    assert between == pytest.approx(under - 2 / 30 / 2)
    _, reverse = qini_curve(rows, np.array([1.0, 2.0, 3.0]))
    assert (reverse * 30).tolist() == pytest.approx([0, -2, -2, 2])


def test_campaigns_of_the_service_are_counted_user_by_user_and_an_erasure_reaches_them(
    service: AudienceService, world: World, tmp_path: Path
) -> None:
    workspace = copied(world, tmp_path / "own")
    own = AudienceService(service.settings, workspace, service.forecaster)
    own.save(COFFEE, "coffee", "Ada", holdout=0.4)
    members, held = own.tenant.registry.members("coffee")
    contacted = sorted(set(members) - set(held))
    path = tmp_path / "out.csv"
    path.write_text("user_id\n" + "\n".join([*contacted[:60], *held[:20]]))
    own.outcomes.from_file("coffee", path, "Ada")
    rows = own.tenant.registry.database.run("SELECT chance, habitual FROM members")
    assert all(0 <= row["chance"] <= 1 for row in rows)
    assert {row["habitual"] for row in rows} == {0, 1}
    did = world.had_done("coffee")
    known = own.tenant.registry.database.run("SELECT user_id FROM members WHERE habitual")
    assert {row["user_id"] for row in known} == did & set(members)
    report = own.uplift("coffee")
    assert report.campaigns == 1
    assert present(report.answer).users == len(members)
    assert present(own.uplift(COFFEE).answer).users == len(members)
    with pytest.raises(RequestError, match="needs both"):
        own.uplift("coffee", value=3.0)
    agent = Caller(name="agent", tenant="", scopes=frozenset({Scope.SIZE}))
    assert own.of(agent).uplift(COFFEE).answer is not None
    gone = contacted[0]
    own.forget([gone], "Ada")
    for table in ("members", "responses"):
        assert own.tenant.registry.database.run(f"SELECT * FROM {table} WHERE user_id = ?", (gone,)) == []
    assert gone.encode() not in workspace.registry.read_bytes()
    own.close()
