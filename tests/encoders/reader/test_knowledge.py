from collections import Counter
from pathlib import Path

import pytest

from encoders.errors import DataError
from encoders.reader.head import material
from encoders.reader.knowledge import Entry, Phrases, checked_table, read_entries, read_glossary, trades

FEAST = Entry(name="Thanksgiving dinner", says=("thanksgiving dinner", "turkey day"), things=("whole turkey", "pie"))
SANDWICH = Entry(name="Sandwiches", says=("sandwich", "turkey sandwich"), things=("bread", "turkey slices"))
PAELLA = Entry(name="Paella", says=("paella",), things=("saffron", "rice"))
ENTRIES = (FEAST, SANDWICH, PAELLA)


def fired(text: str, phrases: Phrases) -> list[str]:
    return [entry.name for entry, _ in phrases.find(text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("who cooks for the Thanksgiving dinners?", ["Thanksgiving dinner"]),
        ("paella nights and turkey sandwiches", ["Paella", "Sandwiches"]),
        ("turkey", []),
        ("our turkey day sandwiches", ["Thanksgiving dinner", "Sandwiches"]),
        ("", []),
    ],
)
def test_the_longest_phrase_fires_and_no_word_twice(text: str, names: list[str]) -> None:
    assert fired(text, Phrases(ENTRIES)) == names


def test_a_single_word_that_is_used_elsewhere_fires_nothing() -> None:
    wine = Entry(name="Wine evening", says=("wine",), things=("red wine",))
    cheese = Entry(name="Cheese board", says=("cheese board",), things=("cheese", "wine"))
    assert fired("wine", Phrases((wine, cheese))) == []
    assert fired("paella", Phrases(ENTRIES, ordinary=["a paella pan"])) == []


def test_the_word_of_a_company_fires_in_any_case_and_wins() -> None:
    own = Entry(name="Our VIP lunch", says=("lunch", "turkey day"), things=("salad",))
    phrases = Phrases((own, *ENTRIES), ordinary=["a quick lunch"], own=[own])
    assert fired("lunch on turkey day", phrases) == ["Our VIP lunch"]


def test_a_glossary_is_read_and_every_mistake_has_its_line(tmp_path: Path) -> None:
    assert read_glossary(tmp_path) == ()
    glossary = tmp_path / "glossary.toml"
    glossary.write_text('[[entry]]\nname = "VIP"\nsays = ["vip"]\nthings = ["coffee"]\n', "utf-8")
    assert read_glossary(tmp_path) == (Entry(name="VIP", says=("vip",), things=("coffee",)),)
    glossary.write_text('[[entry]]\nname = "A"\nsays = []\nthings = ["x"]\nfoo = 1\n[[entry]]\nname = "B"\n', "utf-8")
    with pytest.raises(DataError) as raised:
        read_glossary(tmp_path)
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        ["entry 'A'", "says"],
        ["entry 'A'", "foo"],
        ["entry 'B'", "says"],
        ["entry 'B'", "things"],
    ]


@pytest.mark.parametrize("text", ["[[entry]\n", "entry = 3\n", 'title = "x"\n'])
def test_a_file_that_is_no_list_of_entries_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "glossary.toml").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"glossary\.toml"):
        read_entries(tmp_path / "glossary.toml")


def test_two_entries_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    entry = '[[entry]]\nname = "A"\nsays = ["a"]\nthings = ["b"]\n'
    (tmp_path / "glossary.toml").write_text(2 * entry, "utf-8")
    with pytest.raises(DataError, match="two of this name"):
        read_glossary(tmp_path)


@pytest.mark.parametrize(("trade", "fewest"), [("shop", 600), ("film", 100)])
def test_the_body_of_knowledge_is_large_and_clean(trade: str, fewest: int) -> None:
    entries = trades()[trade]
    assert len(entries) >= fewest
    assert [name for name, times in Counter(entry.name for entry in entries).items() if times > 1] == []
    assert [entry.name for entry in entries if len(set(map(str.lower, entry.things))) < len(entry.things)] == []


@pytest.mark.parametrize(("data_name", "trade"), [("completejourney", "shop"), ("movielens", "film")])
def test_the_checked_tables_know_every_thing_of_the_knowledge(data_name: str, trade: str) -> None:
    table = checked_table(data_name)
    named = [entry.things for entry in trades()[trade]] + [each.things for each in material().situations[trade]]
    missing = {thing for things in named for thing in things} - set(table)
    assert sorted(missing) == []


@pytest.mark.parametrize(("trade", "fewest"), [("shop", 4500), ("film", 900)])
def test_situations_are_many_and_no_two_say_the_same(trade: str, fewest: int) -> None:
    situations = material().situations[trade]
    assert len(situations) >= fewest
    said = Counter(" ".join(each.text.lower().split()) for each in situations)
    assert [text for text, times in said.items() if times > 1] == []
    assert [each.text for each in situations if not each.things or len(set(each.things)) < len(each.things)] == []
