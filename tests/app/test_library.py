"""The library and the results as HTML over the service of the planted world, without a browser."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from agent.page.audiences.doing import Acts, Shown
from agent.page.audiences.pictures import versions_picture
from agent.page.audiences.table import status_of
from agent.page.audiences.viewing import Drifts, Viewing
from agent.page.cards import units_of
from agent.page.results import ledger
from encoders.errors import AudienceError, RequestError
from tests.app.page_doubles import COFFEE, HOSTILE, TEA
from tests.planted import AS_OF
from tests.present import present
from tools.service import AudienceService
from tools.types import Membership

FEW = COFFEE.model_copy(update={"cut": 0.01})


def act(shop: AudienceService, name: str, of: str = "", /, **fields: str | list[str]) -> Shown:
    given = {key: [value] if isinstance(value, str) else value for key, value in fields.items()}
    return Acts(shop, of, given, lambda text, share=None: None).act(name)


def text(html: str) -> str:
    """What a person reads of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def views(shop: AudienceService) -> Viewing:
    return Viewing(shop, Drifts())


def test_the_library_has_a_row_for_each_audience_and_escapes_what_people_wrote(shop: AudienceService) -> None:
    assert "Nothing is saved yet" in views(shop).table()
    coffee = shop.save(COFFEE, HOSTILE, "Ada")
    shop.save(FEW, "Few", "chat 0123")
    shop.archive(shop.save(TEA, "Tea", "Bo").name, "Bo")
    shop.delete(shop.save(TEA, "Gone", "Bo").name)
    shop.deployments.put(coffee, [({"type": "platform"}, {"platform": "crm", "is_live": True})], "Ada", {})
    table = views(shop).table()
    assert "<img" not in table
    assert re.findall(r'<tr data-status="([a-z ]+)"', table) == ["active", "too small", "archived"]
    assert f'href="/audiences?id={coffee.id}"' in table
    read = text(table)
    for said in ("Active at crm", "Too small", "Archived", "you, in Ask", "1 recently deleted", "did it:", "as saved"):
        assert said in read
    assert "chat 0123" not in read
    quick = text(views(shop).table(counted=False, asked_again=False))
    assert "did it:" not in quick
    assert "expected …" in quick


def test_an_audience_that_is_opened_says_what_it_is_and_what_became_of_it(
    shop: AudienceService, tmp_path: Path
) -> None:
    saved = shop.save(COFFEE, "Coffee", "Ada", holdout=0.2)
    shop.save(TEA.model_copy(update={"memberships": (Membership(audience="Coffee", member=False),)}), "Tea", "Ada")
    members, held = shop.tenant.registry.members("Coffee")
    (tmp_path / "out.csv").write_text("user_id\n" + "\n".join([*sorted(set(members) - set(held))[:40], *held[:3]]))
    shop.outcomes.from_file("Coffee", tmp_path / "out.csv", "Ada")
    shop.export("Coffee")
    read = text(views(shop).one(saved.id))
    for said in (
        saved.definition,
        f"Held out {present(saved.holdout)}",
        "Condition of Tea",
        "File for a table of users",
        "Download aud-",
        "points",
        "audience refresh --all",
        "moved more than chance explains",
    ):
        assert said in read
    assert f"/?audience={saved.id}" in views(shop).one(saved.id)
    wrong = views(shop).one("<b>aud-none</b>")
    assert "This audience is not here" in wrong
    assert "<b>aud-none" not in wrong


