"""The glossary of a company, changed one entry at a time."""

from pathlib import Path

import pytest

from encoders.errors import DataError, NotThereError, RequestError
from encoders.reader.glossary import put_entry, remove_entry
from encoders.reader.knowledge import GLOSSARY, Entry, read_glossary
from encoders.workspace import Workspace

BY_HAND = """# Our words, kept by Robin.

[[entry]]
name = "VIP lunch"
says = ["vip lunch", "vip"]  # the sales team
things = ["sushi"]

[[entry]]
name = "Blue line"
says = ["the blue line"]
things = ["coffee"]
"""
VIP = Entry(name="VIP lunch", says=("vip lunch", "vip"), things=("sushi",))
BLUE = Entry(name="Blue line", says=("the blue line",), things=("coffee",))
TEA = Entry(name="Tea time", says=("five o'clock", "tée"), things=("tea", 'say "scones"'), when="Sundays")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / GLOSSARY).write_text(BY_HAND, "utf-8")
    return Workspace(tmp_path)


def written(workspace: Workspace) -> str:
    return (workspace.path / GLOSSARY).read_text("utf-8")


def test_an_entry_is_added_to_a_glossary_that_is_not_there_yet(tmp_path: Path) -> None:
    put_entry(Workspace(tmp_path), TEA)
    assert read_glossary(tmp_path) == (TEA,)
    assert "kind" not in written(Workspace(tmp_path))
    remove_entry(Workspace(tmp_path), TEA)
    assert read_glossary(tmp_path) == ()


def test_what_a_person_wrote_around_an_entry_stays(workspace: Workspace) -> None:
    put_entry(workspace, TEA)
    changed = BLUE.model_copy(update={"things": ("coffee", "cream")})
    put_entry(workspace, changed, BLUE)
    assert read_glossary(workspace.path) == (VIP, changed, TEA)
    assert written(workspace).startswith("# Our words, kept by Robin.")
    assert "# the sales team" in written(workspace)
    remove_entry(workspace, changed)
    assert read_glossary(workspace.path) == (VIP, TEA)
    assert "# the sales team" in written(workspace)


def test_an_entry_may_be_renamed_and_keeps_its_place(workspace: Workspace) -> None:
    named = VIP.model_copy(update={"name": "Lunch of the board"})
    put_entry(workspace, named, VIP)
    assert read_glossary(workspace.path) == (named, BLUE)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (TEA.model_copy(update={"name": "blue LINE"}), "There is an entry 'blue LINE' already"),
        (TEA.model_copy(update={"says": ("VIP lunches",)}), "said of 'VIP lunch' already"),
        (TEA.model_copy(update={"says": ("?!",)}), "no word that could be recognised"),
    ],
)
def test_what_cannot_stand_beside_the_others_is_not_written(workspace: Workspace, entry: Entry, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        put_entry(workspace, entry)
    assert written(workspace) == BY_HAND


def test_nobody_writes_over_what_somebody_else_wrote_meanwhile(workspace: Workspace) -> None:
    put_entry(workspace, BLUE.model_copy(update={"things": ("tea",)}), BLUE)
    before = written(workspace)
    with pytest.raises(RequestError, match="changed by somebody else meanwhile"):
        put_entry(workspace, BLUE, BLUE)
    with pytest.raises(RequestError, match="changed by somebody else meanwhile"):
        remove_entry(workspace, BLUE)
    remove_entry(workspace, VIP)
    with pytest.raises(NotThereError, match="no entry 'VIP lunch'"):
        put_entry(workspace, VIP, VIP)
    assert before != written(workspace)
    assert [each.name for each in read_glossary(workspace.path)] == ["Blue line"]


def test_entries_that_stand_in_one_list_are_read_and_written(tmp_path: Path) -> None:
    line = 'entry = [{name = "VIP lunch", says = ["vip lunch", "vip"], things = ["sushi"]}]\n'
    (tmp_path / GLOSSARY).write_text(line, "utf-8")
    put_entry(Workspace(tmp_path), TEA)
    assert read_glossary(tmp_path) == (VIP, TEA)


def test_a_glossary_with_mistakes_is_left_to_whoever_wrote_them(workspace: Workspace) -> None:
    broken = BY_HAND.replace('things = ["sushi"]', "things = []")
    (workspace.path / GLOSSARY).write_text(broken, "utf-8")
    with pytest.raises(DataError, match="entry 'VIP lunch': things"):
        put_entry(workspace, TEA)
    assert written(workspace) == broken
