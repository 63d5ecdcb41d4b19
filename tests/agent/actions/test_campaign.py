"""The whole campaign by talking, on the planted world: every line is typed by hand, and the rules alone read it."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from agent.conversation import Conversation
from agent.ledger_words import ledger_text
from agent.state import Reply
from encoders.workspace import Workspace
from prompts.loader import speaking
from tests.planted import AS_OF, World, world_settings
from tests.present import present
from tools.service import AudienceService
from tools.types import AudienceSpec

COFFEE = "households that will buy coffee in the next 28 days, top 30%"
TEA = "households that will buy tea in the next 28 days, top 30%"


@pytest.fixture(scope="module")
def shop(world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The trained planted world, for this file."""
    path = tmp_path_factory.mktemp("campaign") / "workspace"
    shutil.copytree(world_workspace.path, path, ignore=shutil.ignore_patterns("locks", "registry.db*"))
    return Workspace(path)


@pytest.fixture
def real(shop: Workspace) -> Iterator[AudienceService]:
    for path in (*shop.path.glob("registry.db*"), *shop.path.glob("checkpoints.db*")):
        path.unlink()
    opened = AudienceService.open(world_settings(shop.path))
    yield opened
    opened.close()


@pytest.fixture
def chat(real: AudienceService, tmp_path: Path) -> Iterator[Conversation]:
    conversation = Conversation(real, real.settings, path=tmp_path / "checkpoints.db")
    yield conversation
    conversation.close()


def play(chat: Conversation, *lines: str) -> Reply:
    return [chat.say("t", line) for line in lines][-1]


def actions(real: AudienceService) -> list[str]:
    return [line.action for line in real.tenant.registry.audit()]


def test_the_holdout_is_said_before_the_save_or_with_it(chat: Conversation, real: AudienceService) -> None:
    assert "keep 20 % of these households back" in play(chat, COFFEE, "hold back a fifth").text
    asked = play(chat, "save as Coffee")
    assert "20 % of them are held out" in asked.text
    assert real.list_audiences() == ()
    done = play(chat, "yes")
    assert done.draft is not None
    assert done.draft.saved is not None
    assert done.draft.saved.holdout == round(0.2 * present(done.draft.saved.users))
    assert "will make" not in play(chat, "keep 30 % back").text
    saved = play(chat, "save as More and keep 40% of them back", "yes").draft
    assert saved is not None
    assert saved.saved is not None
    assert (saved.saved.name, saved.saved.holdout) == ("More", round(0.4 * present(saved.saved.users)))
    assert actions(real) == ["save", "save"]


def test_the_holdout_can_be_undone_and_is_no_cut(chat: Conversation) -> None:
    first = play(chat, f"{COFFEE}, keep 10 % back")
    assert first.draft is not None
    assert (first.draft.holdout, first.draft.spec.cut) == (0.1, 0.3)
    assert "10 % are held out" in first.text
    second = play(chat, "keep a quarter back")
    assert second.draft is not None
    assert second.draft.holdout == 0.25
    back = play(chat, "undo")
    assert back.draft is not None
    assert back.draft.holdout == 0.1
    wrong = play(chat, "hold 60 % back")
    assert "Between 0 and 50 %" in wrong.text
    assert wrong.draft == back.draft


def test_a_list_for_a_platform(chat: Conversation, real: AudienceService) -> None:
    asked = play(chat, COFFEE, "save as Coffee", "yes", "export for Facebook")
    assert re.search(
        r"Of the 112 households in \*\*Coffee\*\*, \d\d leave; 11 are held out for measuring\.", asked.text
    )
    assert re.search(r"\d\d have no contact that Meta could match", asked.text)
    assert "Shall I write the list for Meta" in asked.text
    assert not list(real.tenant.workspace.exports.glob("*meta*"))
    done = play(chat, "yes")
    assert done.file is not None
    assert (done.file.platform, done.file.columns) == ("Meta", ("email",))
    assert any("no contact that Meta could match" in line for line in done.text.splitlines())
    refused = play(chat, "save as Pharmacy week", "yes", "export for Meta")
    assert "Meta turns down audiences" in refused.text
    assert refused.file is None
    assert actions(real) == ["save", "export", "save"]