def test_versions_are_drawn_to_one_scale(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    units = units_of(shop.describe_data())
    assert versions_picture(shop.history("Coffee"), units) == ""
    shop.save(TEA, "Coffee", "Ada")
    history = shop.history("Coffee")
    picture = versions_picture(history, units)
    heights = {kind: float(height) for kind, height in re.findall(r'class="(\w+)".*?height="([0-9.]+)"/>', picture)}
    second = history[1]
    assert heights["came"] / heights["left"] == pytest.approx(present(second.came) / present(second.left), rel=0.02)
    assert f"{second.came} came, {second.left} left" in picture


def test_a_name_that_is_taken_is_asked_about_and_a_new_one_can_be_taken_back(shop: AudienceService) -> None:
    coffee, tea = shop.save(COFFEE, "Coffee", "Ada"), shop.save(TEA, "Tea", "Ada")
    asked = act(shop, "rename", coffee.id, name="tea")
    assert "is another saved audience, version 1" in text(asked.panel)
    assert 'value="tea"' in asked.panel
    assert asked.place is None
    done = act(shop, "rename", coffee.id, name="Beans & more")
    assert shop.saved(coffee.id).name == "Beans & more"
    assert f'data-act="rename back" data-of="{coffee.id} Coffee"' in done.panel
    assert act(shop, "rename back", f"{coffee.id} Coffee").place == coffee.id
    assert {each.name for each in shop.list_audiences()} == {"Coffee", "Tea"}
    assert "needs a name" in text(act(shop, "rename", tea.id, name="  ").panel)
    refused = text(act(shop, "rename", tea.id, name="People who have cancer").panel)
    assert shop.saved(tea.id).name == "Tea"
    assert "Rename Tea" in refused


def test_what_is_archived_or_deleted_can_be_taken_back_and_says_so_before(shop: AudienceService) -> None:
    coffee = shop.save(COFFEE, "Coffee", "Ada")
    shop.combine("or", ["Coffee", shop.save(TEA, "Tea", "Ada").id], "Both", "Ada")
    assert 'data-act="take back"' in act(shop, "archive", coffee.id).panel
    assert status_of(shop.saved(coffee.id), shop.uses(coffee.id)).key == "archived"
    act(shop, "take back", coffee.id)
    assert shop.saved(coffee.id).archived is None
    asked = text(act(shop, "ask delete", coffee.id).panel)
    assert "you can bring it back" in asked
    assert "Made with it: Both." in asked
    assert shop.saved(coffee.id) == coffee, "asking does nothing"
    assert act(shop, "delete", coffee.id).place == ""
    shop.save(COFFEE, "Coffee", "Bo")
    assert act(shop, "bring back", coffee.id).place == coffee.id
    assert shop.saved(coffee.id).name == "Coffee (2)"
    act(shop, "delete", coffee.id)
    assert "This cannot be undone" in text(act(shop, "ask delete for good", coffee.id).panel)
    act(shop, "delete for good", coffee.id)
    for name in ("delete for good", "ask delete for good", "bring back"):
        with pytest.raises(AudienceError):
            act(shop, name, coffee.id)


def test_an_export_shows_who_leaves_before_the_yes(shop: AudienceService) -> None:
    coffee = shop.save(COFFEE, "Coffee", "Ada", holdout=0.2)
    wide = shop.save(COFFEE.model_copy(update={"cut": 0.6}), "Wide", "Ada", holdout=0.1)
    assert "Show who would leave" in text(act(shop, "ask export", wide.id).panel)
    asked = text(act(shop, "plan export", wide.id, to="", format="csv").panel)
    assert shop.uses(wide.id).files == ()
    plan = shop.planned_export(wide.id)
    for said in (f"{plan.rows} households leave", f"{plan.held_out} are held out", "are held out of 'Coffee'"):
        assert said in asked
    refused = text(act(shop, "plan export", wide.id, to="meta", format="parquet").panel)
    assert "takes CSV files alone" in refused
    done = act(shop, "export", wide.id, to="", format="csv")
    [name] = shop.uses(wide.id).files
    assert f'href="/exports/{name}"' in done.panel
    shop.archive(coffee.id, "Ada")
    with pytest.raises(RequestError, match="take it back first"):
        act(shop, "export", coffee.id, to="", format="csv")


def test_a_combination_is_counted_before_it_is_saved_and_a_taken_name_becomes_a_version_only_when_asked(
    shop: AudienceService,
) -> None:
    coffee, tea = shop.save(COFFEE, "Coffee", "Ada"), shop.save(TEA, "Tea", "Ada")
    chosen = [coffee.id, tea.id]
    assert "Count" in text(act(shop, "ask combine", audience=chosen).panel)
    counted = act(shop, "count combination", audience=chosen, operation="not", first=tea.id, name="")
    users = present(shop.combined_users("not", [tea.id, coffee.id]))
    assert f"{users} households are in the first and in no other." in text(counted.panel)
    assert 'value="Tea without Coffee"' in counted.panel
    assert len(shop.list_audiences()) == 2
    done = act(shop, "combine", audience=chosen, operation="not", first=tea.id, name="Tea alone")
    assert shop.saved("Tea alone").users == users
    assert done.place == shop.saved("Tea alone").id
    asked = act(shop, "combine", audience=chosen, operation="or", name="Tea alone")
    assert "exists, version 1" in text(asked.panel)
    assert shop.saved("Tea alone").version == 1, "nothing is laid over it unasked"
    act(shop, "combine", audience=chosen, operation="or", name="Tea alone", version="2")
    assert shop.saved("Tea alone").version == 2
    with pytest.raises(RequestError, match="Tick at least two"):
        act(shop, "ask combine", audience=[coffee.id, coffee.id])


def test_two_audiences_are_compared_by_groups_that_add_up(shop: AudienceService) -> None:
    coffee, tea = shop.save(COFFEE, "Coffee", "Ada"), shop.save(TEA, "Tea", "Ada")
    panel = act(shop, "compare", audience=[coffee.id, tea.id]).panel
    both = present(shop.compare([coffee.id, tea.id]).overlaps[0].both)
    rows = re.findall(r"<tr>(<td class=.*?)</tr>", panel)
    found = {tuple(re.findall(r"(not in|in) \w+</span>", row)): text(row).split()[-1] for row in rows}
    assert found == {
        ("in", "in"): str(both),
        ("in", "not in"): str(present(coffee.users) - both),
        ("not in", "in"): str(present(tea.users) - both),
    }
    assert "What sets each apart" in panel


def test_a_refresh_asks_for_the_day_and_says_who_came_and_left(shop: AudienceService) -> None:
    coffee = shop.save(COFFEE, "Coffee", "Ada")
    later = AS_OF + timedelta(days=7)
    assert "Version 2 is saved with who fits then." in text(act(shop, "ask refresh", coffee.id).panel)
    for day, said in (("no day", "is no day"), (str(AS_OF), "is as of"), ("2099-01-01", "The data ends on")):
        assert said in text(act(shop, "refresh", coffee.id, day=day).panel)
    assert shop.saved(coffee.id).version == 1
    done = act(shop, "refresh", coffee.id, day=str(later))
    assert (shop.saved(coffee.id).version, shop.saved(coffee.id).as_of) == (2, later)
    moved = shop.history(coffee.id)[1]
    assert "came" in text(done.panel)
    assert moved.stayed is not None


def test_a_button_that_there_is_not_and_an_id_that_is_none_are_sentences(shop: AudienceService) -> None:
    with pytest.raises(RequestError, match="no such button"):
        act(shop, "drop tables")
    for name in ("rename", "archive", "delete", "export", "ask refresh", "plan export", "take back"):
        with pytest.raises(AudienceError):
            act(shop, name, "aud-000000000000", name="x")


def test_the_results_count_what_the_ledger_has(shop: AudienceService, tmp_path: Path) -> None:
    units = units_of(shop.describe_data())
    assert "No forecasts yet" in ledger.empty()
    for name, spec in (("Coffee", COFFEE), ("Tea", TEA), (HOSTILE, COFFEE)):
        shop.save(spec, name, "Ada", holdout=0.2)
    page = shop.ledger.page()
    assert page.overall.counted == 3
    read = text(ledger.summary(page))
    assert f"{page.overall.kept} of 3 forecasts were kept" in read
    table = ledger.records(page, units)
    assert table.count("<tr>") == 4
    assert "<img" not in table
    assert "one thing" in text(ledger.scores(page))
    assert "No outcome with a holdout was brought yet" in ledger.uplifts([], units)
    members, held = shop.tenant.registry.members("Coffee")
    path = tmp_path / "out.csv"
    path.write_text("user_id\n" + "\n".join([*sorted(set(members) - set(held))[:60], *held[:4], "stranger"]))
    seen = shop.outcomes.look_at_file("Coffee", path)
    asked = text(ledger.ask_record(seen, "0123456789ab.csv", "out.csv", None, units))
    contacted = len(members) - len(held)
    assert f"out.csv has 64 responders of 'Coffee', version 1: 60 of {contacted} contacted" in asked.replace(
        "&#x27;", "'"
    )
    assert f"4 of {len(held)} held out" in asked
    assert "belong to nobody in this data" in asked
    drawn = ledger.uplifts([shop.outcomes.from_file("Coffee", path, "Ada")], units)
    assert drawn.count("<li>") == 1
    assert f"{100 * present(seen.uplift).mid:+.1f} points" in drawn
