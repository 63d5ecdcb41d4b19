"""Clauses of a request that say what is not wanted."""

import pytest

from agent.reading.intents import clauses, without_refused
from agent.reading.parse import parse
from tests.agent.agent_doubles import CARD


@pytest.mark.parametrize(
    ("text", "refused", "left"),
    [
        ("apples and pears, any bag size, forget the juice", "forget the juice", "apples and pears"),
        ("tea drinkers; coffee is the other agency's account", "coffee is the other agency's account", "tea drinkers"),
        ("lamb chops. Beef eaters are no good to us this quarter", "Beef eaters are no good to us", "lamb chops"),
        ("charcoal and lighter fluid (the buns are somebody else's headache)", "the buns are", "charcoal"),
        ("yoghurt please, pls NOT the soya drinks, thanks", "NOT the soya drinks", "yoghurt"),
    ],
)
def test_what_is_refused_is_left_aside(text: str, refused: str, left: str) -> None:
    wish = without_refused(text)
    assert any(refused in each for each in wish.refused)
    assert left in wish.text
    assert refused not in wish.text


@pytest.mark.parametrize(
    "text",
    [
        "people who can't live without coffee, every morning, no excuses",
        "no matter which brand, tea and biscuits for the office",
        "our boss wants it by Thursday, dog food buyers please",
        "no juice",
        "coffee",
        "",
    ],
)
def test_what_only_sounds_like_it_stays(text: str) -> None:
    assert without_refused(text).text == text
    assert without_refused(text).refused == ()


def test_a_text_is_cut_at_its_marks_and_numbers_stay_whole() -> None:
    assert clauses("tea, 2.5 lb of it - the loose sort (not bags) but cheap...") == [
        "tea",
        "2.5 lb of it",
        "the loose sort",
        "not bags",
        "but cheap",
    ]


def test_what_is_refused_is_not_among_the_wants() -> None:
    parsed = parse("apples and pears, any bag size, forget the juice", CARD, "fresh")
    assert parsed.intent == "demand"
    assert parsed.refused == ("forget the juice",)
    assert not any("juice" in each for each in parsed.wants)
    assert "juice" not in parsed.rest