def test_how_good_the_forecasts_were(chat: Conversation, real: AudienceService) -> None:
    assert "no forecast to look back at" in play(chat, COFFEE, "how good were your forecasts?").text
    play(chat, "save as Coffee", "yes")
    [record] = real.ledger.page().forecasts
    told = play(chat, "did your forecasts come true?").text
    assert f"**For {int(record.status == 'kept')} of 1 forecasts" in told
    assert "Of such ranges, 80 % should hold." in told
    assert ("The latest that I missed" in told) == (record.status == "missed")
    with speaking("de"):
        assert ledger_text(real.ledger.page()).startswith("**Bei ")


def test_how_did_it_go(chat: Conversation, real: AudienceService, tmp_path: Path) -> None:
    assert "not saved yet" in play(chat, COFFEE, "how did it go?").text
    assert "No outcome of **Coffee**" in play(chat, "save as Coffee and hold back half", "yes", "how did it go?").text
    members, held = real.tenant.registry.members("Coffee")
    contacted = sorted(set(members) - set(held))
    pl.DataFrame({"user_id": [*contacted[:20], held[0]]}).write_csv(tmp_path / "out.csv")
    name = real.keep_upload(tmp_path / "out.csv")
    assert "Shall I?" in play(chat, f"How did Coffee go? File {name}").text
    assert real.outcomes.last("Coffee") is None
    done = play(chat, "yes")
    assert done.outcome is not None
    assert (done.outcome.contacted.responders, done.outcome.held_out.responders) == (20, 1)
    assert "**20 of 57 households responded" in done.text or "**20 of" in done.text
    assert "More of them responded than would have done anyway" in done.text
    assert play(chat, "how did it go?").outcome == done.outcome
    by_data = play(chat, "how did Coffee go, from the data?", "yes")
    assert by_data.outcome is not None
    assert by_data.outcome.source == "data"
    assert "Unless the campaign really ran" in by_data.text
    assert actions(real) == ["save", "outcome", "outcome"]


def test_a_refresh(chat: Conversation, real: AudienceService) -> None:
    day = AS_OF + timedelta(days=14)
    assert "name a later day" in play(chat, COFFEE, "save as Coffee", "yes", "refresh").text
    assert "The data ends on" in play(chat, "refresh Coffee as of 2031-01-01").text
    assert "to 2024-07-05" in play(chat, f"refresh it as of {day}").text
    assert len(real.tenant.registry.audit()) == 1
    done = play(chat, "yes")
    assert done.refreshed is not None
    assert (done.refreshed.saved.version, done.refreshed.saved.as_of) == (2, day)
    assert (done.refreshed.came, done.refreshed.left) == (None, None)
    assert "**fewer than 20 came, fewer than 20 left**" in done.text
    assert done.draft is not None
    assert done.draft.saved == done.refreshed.saved
    assert actions(real) == ["save", "refresh"]


def test_people_like_these(chat: Conversation, real: AudienceService, world: World, tmp_path: Path) -> None:
    owners = sorted(world.habits["dog food"] & set(real.forecaster.snapshot.histories.user_ids))[:12]
    few = play(chat, "people like these: h101, nobody, someone else")
    assert "at least 5 users" in few.text
    found = play(chat, f"people like these: {', '.join(owners)}")
    assert found.draft is not None
    assert found.draft.spec.like.startswith("list ")
    assert found.size is not None
    assert found.size.reads_as[0] == "dog food"
    kept = play(chat, "only in the north")
    assert kept.draft is not None
    assert kept.draft.spec.like == found.draft.spec.like
    back = play(chat, "undo")
    assert back.draft == found.draft
    (tmp_path / "list.txt").write_text("\n".join(owners))
    name = real.keep_upload(tmp_path / "list.txt")
    again = play(chat, "start over", f"people like these: {name}")
    assert again.draft is not None
    assert again.draft.spec == found.draft.spec
    saved = play(chat, "save as Dogs", "yes").draft
    assert saved is not None
    assert saved.saved is not None


def test_people_like_these_under_a_sentence(chat: Conversation, real: AudienceService, world: World) -> None:
    owners = sorted(world.habits["tea"] & set(real.forecaster.snapshot.histories.user_ids))[:12]
    before = play(chat, TEA)
    found = play(chat, f"more like these: {' '.join(owners)}")
    assert before.draft is not None
    assert found.draft is not None
    assert found.draft.spec.demand == before.draft.spec.demand
    assert found.draft.spec.like
    assert found.draft.spec.cut == 0.3
    assert play(chat, "undo").draft == before.draft


