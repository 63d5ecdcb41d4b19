import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from encoders.checksums import seal
from encoders.errors import RequestError, WorkspaceError
from tools.naming import NAME_LENGTH
from tools.operation_types import CampaignOutcome, Side
from tools.storage.holdouts import MemberFacts, hold_out
from tools.storage.registry import Registry
from tools.storage.registry_tables import TABLES
from tools.types import AudienceSpec, Filter, Membership, SavedAudience

SPEC = AudienceSpec(demand="Households that will buy baby food", filters=(Filter(field="age", values=("25-34",)),))
USERS = tuple(f"u{number:03}" for number in range(200))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "new" / "registry.db") as opened:
        yield opened


def save(registry: Registry, name: str = "Baby food", **changes: Any) -> SavedAudience:
    facts: dict[str, Any] = {
        "spec": SPEC,
        "definition": "baby food buyers",
        "members": USERS,
        "holdout_share": 0.1,
        "as_of": date(2017, 10, 1),
        "model_version": "m1",
        "data_version": "d1",
        "approved_by": "Ada",
    }
    return registry.save_version(name, **(facts | changes))


def test_a_saved_audience_comes_back_as_it_was(registry: Registry) -> None:
    before = datetime.now(UTC)
    saved = save(registry)
    assert saved == registry.get(saved.id) == registry.get("baby FOOD") == registry.get("Baby food", 1)
    assert (saved.name, saved.version, saved.users, saved.holdout) == ("Baby food", 1, 200, 20)
    assert (saved.spec, saved.definition, saved.approved_by) == (SPEC, "baby food buyers", "Ada")
    assert (saved.as_of, saved.model_version, saved.data_version) == (date(2017, 10, 1), "m1", "d1")
    assert before <= saved.created <= datetime.now(UTC)
    members, holdout = registry.members("Baby food")
    assert members == USERS
    assert list(holdout) == hold_out(USERS, 0.1, saved.id)


def test_an_id_never_stands_for_the_name_of_another_audience(registry: Registry) -> None:
    first, second = save(registry, "Coffee"), save(registry, "Tea")
    for shaped in (first.id, first.id.upper(), f" {first.id} ", "aud-0123456789ab"):
        with pytest.raises(RequestError, match="has the form of an audience's id"):
            save(registry, shaped)
        with pytest.raises(RequestError, match="has the form of an audience's id"):
            registry.rename(second.id, shaped, "Ada")
    registry.database.run("UPDATE audiences SET name = :id, folded = :id WHERE name = 'Tea'", {"id": first.id})
    assert registry.get(first.id).name == registry.get(first.id.upper()).name == "Coffee"
    registry.delete(first.id, "Ada")
    with pytest.raises(RequestError, match="There is no saved audience"):
        registry.get(first.id)  # a name of an earlier version
    assert save(registry, first.id, refreshes=True).id == registry.get(second.id).id
    assert registry.rename(second.id, "Green tea", "Ada").id == registry.get("green tea").id == second.id


def test_months_of_a_saved_demand_stay_as_long_as_they_were_when_it_was_saved(registry: Registry) -> None:
    said = "Households that will buy tea"
    for text, days in (("next month", 28), ("within two months", 56), ("in the next 30 days", 30), ("next week", None)):
        saved = save(registry, text, spec=AudienceSpec(demand=f"{said} {text} or so"))
        kept = f"{said} in the next {days} days or so" if days else f"{said} {text} or so"
        assert saved.spec is not None
        assert saved.spec.demand == kept


def test_saving_under_the_same_name_adds_a_version_and_keeps_the_old_one(registry: Registry) -> None:
    first = save(registry)
    second = save(registry, " baby  FOOD ", members=USERS[:50], spec=None, as_of=date(2017, 11, 1))
    assert (second.id, second.version, second.users, second.spec) == (first.id, 2, 50, None)
    assert registry.get(first.id, 1) == first
    assert registry.members(first.id, 1)[0] == USERS
    assert registry.members(first.id)[0] == USERS[:50]


