"""Titles found by the words that people use of them, in a small list of made-up films."""

import pytest

from encoders.reader.targets import Titles

NAMES = (
    "The Silver Kite",
    "Silver Kite II",
    "Silver Kite, Part 3",
    "Captain Marrow and the Lost Lamp",
    "Captain Marrow of the Deep",
    "Embers",
    "Ranger",
    "Big Night",
    "Henry V",
)
TITLES = Titles(NAMES, range(len(NAMES)))
ORDINARY = {"big", "night", "people", "for", "quick", "we"}


def found(text: str) -> dict[str, list[str]]:
    return {each.title.name: [NAMES[item] for item in each.title.items] for each in TITLES.find(text, ORDINARY)}


@pytest.mark.parametrize(
    ("text", "name", "items"),
    [
        ("a silver kite evening", "Silver Kite", ["The Silver Kite", "Silver Kite II", "Silver Kite, Part 3"]),
        ("those who like Silver Kite II", "Silver Kite II", ["Silver Kite II"]),
        ("captain marrow fans", "Captain Marrow", list(NAMES[3:5])),
        ("who would come to see Embers?", "Embers", ["Embers"]),
        ("people who like The Ranger", "Ranger", ["Ranger"]),
        ("the henry v crowd", "Henry V", ["Henry V"]),
    ],
)
def test_a_title_and_a_series_are_found_by_their_words(text: str, name: str, items: list[str]) -> None:
    assert found(text) == {name: items}


@pytest.mark.parametrize(
    "text",
    [
        "dying embers in the fireplace",
        "Embers of the Galaxy watchers",
        "the Forest Ranger badge",
        "our shop in Embers",
        "we plan a big night",
        "kite shop, silver frames",
    ],
)
def test_words_that_are_no_title_here_name_none(text: str) -> None:
    assert found(text) == {}
