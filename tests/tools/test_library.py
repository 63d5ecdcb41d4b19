"""The library of saved audiences: history, uses, audiences laid over each other, and what is put away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from encoders.errors import NotAllowedError, NotThereError, RequestError
from tests.planted import MINIMUM
from tests.present import present
from tools.access.callers import Caller, Scope
from tools.service import AudienceService
from tools.storage.put_away import PutAway
from tools.types import AudienceSpec, Membership
from tools.workers import drop_old

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
TEA = COFFEE.model_copy(update={"demand": "Households that will buy tea in the next 28 days"})
WIDE = COFFEE.model_copy(update={"cut": 0.6})
AGENT = Caller(name="agent", scopes=frozenset({Scope.READ, Scope.SIZE, Scope.ACTIVATE}))


def members(service: AudienceService, audience: str, version: int | None = None) -> set[str]:
    return set(service.tenant.registry.members(audience, version)[0])


def test_the_history_says_who_came_and_left_with_each_version(own: AudienceService) -> None:
    for spec in (COFFEE, WIDE, TEA):
        own.save(spec, "Coffee", "Ada")
    first, second, third = own.history("coffee")
    assert (first.version, first.stayed, first.came, first.left) == (1, None, None, None)
    was, now, last = (members(own, "Coffee", version) for version in (1, 2, 3))
    assert (second.users, second.stayed, second.came, second.left) == (len(now), len(was & now), len(now - was), None)
    assert (third.came, third.left) == (len(last - now), len(now - last))
    assert min(present(third.came), present(third.left)) >= MINIMUM
    assert [each.definition for each in own.history("Coffee")] == [
        own.saved("Coffee", version).definition for version in (1, 2, 3)
    ]
    for each in own.of(AGENT).history("Coffee"):
        assert all(count is None or count % 5 == 0 for count in (each.users, each.stayed, each.came, each.left))
    with pytest.raises(NotThereError):
        own.history("Cocoa")


def test_uses_are_files_sendings_and_other_audiences_that_are_made_with_it(own: AudienceService) -> None:
    coffee, tea = own.save(COFFEE, "Coffee", "Ada"), own.save(TEA, "Tea", "Ada")
    assert own.uses("Coffee").uses == ()
    both = own.combine("or", ["Coffee", "Tea"], "Both", "Ada")
    asks = own.save(WIDE.model_copy(update={"memberships": (Membership(audience="coffee", member=False),)}), "New", "A")
    file = own.export("Coffee")
    own.deployments.put(coffee, [({"type": "platform"}, {"platform": "crm", "is_live": True})], "Ada", {})
    found = own.uses(coffee.id)
    assert {(each.kind, each.what, each.audience_id) for each in found.uses} == {
        ("file", "", ""), ("live", "crm", ""), ("combination", "Both", both.id), ("condition", "New", asks.id)
    }  # fmt: skip
    assert [each.users for each in found.uses if each.kind == "file"] == [file.rows]
    assert found.files == (Path(file.path).name,)
    assert [each.users for each in own.of(AGENT).uses("Coffee").uses if each.kind == "file"] == [None]
    own.rename("Coffee", "Beans", "Ada")
    assert {each.kind for each in own.uses("Beans").uses} == {"file", "live", "combination", "condition"}
    assert [each.what for each in own.uses(tea.id).uses] == ["Both"]


def test_a_planned_export_says_what_the_export_then_does(own: AudienceService) -> None:
    own.save(COFFEE, "Coffee", "Ada", holdout=0.2)
    own.save(WIDE, "Wide", "Ada", holdout=0.0)
    plan = own.planned_export("Wide")
    assert own.uses("Wide").files == ()
    assert [line.action for line in own.tenant.registry.audit("Wide")] == ["save"]
    file = own.export("Wide")
    assert plan.model_dump() == file.model_dump(exclude={"path", "format", "sha256", "batches", "expires"})
    assert [each.reason for each in plan.left_out] == ["held out elsewhere"]
    with pytest.raises(RequestError, match="takes CSV files alone"):
        own.planned_export("Wide", "parquet", "meta")


def test_three_audiences_are_laid_over_each_other(own: AudienceService) -> None:
    for name, spec in (("Coffee", COFFEE), ("Tea", TEA), ("Wide", WIDE)):
        own.save(spec, name, "Ada")
    regions = {each.inside: each.users for each in own.regions(["Coffee", "Tea", "Wide"])}
    coffee, tea, wide = (members(own, each) for each in ("Coffee", "Tea", "Wide"))
    exact = {
        ("Coffee", "Tea", "Wide"): coffee & tea & wide,
        ("Coffee", "Tea"): coffee & tea - wide,
        ("Coffee", "Wide"): coffee & wide - tea,
        ("Tea", "Wide"): tea & wide - coffee,
        ("Coffee",): coffee - tea - wide,
        ("Tea",): tea - coffee - wide,
        ("Wide",): wide - coffee - tea,
    }
    shown = {inside: len(users) if not users or len(users) >= MINIMUM else None for inside, users in exact.items()}
    assert regions == shown
    apart = own.apart(["Coffee", "Tea"])
    assert "coffee" in apart["Coffee"][0].value
    assert all(row.index > 100 for rows in apart.values() for row in rows)
    for wrong in (["Coffee"], ["Coffee", "coffee"], ["Coffee", "Tea", "Wide", "None"]):
        with pytest.raises(RequestError):
            own.regions(wrong)
    with pytest.raises(NotAllowedError):
        own.of(AGENT).regions(["Coffee", "Tea"])
    with pytest.raises(NotAllowedError):
        own.of(AGENT).apart(["Coffee", "Tea"])


def test_what_is_archived_is_out_of_the_way_until_it_is_taken_back(own: AudienceService) -> None:
    own.save(COFFEE, "Coffee", "Ada")
    archived = own.archive("Coffee", "Ada")
    assert archived.archived is not None
    assert own.archive("Coffee", "Ada") == archived
    assert own.list_audiences() == ()
    assert [each.name for each in own.list_audiences(archived=True)] == ["Coffee"]
    assert own.named("coffee") == archived
    for refused in (own.export, own.planned_export, own.refresh_day):
        with pytest.raises(RequestError, match="'Coffee' is archived; take it back first"):
            refused("Coffee")
    assert own.drifts.check_all().audiences == ()
    assert len(own.ledger.page().forecasts) == 1, "its forecast is judged all the same"
    assert own.take_back("Coffee", "Bo") == archived.model_copy(update={"archived": None})
    own.take_back("Coffee", "Bo")
    own.archive("Coffee", "Ada")
    assert own.save(WIDE, "Coffee", "Ada").archived is None
    assert [(line.action, line.actor) for line in own.tenant.registry.audit("Coffee")][:3] == [
        ("save", "Ada"), ("archive", "Ada"), ("take back", "Bo")
    ]  # fmt: skip


def test_what_is_deleted_comes_back_whole_for_a_while(own: AudienceService, tmp_path: Path) -> None:
    saved = own.save(COFFEE, "Coffee", "Ada", "key-1")
    own.save(WIDE, "Coffee", "Ada")
    (tmp_path / "out.csv").write_text("user_id\n" + "\n".join(sorted(members(own, "Coffee"))[:40]))
    outcome = own.outcomes.from_file("Coffee", tmp_path / "out.csv", "Ada")
    before, file = own.tenant.registry.history("Coffee"), Path(own.export("Coffee").path)
    assert own.delete("Coffee").id == saved.id
    assert not file.exists()
    assert own.list_audiences(archived=True) == ()
    assert own.named("Coffee") is None
    assert own.ledger.page().forecasts == ()
    assert own.ledger.page().deleted == 1
    for gone in ("Coffee", saved.id):
        with pytest.raises(NotThereError):
            own.saved(gone)
    [deleted] = own.deleted()
    assert (deleted.name, deleted.deleted_by) == ("Coffee", "owner")
    assert (deleted.until - deleted.deleted.date()).days == 7
    assert own.restore(saved.id, "Ada").name == "Coffee"
    assert own.tenant.registry.history("Coffee") == before
    assert own.outcomes.last("Coffee") == outcome
    assert own.ledger.page().deleted == 0
    with pytest.raises(NotThereError, match="no deleted audience"):
        own.restore(saved.id, "Ada")


def test_the_name_of_what_was_deleted_is_free(own: AudienceService) -> None:
    saved = own.save(COFFEE, "Coffee", "Ada", "key-1")
    own.delete("Coffee")
    other = own.save(COFFEE, "coffee", "Ada", "key-1")
    assert (other.version, other.id == saved.id) == (1, False)
    with pytest.raises(RequestError, match="Another saved audience is called 'Coffee' by now"):
        own.restore(saved.id, "Ada")
    assert [each.id for each in own.deleted()] == [saved.id]
    assert own.restore(saved.id, "Ada", "Old coffee").name == "Old coffee"
    assert {each.name for each in own.list_audiences()} == {"coffee", "Old coffee"}


def test_after_the_days_it_is_gone_for_good(own: AudienceService) -> None:
    registry, workspace = own.tenant.registry, own.tenant.workspace
    saved = own.save(COFFEE, "Coffee", "Ada")
    own.delete("Coffee")
    now = datetime.now(UTC)
    assert drop_old(workspace, 90, now + timedelta(days=6), 7) == 0
    with registry.database.reading():
        assert registry.database.run("SELECT COUNT(*) FROM members")[0][0] == saved.users
    assert drop_old(workspace, 90, now + timedelta(days=8), 7) == 1
    assert PutAway(registry, 7).deleted() == ()
    with registry.database.reading():
        for table in ("members", "versions", "audiences", "put_away"):
            assert registry.database.run(f"SELECT COUNT(*) FROM {table}")[0][0] == 0
    tea = own.save(TEA, "Tea", "Ada")
    own.delete("Tea", for_good=True)
    own.save(TEA, "Wine", "Ada")
    wine = own.delete("Wine")
    own.delete(wine.id, for_good=True)
    assert own.deleted() == ()
    with pytest.raises(NotThereError):
        own.restore(tea.id, "Ada")


def test_a_version_that_somebody_else_saved_meanwhile_is_not_overlaid(own: AudienceService) -> None:
    own.save(COFFEE, "Coffee", "Ada", as_version=1)
    assert own.save(WIDE, "Coffee", "Bo", as_version=2).version == 2
    with pytest.raises(RequestError, match="saved by somebody else meanwhile and has version 2 by now"):
        own.save(TEA, "Coffee", "Ada", as_version=2)
    own.save(TEA, "Tea", "Ada")
    with pytest.raises(RequestError, match="saved by somebody else meanwhile"):
        own.combine("or", ["Coffee", "Tea"], "Coffee", "Ada", as_version=1)
    with pytest.raises(RequestError, match="is no longer there"):
        own.save(TEA, "Cocoa", "Ada", as_version=2)
    assert own.named("Cocoa") is None


def test_an_outcome_file_is_looked_at_before_anything_is_recorded(own: AudienceService, tmp_path: Path) -> None:
    own.save(COFFEE, "Coffee", "Ada", holdout=0.25)
    everyone, held = own.tenant.registry.members("Coffee")
    ids = [*sorted(set(everyone) - set(held))[:30], *held[:5], "stranger"]
    path = tmp_path / "out.csv"
    pl.DataFrame({"user_id": ids}).write_csv(path)
    seen = own.outcomes.look_at_file("Coffee", path)
    assert own.outcomes.last("Coffee") is None
    assert (seen.contacted.responders, seen.held_out.responders) == (30, 5)
    assert seen.notes == ("1 ids belong to nobody in this data: 'stranger'.",)
    done = own.outcomes.from_file("Coffee", path, "Ada")
    later = {"recorded": done.recorded, "recorded_by": "Ada"}
    assert present(own.outcomes.last("Coffee")) == seen.model_copy(update=later)
    path.write_text("name\nada\n")
    with pytest.raises(RequestError, match="has no column 'user_id'"):
        own.outcomes.look_at_file("Coffee", path)