def test_a_new_name_leaves_everything_else_and_is_written_down(registry: Registry) -> None:
    first = save(registry, "Autumn")
    save(registry, "Autumn")
    save(registry, "Tea", spec=SPEC.model_copy(update={"memberships": (Membership(audience="autumn", member=False),)}))
    renamed = registry.rename("autumn", "Fall  coffee", "Grace")
    assert (renamed.id, renamed.name, renamed.version) == (first.id, "Fall coffee", 2)
    assert registry.rename(first.id, "Fall coffee", "Grace") == renamed
    assert registry.members("Fall coffee") == registry.members(first.id)
    assert registry.id_of("Autumn") is None
    tea = registry.get("Tea").spec
    assert tea is not None
    assert tea.memberships == (Membership(audience="Fall coffee", member=False),)
    line = [each for each in registry.audit(first.id) if each.action == "rename"]
    assert [(each.actor, each.details) for each in line] == [("Grace", {"name": "Fall coffee", "before": "Autumn"})]
    assert save(registry, "Fall coffee").version == 3


def test_a_name_that_is_taken_or_empty_is_refused_and_changes_nothing(registry: Registry) -> None:
    save(registry, "Autumn")
    save(registry, "Tea")
    for name, approved_by in (("tea", "Ada"), (" ", "Ada"), ("Winter", "")):
        with pytest.raises(RequestError):
            registry.rename("Autumn", name, approved_by)
    assert registry.rename("Autumn", "AUTUMN", "Ada").name == "AUTUMN"
    assert [each.name for each in registry.list()] == ["AUTUMN", "Tea"]


def test_the_list_has_the_newest_version_of_each_by_name(registry: Registry) -> None:
    assert registry.list() == ()
    cats, baby = save(registry, "Cats"), save(registry, "baby")
    newer = save(registry, "cats")
    assert registry.list() == (baby, newer)
    assert newer.id == cats.id


def test_everything_survives_reopening(tmp_path: Path) -> None:
    with Registry(tmp_path / "r.db") as first:
        saved = save(first)
    with Registry(tmp_path / "r.db") as second:
        assert second.list() == (saved,)
        assert [line.action for line in second.audit()] == ["save"]


@pytest.mark.parametrize("name", ["", "   ", "x" * (NAME_LENGTH + 1)])
def test_a_name_has_a_sensible_length(registry: Registry, name: str) -> None:
    with pytest.raises(RequestError, match=f"a name of 1 to {NAME_LENGTH} characters"):
        save(registry, name)


def test_saving_needs_an_approval(registry: Registry) -> None:
    with pytest.raises(RequestError, match="name of the person who approved"):
        save(registry, approved_by=" ")
    assert registry.list() == ()


def test_an_unknown_audience_names_the_nearest(registry: Registry) -> None:
    with pytest.raises(RequestError, match="none is saved yet"):
        registry.get("Baby food")
    save(registry, "Baby food buyers")
    save(registry, "Cat owners")
    with pytest.raises(RequestError, match="'baby fod byers'; the nearest names are 'Baby food buyers'"):
        registry.members("baby fod byers")
    with pytest.raises(RequestError, match="'Cat owners'"):
        registry.audit("zzzz")


def test_an_unknown_version_names_those_there_are(registry: Registry) -> None:
    save(registry)
    with pytest.raises(RequestError, match="'Baby food' has the versions 1 to 1, not 7"):
        registry.get("Baby food", 7)


def test_names_are_data_and_never_sql(registry: Registry) -> None:
    name = "x'); DROP TABLE versions; --"
    assert save(registry, name, members=["'; --", 'a"b']).name == name
    assert registry.members(name)[0] == ('a"b', "'; --")[::-1]


def test_the_same_key_saves_once(registry: Registry) -> None:
    first = save(registry, key="k1")
    assert save(registry, key="k1") == first
    assert save(registry, key="k1", members=USERS[:9], model_version="m2") == first
    assert save(registry, key="k2").version == 2
    assert save(registry, key="k1") == first
    assert [line.version for line in registry.audit("Baby food")] == [1, 2]


@pytest.mark.parametrize("change", [{"definition": "cats"}, {"spec": None}, {"approved_by": "Bob"}, {"name": "Cats"}])
def test_the_same_key_for_something_else_is_refused(registry: Registry, change: dict[str, Any]) -> None:
    save(registry, key="k1")
    with pytest.raises(RequestError, match="key 'k1' was already used for something else"):
        save(registry, key="k1", **change)
    assert len(registry.audit()) == 1


def test_audit_lines_are_written_once_per_key_and_in_order(registry: Registry) -> None:
    saved = save(registry)
    for _ in range(2):
        registry.record("Ada", "export", saved.id, 1, {"rows": 180}, key="e1")
    registry.record("Bob", "look")
    with pytest.raises(RequestError, match="already used"):
        registry.record("Ada", "export", saved.id, 2, key="e1")
    lines = registry.audit()
    assert [(line.actor, line.action, line.audience, line.version) for line in lines] == [
        ("Ada", "save", saved.id, 1),
        ("Ada", "export", saved.id, 1),
        ("Bob", "look", None, None),
    ]
    assert lines[1].details == {"rows": 180}
    assert registry.audit("baby food") == lines[:2]


