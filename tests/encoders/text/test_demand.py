import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.text.demand import MOST_PARTS, MOST_PHRASES, conjuncts, quoting, read_demand
from encoders.text.words import LONGEST_HORIZON, horizon_in, in_days

LONGEST = 2_000
"""Characters of a demand."""

VOCABULARY = (
    "people who will buy both and or but not without next coming this within 0 3 999 two week month quarter days for "
    "the first time tomorrow coffee , / . ! $x {y} ' -- \u2028 ٣"
)
WORDS = st.sampled_from(VOCABULARY.split(" "))


@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=25).map(" ".join)))
def test_anything_can_be_read(text: str) -> None:
    demand = read_demand(text)
    assert 1 <= demand.horizon_days <= LONGEST_HORIZON
    assert demand.phrases
    assert all(part.phrases for part in demand.parts)
    assert demand.sentence == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("households that will buy tea in the next 28 days", 28),
        ("who buy beer next week", 7),
        ("tea drinkers in the coming two weeks", 14),
        ("in the next seven days", 7),
        ("within nine days", 9),
        ("next month", 30),
        ("within a couple of months", 60),
        ("in the next quarter", 91),
        ("over the next 6 months", 91),
        ("in the next year", 91),
        ("in the next 0 days", 1),
        ("tomorrow", 1),
        ("people who bought tea last week", None),
        ("tea", None),
    ],
)
def test_the_horizon_is_read_and_held_in_range(text: str, days: int | None) -> None:
    assert horizon_in(text) == days


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("who will buy tea next month.", "who will buy tea in the next 30 days."),
        ("Who in the next 2 months will buy tea", "Who in the next 60 days will buy tea"),
        ("next year, tea", "in the next 365 days, tea"),
        ("who will buy tea next week", "who will buy tea next week"),
        ("who bought tea last month", "who bought tea last month"),
    ],
)
def test_months_and_years_are_kept_in_days(said: str, kept: str) -> None:
    assert in_days(said) == kept
    assert in_days(kept) == kept


@pytest.mark.parametrize(
    "sentence",
    [
        "Households that will buy coffee in the next 28 days",
        "people who are going to buy coffee next month",
        "customers likely to purchase coffee.",
        "buyers of coffee",
        "households that will redeem a coupon for coffee",
        "who drinks coffee?",
        "coffee",
    ],
)
def test_the_frame_is_taken_off(sentence: str) -> None:
    [part] = read_demand(sentence).parts
    assert part.phrases == ("coffee",)


@pytest.mark.parametrize(
    ("sentence", "things"),
    [
        ("Viewers that will like The Silver Kite (1977) in the next 28 days", ("The Silver Kite (1977)",)),
        ("Viewers that will like war films or Jaws (1975) in the next 28 days", ("war films", "Jaws (1975)")),
        ("Gym members who will probably book yoga", ("yoga",)),
        ("Members who might redeem a coupon for pizza", ("pizza",)),
        ("Films that surprise", ("Films that surprise",)),
    ],
)
def test_the_frame_is_taken_off_whatever_users_are_called_and_do(sentence: str, things: tuple[str, ...]) -> None:
    assert read_demand(sentence).phrases == things


def test_alternatives_conjunctions_and_exclusions() -> None:
    either = read_demand("people who will buy coffee, tea or milk")
    assert [part.phrases for part in either.parts] == [("coffee", "tea", "milk")]
    both = read_demand("people who will buy both wine and beer")
    assert [part.phrases for part in both.parts] == [("wine",), ("beer",)]
    without = read_demand("people who will buy bread or milk but not wine")
    assert [(part.phrases, part.negated) for part in without.parts] == [(("bread", "milk"), False), (("wine",), True)]
    assert without.phrases == ("bread", "milk")


@pytest.mark.parametrize(
    ("sentence", "wanted", "left_out"),
    [
        ("beer drinkers who never touch wine", "beer drinkers", "wine"),
        ("who buys ham at the deli but never the packaged sort?", "ham at the deli", "packaged ham"),
        ("fresh fish but none of the frozen kind", "fresh fish", "frozen fish"),
        ("soda in cans but not in large bottles", "soda in cans", "soda in large bottles"),
        ("laundry detergent, no bleach", "laundry detergent", "bleach"),
        ("dry pasta, leaving aside those who also get pasta sauce", "dry pasta", "pasta sauce"),
        ("butter rather than margarine, so leave out anyone who gets margarine", "butter", "margarine"),
        ("Find shoppers who will take water and not a single lemonade", "water", "lemonade"),
    ],
)
def test_what_is_left_out_is_said_in_full(sentence: str, wanted: str, left_out: str) -> None:
    parts = read_demand(sentence).parts
    assert [(part.phrases, part.negated) for part in parts] == [((wanted,), False), ((left_out,), True)]


@pytest.mark.parametrize(
    "sentence",
    ["tea plus sugar", "tea along with sugar", "who will pick up tea and also sugar?", "tea and sugar, both"],
)
def test_two_things_at_once(sentence: str) -> None:
    assert [part.phrases for part in read_demand(sentence).parts] == [("tea",), ("sugar",)]


def test_not_only_takes_nothing_away() -> None:
    assert not any(part.negated for part in read_demand("shampoo and not just one of the two").parts)