def test_several_audiences(chat: Conversation, real: AudienceService) -> None:
    play(chat, COFFEE, "save as Coffee", "yes", TEA)
    overlap = play(chat, "both this and the last one, who overlaps?")
    assert overlap.comparison is not None
    assert overlap.draft is not None
    assert [(each.a, each.b) for each in overlap.comparison.overlaps] == [(overlap.draft.spec.demand, "Coffee")]
    assert "not saved yet" in play(chat, "combine this and Coffee").text
    play(chat, "save as Tea", "yes")
    coffee, tea = (set(real.tenant.registry.members(name)[0]) for name in ("Coffee", "Tea"))
    for line, expected in (
        ("combine Coffee and Tea as Warm", coffee | tea),
        ("Coffee but not Tea", coffee - tea),
        ("those in both Coffee and this one", coffee & tea),
    ):
        before = len(real.list_audiences())
        assert f" {len(expected)} households" in play(chat, line).text
        assert len(real.list_audiences()) == before
        play(chat, "yes")
        newest = max(real.list_audiences(), key=lambda each: each.created)
        assert set(real.tenant.registry.members(newest.id)[0]) == expected
    assert {each.name for each in real.list_audiences()} == {
        "Coffee", "Tea", "Warm", "Coffee but not Tea", "Coffee and also Tea",
    }  # fmt: skip
    assert "no saved audience" in play(chat, "compare with Wine").text


def test_what_to_say_rests_on_the_profile(chat: Conversation, real: AudienceService) -> None:
    assert "no audience on the page" in play(chat, "what should I say to them?").text
    shown = play(chat, COFFEE, "what should I say to them?")
    assert shown.draft is not None
    rows = {row.value: row for row in real.profile(shown.draft.spec, 16)}
    angles = [line for line in shown.text.splitlines() if line.startswith("- ")]
    assert 1 <= len(angles) <= 5
    assert angles[0].startswith("- **Start from what they know.**")
    assert "coffee" in angles[0]
    for line in angles:
        [row] = [
            row for value, row in rows.items() if f"{value}." in line or f"{value} " in line or f" {value}" in line
        ][:1]
        assert f"index {row.index:.0f}" in line


def test_a_save_over_another_holdout_says_how_many_and_so_does_the_file(
    chat: Conversation, real: AudienceService
) -> None:
    play(chat, COFFEE, "save as Coffee", "yes")
    held_out = real.saved("Coffee").holdout
    said = play(chat, "top 60%", "save as Wide", "yes").text
    assert f"{held_out} are held out of 'Coffee' until" in said
    assert "files of this audience leave them out" in said
    assert "Left out: " in play(chat, "export it", "yes").text


def test_a_name_that_exists_is_said_before_the_yes_and_never_saved_over_unasked(
    chat: Conversation, real: AudienceService
) -> None:
    assert "exists already" not in play(chat, COFFEE, "save as Coffee").text
    play(chat, "yes")
    asked = play(chat, TEA, "save as coffee")
    assert "**Coffee** exists already: this becomes its version 2" in asked.text
    assert real.saved("Coffee").version == 1
    real.save(AudienceSpec(demand="Households that will buy wine in the next 28 days"), "Coffee", "somebody else")
    assert "somebody else meanwhile and has version 2 by now" in play(chat, "yes").text
    assert real.saved("Coffee").version == 2
    assert "becomes its version 3" in play(chat, "save as coffee").text
    play(chat, "yes")
    assert real.saved("Coffee").version == 3
    assert "**Tea**" in play(chat, "save as Tea").text
    play(chat, "yes")
    taken = play(chat, "rename Tea to Coffee")
    assert "**Coffee** is another saved audience, version 3" in taken.text
    assert taken.pending is None
    assert "exists already" in play(chat, 'combine Coffee and Tea, save as "Tea"').text


def test_an_outcome_file_is_looked_at_before_the_yes(chat: Conversation, real: AudienceService, tmp_path: Path) -> None:
    play(chat, COFFEE, "save as Coffee and hold back half", "yes")
    members, held = real.tenant.registry.members("Coffee")
    path = tmp_path / "out.csv"
    pl.DataFrame({"user_id": [*sorted(set(members) - set(held))[:20], *held[:10], "stranger"]}).write_csv(path)
    asked = play(chat, f"How did Coffee go? File {real.keep_upload(path)}")
    assert asked.pending is not None
    assert f"{len(set(members) - set(held))}" in asked.text
    assert "belong to nobody in this data: 'stranger'" in asked.text
    assert real.outcomes.last("Coffee") is None
    path.write_text("name\nada\n")
    refused = play(chat, "no", f"How did Coffee go? File {real.keep_upload(path)}")
    assert "has no column 'user_id'" in refused.text
    assert refused.pending is None
