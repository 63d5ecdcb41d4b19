"""Mistyped words are put right by the words that are known, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.text.words import Spelling, english_words

KNOWN = ("deodorants", "sausages: smoked sausage", "toothpaste", "coffee creamers", "hall table", "knitting yarn")
SPELLING = Spelling(KNOWN, ["shopper", "who is a fiend for {x}"])


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("real buyers of deodarant, Linda", "real buyers of deodorant, Linda"),
        ("our 'sasuages' on the billboard", "our 'sausages' on the billboard"),
        ("Toothpast + brushes", "Toothpaste + brushes"),
        ("cofee creamer", "coffee creamer"),
    ],
)
def test_a_slip_is_put_right(typed: str, right: str) -> None:
    assert SPELLING.corrected(typed) == right


@pytest.mark.parametrize(
    "text",
    [
        "hallo, we sell cheese",
        "kitting out a first kitchen",
        "shoppers and fiends",
        "Priya and Rainer write from https://example.test/deodarant and deodarant@example.test",
        "größere Sausagen, 咖啡",
        "brand-new zyxwvut",
    ],
)
def test_what_may_be_a_word_by_itself_stays(text: str) -> None:
    assert SPELLING.corrected(text) == text


@given(st.text(max_size=200))
def test_no_text_grows_words_and_corrections_are_stable(text: str) -> None:
    once = SPELLING.corrected(text)
    assert len(once.split()) == len(text.split())
    assert SPELLING.corrected(once) == once


@given(st.lists(st.sampled_from(sorted(english_words())), max_size=20))
def test_no_english_word_is_touched(words: list[str]) -> None:
    assert SPELLING.corrected(" ".join(words)) == " ".join(words)