def test_audit_lines_cannot_be_changed_or_deleted(registry: Registry, tmp_path: Path) -> None:
    save(registry)
    other = sqlite3.connect(tmp_path / "new" / "registry.db")
    for statement in ("UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="audit lines are never"):
            other.execute(statement)
    other.close()


def test_threads_get_a_version_each_and_a_shared_key_saves_once(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda _: save(registry, members=USERS[:20]).version, range(16)))
        same = set(pool.map(lambda _: save(registry, "Once", members=USERS[:20], key="once").version, range(16)))
    assert sorted(versions) == list(range(1, 17))
    assert same == {1}


def test_two_connections_take_turns(registry: Registry, tmp_path: Path) -> None:
    with Registry(tmp_path / "new" / "registry.db") as other, ThreadPoolExecutor(2) as pool:
        work = [pool.submit(save, each, members=USERS[:20]) for each in (registry, other) * 10]
        assert sorted(done.result().version for done in work) == list(range(1, 21))


def test_a_process_killed_while_saving_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with Registry(path) as registry:
        saved = save(registry)
    code = (
        "import os, signal, sys\nfrom datetime import date\nfrom pathlib import Path\n"
        "from tools.storage.registry import Registry\n"
        "registry = Registry(Path(sys.argv[1]))\n"
        "registry._remember = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "registry.save_version('Baby food', spec=None, definition='other', members=['u1'], holdout_share=0.0,\n"
        "    as_of=date(2017, 10, 1), model_version='m', data_version='d', approved_by='Bob', key='k')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    with Registry(path) as registry:
        assert registry.list() == (saved,)
        assert len(registry.audit()) == 1
        assert save(registry, key="k").version == 2


def test_a_registry_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    Registry(tmp_path / "r.db").close()
    newer = sqlite3.connect(tmp_path / "r.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    seal(tmp_path / "r.db")
    before = (tmp_path / "r.db").read_bytes()
    with pytest.raises(
        WorkspaceError, match=rf"newer version of this program .format 99, this one reads {len(TABLES)}.; update"
    ):
        Registry(tmp_path / "r.db")
    assert (tmp_path / "r.db").read_bytes() == before


def test_a_damaged_registry_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(WorkspaceError, match=r"r\.db is damaged .*; put a backup of it in its place"):
        Registry(tmp_path / "r.db")


def test_a_full_disk_while_saving_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with Registry(path) as registry:
        saved = save(registry)
        pages = registry.database.run("PRAGMA page_count")[0][0]
        registry.database.run(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(WorkspaceError, match="nothing was lost: the disk is full"):
            save(registry, members=[f"user-{number:09}" for number in range(20_000)])
        assert registry.list() == (saved,)


def test_the_holdout_has_exactly_its_share_and_depends_on_the_audience() -> None:
    first = hold_out(USERS, 0.1, "aud-1")
    assert len(first) == 20
    assert first == hold_out(USERS[::-1], 0.1, "aud-1") == sorted(first)
    assert first != hold_out(USERS, 0.1, "aud-2")
    assert hold_out(USERS, 0, "aud-1") == []
    assert len(hold_out(USERS[:14], 0.1, "aud-1")) == 1


def test_a_refreshed_audience_keeps_its_holdout_but_for_the_edge() -> None:
    refreshed = (*USERS[10:], *(f"new{number}" for number in range(10)))
    before, after = set(hold_out(USERS, 0.1, "aud-1")), set(hold_out(refreshed, 0.1, "aud-1"))
    still_there = before & set(refreshed)
    assert len(still_there & after) >= len(still_there) - 3
    assert set(hold_out(USERS, 0.05, "aud-1")) < before


def test_a_registry_of_the_first_format_gets_what_it_lacks(tmp_path: Path) -> None:
    older = sqlite3.connect(tmp_path / "r.db")
    older.executescript(f"{TABLES[0]} PRAGMA user_version = 1;")
    older.execute("INSERT INTO audiences VALUES ('aud-1', 'Tea', 'tea')")
    older.execute(
        "INSERT INTO versions VALUES ('aud-1', 1, NULL, 'tea', 1, 0, '2017-10-01', 'm', 'd', '2017-10-01', 'Ada')"
    )
    older.commit()
    older.close()
    for _ in range(2):
        with Registry(tmp_path / "r.db") as opened:
            assert opened.get("Tea").forecast is None
            assert opened.outcome("Tea") is None


def test_a_refresh_keeps_everybody_on_her_side_of_the_holdout(registry: Registry) -> None:
    first = save(registry)
    held = set(registry.members("Baby food")[1])
    came = tuple(f"n{number:03}" for number in range(100))
    second = save(registry, members=(*USERS[50:], *came), refreshes=True, key="k")
    members, now = (set(each) for each in registry.members("Baby food"))
    assert now & set(USERS) == held & members
    assert len(now & set(came)) == 10
    assert second.version == 2
    assert [line.action for line in registry.audit("Baby food")] == ["save", "refresh"]
    assert registry.saved_with("k") == second
    assert registry.saved_with("other") is None
    assert first.holdout == 20


def outcome_of(saved: SavedAudience) -> CampaignOutcome:
    nobody = Side(users=0, responders=0, rate=None)
    facts: dict[str, Any] = {"audience_id": saved.id, "name": saved.name, "version": 1, "as_of": saved.as_of}
    nothing = dict.fromkeys(("uplift", "relative", "forecast", "forecast_held"))
    who = {"recorded": datetime(2026, 1, 1, tzinfo=UTC), "recorded_by": "Ada"}
    return CampaignOutcome(source="file", contacted=nobody, held_out=nobody, **facts, **nothing, **who)


FACTS = MemberFacts(
    {user: number / 400 for number, user in enumerate(USERS)}, frozenset(USERS[:30]), frozenset(USERS[5:9])
)


def test_what_is_known_of_each_user_and_who_responded_is_kept(registry: Registry) -> None:
    saved = save(registry, known=FACTS, holdout_share=0.2)
    held = set(registry.members(saved.id)[1])
    assert held >= FACTS.control
    assert len(held) == 40
    rows = registry.database.run("SELECT * FROM members ORDER BY user_id")
    assert {row["user_id"]: row["chance"] for row in rows} == FACTS.chances
    assert {row["user_id"] for row in rows if row["habitual"]} == set(USERS[:30])
    assert {row["user_id"] for row in rows if row["control"]} == FACTS.control
    for responses in ({USERS[0]: 2.5, USERS[1]: None}, {USERS[3]: 1.0}):
        registry.record_outcome(outcome_of(saved), str(responses), "Ada", responses)
        kept = registry.database.run("SELECT user_id, value FROM responses")
        assert {row["user_id"]: row["value"] for row in kept} == responses
    registry.delete(saved.id, "Ada")
    assert registry.database.run("SELECT * FROM responses") == []


def test_an_outcome_of_before_is_told_apart_until_it_is_brought_again(tmp_path: Path) -> None:
    with Registry(tmp_path / "now.db") as registry:
        outcome = outcome_of(save(registry))
    older = sqlite3.connect(tmp_path / "r.db")
    older.executescript(f"{''.join(TABLES[:9])} PRAGMA user_version = 9;".replace("sha256(", "hex("))
    older.execute("INSERT INTO audiences VALUES (?, 'Tea', 'tea')", (outcome.audience_id,))
    older.execute(
        "INSERT INTO versions (audience, version, definition, users, holdout, as_of, model_version, data_version, "
        "created, approved_by) VALUES (?, 1, 'tea', 1, 0, '2017-10-01', 'm', 'd', '2017-10-01', 'Ada')",
        (outcome.audience_id,),
    )
    older.execute("INSERT INTO members VALUES (?, 1, 'u', 0)", (outcome.audience_id,))
    older.execute(
        "INSERT INTO outcomes (audience, version, content, outcome) VALUES (?, 1, 'c', ?)",
        (outcome.audience_id, outcome.model_dump_json()),
    )
    older.commit()
    older.close()
    with Registry(tmp_path / "r.db") as opened:
        assert opened.outcome("Tea") == outcome
        [member] = opened.database.run("SELECT chance, habitual, control FROM members")
        assert tuple(member) == (None, None, 0)
        assert opened.database.run("SELECT by_user FROM outcomes")[0][0] == 0
        assert opened.record_outcome(outcome, "c", "Ada", {"u": None}) == outcome
        assert opened.database.run("SELECT by_user FROM outcomes")[0][0] == 1
        assert opened.database.run("SELECT user_id FROM responses")[0][0] == "u"