def test_a_demand_that_only_takes_away_is_read_as_one_phrase() -> None:
    [part] = read_demand("but not wine").parts
    assert not part.negated


@pytest.mark.parametrize(
    "sentence",
    ["buy diapers for the first time", "first-time buyers of diapers", "people who have never bought it before"],
)
def test_first_time_is_noticed(sentence: str) -> None:
    assert read_demand(sentence).first_time
    assert not read_demand(sentence.replace("first", "second").replace("never", "often")).first_time


def test_a_quoted_request_is_a_witness_and_nothing_else() -> None:
    demand = read_demand('Households that will buy pies or tea (as in "not my mum, next week!") in the next 28 days')
    plain = read_demand("Households that will buy pies or tea in the next 28 days")
    assert demand.witness == "not my mum, next week!"
    assert (demand.parts, demand.horizon_days, demand.sentence) == (plain.parts, 28, plain.sentence)
    assert plain.witness == ""


@pytest.mark.parametrize("words", ["thanksgiving crowd", 'say "cheese"', "  two\nlines ", ""])
def test_what_is_quoted_is_read_again(words: str) -> None:
    demand = read_demand(f"People that will buy tea{quoting(words)} for the first time in the next 7 days")
    assert demand.witness == " ".join(words.replace('"', "'").split())
    assert (demand.phrases, demand.first_time, demand.horizon_days) == (("tea",), True, 7)


def test_names_of_the_data_stay_whole() -> None:
    names = ["cold, cough and flu remedies", "cough or cold"]
    sentence = "Households that will buy Cold, cough and flu remedies, tea or coffee but not cough or cold"
    demand = read_demand(sentence, names)
    assert [part.phrases for part in demand.parts] == [
        ("cold, cough and flu remedies", "tea", "coffee"),
        ("cough or cold",),
    ]
    assert demand.sentence == sentence
    assert read_demand(sentence).phrases != demand.phrases


HELD = "\N{SYMBOL FOR UNIT SEPARATOR}7"
JOINTS = (",", '"', "(", ")", "[", "/", HELD, "and", "AND", "or", "not", "both", "but not", "tea")
"""What a sentence is taken apart at, and the mark that stands for a name of the data while it is."""


@given(st.lists(st.sampled_from(JOINTS), min_size=1, max_size=2000), st.booleans())
def test_however_often_a_text_is_joined_it_has_so_many_parts(pieces: list[str], spaced: bool) -> None:
    """Every part is a scan of all users, and every phrase one of all items."""
    text = (" " if spaced else "").join(pieces)[:LONGEST]
    demand = read_demand(text, ("tea, not green", "tea or (", "7"))
    assert len(demand.parts) <= MOST_PARTS
    phrases = [phrase for part in demand.parts for phrase in part.phrases]
    assert len(phrases) < MOST_PHRASES + MOST_PARTS
    assert sum(map(len, phrases)) <= MOST_PARTS * 2 * LONGEST


def test_what_is_said_beyond_the_last_phrase_stays_in_it() -> None:
    things = [f"thing {number}" for number in range(2 * MOST_PHRASES)]
    [part] = read_demand(", ".join(things)).parts
    assert list(part.phrases) == [*things[: MOST_PHRASES - 1], ", ".join(things[MOST_PHRASES - 1 :])]
    left_out = [f"thing {number}" for number in range(2 * MOST_PARTS)]
    wanted, *unwanted = read_demand("tea, but not " + ", but not ".join(left_out)).parts
    assert wanted.phrases == ("tea",)
    assert len(unwanted) == MOST_PARTS - 2
    phrases = " ".join(phrase for part in unwanted for phrase in part.phrases)
    assert all(each in phrases for each in left_out)


@pytest.mark.parametrize("word", JOINTS)
@pytest.mark.slow
def test_a_long_text_is_read_in_one_go(word: str) -> None:
    """Whatever tries every pair of places in it would not come to an end."""
    assert read_demand(f"{word} " * 100_000).phrases


@given(st.lists(st.sampled_from(("tea", "both", "and", "AND", "plus", "x,", "and also", ", both")), max_size=9))
def test_two_things_at_once_are_told_as_one_pattern_would_tell_them(words: list[str]) -> None:
    joined = r"AND|as\s+well\s+as|together\s+with|along\s+with|alongside|plus|and\s+also|and,?\s+in\s+addition,?"
    whole = rf"\bboth\s+(.+?)\s+and\s+(.+)$|(.+?),?\s+(?:{joined})\s+(.+)$|(.+?)\s+and\s+(.+?),\s*both$"
    text = " ".join(words)
    match = re.search(whole, text)
    assert conjuncts(text) == ([each for each in match.groups() if each is not None] if match else [text])


@pytest.mark.parametrize(
    ("sentence", "anything"),
    [
        ("Households that will buy anything in the next 28 days", True),
        ("Viewers that will rate anything at all in the next 7 days", True),
        ("people who will buy something again", True),
        ("households that will buy anything but not beer", False),
        ("both anything and coffee", False),
        ("Households that will buy anything goes paint", False),
    ],
)
def test_a_demand_for_anything_names_no_thing(sentence: str, anything: bool) -> None:
    assert read_demand(sentence).anything is anything
