"""What a person's English says of the past, the life cycle, attributes and dates, and what it does not say."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.sentence_cards import FILMS, SHOP
from tools.sentences.attributes import read_filters
from tools.sentences.past import IT
from tools.sentences.sentence import take_conditions
from tools.sentences.spans import ahead_in, ahead_in_place, back_in

AS_OF = date(2017, 10, 1)
"""A Sunday."""


def stated(text: str, films: bool = False) -> list[dict[str, Any]]:
    found, _ = take_conditions(text, FILMS if films else SHOP, saved=("Autumn",))
    conditions = (*found.behaviours, *found.life_cycle, *found.filters, *found.memberships)
    return [each.model_dump(exclude_defaults=True) for each in conditions]


DID: dict[str, Any] = {"did": True}


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        (
            "people who bought coffee before but not in the last 3 months",
            [DID | {"what": "coffee"}, {"what": "coffee", "days": 90}],
        ),
        ("people who bought coffee", [DID | {"what": "coffee"}]),
        ("who bought tea last month", [DID | {"what": "tea", "days": 30}]),
        ("households that did not buy coffee in the last 30 days", [{"what": "coffee", "days": 30}]),
        (
            "tea drinkers who haven't bought tea in the last 60 days",
            [DID | {"what": "tea", "days": 60, "ago": True}],
        ),
        (
            "people who last bought coffee more than 30 days ago",
            [DID | {"what": "coffee", "days": 30, "ago": True}],
        ),
        ("whose last wine order was more than 2 months ago", [DID | {"what": "wine", "days": 60, "ago": True}]),
        ("customers who last shopped with us over 8 weeks ago", [DID | {"what": "anything", "days": 56, "ago": True}]),
        ("bought coffee at least 3 times", [DID | {"what": "coffee", "times": 3}]),
        ("who bought wine more than twice this quarter", [DID | {"what": "wine", "times": 3, "days": 91}]),
        ("people that got bread 5+ times in 6 weeks", [DID | {"what": "bread", "times": 5, "days": 42}]),
        (
            "people who spent more than $100 on pet food this year",
            [DID | {"what": "pet food", "days": 273, "amount": 100.0}],
        ),
        ("spent 1,200 dollars or more in the past year", [DID | {"what": "anything", "days": 365, "amount": 1200.0}]),
        ("who spent less than £20 on snacks last month", [{"what": "snacks", "days": 30, "amount": 20.0}]),
        ("have never bought wine before", [{"what": "wine"}]),
        ("bought no beer in the last two weeks", [{"what": "beer", "days": 14}]),
        ("who purchased nothing in the past fortnight", [{"what": "anything", "days": 14}]),
        ("excluding last month's cat food buyers", [{"what": "cat food", "days": 30}]),
        ("leave out people who bought energy drinks", [{"what": "energy drinks"}]),
        ("coffee, but not in the last 30 days", [{"what": IT, "days": 30}]),
        ("who will buy tea and hasn't had any candy in the last 30 days", [{"what": "candy", "days": 30}]),
    ],
)
def test_conditions_on_the_past(text: str, conditions: list[dict[str, Any]]) -> None:
    assert stated(text) == conditions


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("only if theyve watched 3 westerns or more", [DID | {"what": "westerns", "times": 3}]),
        ("Must not have watched any horror over the past 2 weeks", [{"what": "horror", "days": 14}]),
        ("who liked at least 10 comedies over the last year", [DID | {"what": "comedies", "times": 10, "days": 365}]),
        ("heavy drama viewers", [{"stage": "heavy", "what": "drama"}]),
        ("viewers who rated dramas below four stars", [DID | {"what": "dramas", "source": "ratings"}]),
    ],
)
def test_films_are_watched_not_bought(text: str, conditions: list[dict[str, Any]]) -> None:
    assert stated(text, films=True) == conditions


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("our highest spenders", [{"stage": "high spending"}]),
        ("big spenders on wine", [{"stage": "high spending", "what": "wine"}]),
        ("loyal customers", [{"stage": "loyal"}]),
        ("those loyal to our bakery bread", [{"stage": "loyal", "what": "bakery bread"}]),
        ("customers we are about to lose", [{"stage": "lapsing"}]),
        ("those starting to drift away from us", [{"stage": "lapsing"}]),
        ("new customers this quarter", [{"stage": "new", "days": 91}]),
        ("people who stopped buying coffee", [{"stage": "lapsed", "what": "coffee"}]),
        ("lapsed shampoo buyers", [{"stage": "lapsed", "what": "shampoo"}]),
        ("regular tea drinkers", [{"stage": "regular", "what": "tea"}]),
        ("customers who are due for dog food", [{"stage": "due again", "what": "dog food"}]),
        ("inactive customers", [{"stage": "inactive"}]),
        ("wine, but not lapsed customers", [{"stage": "lapsed", "holds": False}]),
        ("small spenders", [{"stage": "low spending"}]),
    ],
)
def test_stages_of_the_life_cycle(text: str, conditions: list[dict[str, Any]]) -> None:
    assert stated(text) == conditions


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("coupon users", [DID | {"what": "anything", "source": "coupons"}]),
        ("price-sensitive customers who use coupons", [DID | {"what": "anything", "source": "coupons"}]),
        ("who never used a coupon", [{"what": "anything", "source": "coupons"}]),
        (
            "redeemed a coupon for coffee in the last 60 days",
            [DID | {"what": "coffee", "source": "coupons", "days": 60}],
        ),
        ("households whose age is unknown", [{"field": "age", "op": "is unknown"}]),
        ("only people whose age is known", [{"field": "age", "op": "is known"}]),
        ("people aged 25 to 44 only", [{"field": "age", "values": ("25-34", "35-44")}]),
        ("coffee but not Autumn", [{"audience": "Autumn", "member": False}]),
        ('tea, not in "Spring people"', [{"audience": "Spring people", "member": False}]),
    ],
)
def test_sources_attributes_and_saved_audiences(text: str, conditions: list[dict[str, Any]]) -> None:
    assert stated(text) == conditions


@pytest.mark.parametrize(
    "text",
    [
        "Households that will buy coffee in the next 28 days",
        "New parents who will buy diapers",
        "heavy whipping cream",
        "best ever cookies",
        "regular coffee or super premium wine",
        "people likely to buy a used car",
        "top rated films",
        "get us new customers for our wine",
        "sorry, I don't get the figure, what's that about",
        "We're a small shop and have got our hands on a new tea. Who would turn up for that?",
        "client doesnt do long emails. peanut butter",
    ],
)
def test_what_is_wanted_is_no_condition(text: str) -> None:
    found, rest = take_conditions(text, SHOP, horizon=False, loosely=False)
    assert not found
    assert rest == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("customers who bought baby food at least 3 times and will buy infant formula", "will buy infant formula"),
        ("lapsed viewers, adventure films", "adventure films"),
        ("tea but not in 'Autumn'", "tea"),
        ("who will buy beer and who bought chips in the last week", "who will buy beer"),
    ],
)
def test_the_rest_is_what_is_wanted(text: str, rest: str) -> None:
    assert take_conditions(text, SHOP)[1] == rest


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    take_conditions(text, SHOP, saved=("Autumn",))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("by the end of the month, tea", 31),
        ("before the end of the year", 92),
        ("tea in December", 92),
        ("candy before Halloween", 30),
        ("before Christmas", 85),
        ("ahead of Thanksgiving", 53),
        ("by Friday", 5),
        ("by 12 October", 11),
        ("until November 5th", 35),
        ("before Easter", 182),
        ("in October", 31),
        ("coffee in the next 3 years", 1095),
        ("within 10 days", 10),
        ("over the coming six weeks", 42),
        ("next month", 30),
        ("nah thats too long, fortnight tops", 14),
        ("who bought tea in the last 60 days", None),
        ("Sunscreen for the under 18s", None),
    ],
)
def test_how_far_ahead_a_text_looks(text: str, days: int | None) -> None:
    found = ahead_in(text, AS_OF)
    assert (found.days if found else None) == days


def test_only_words_of_the_calendar_and_months_are_said_in_days() -> None:
    assert ahead_in_place("tea before Halloween", AS_OF) == "tea in the next 30 days"
    assert ahead_in_place("tea in the next 2 weeks", AS_OF) == "tea in the next 2 weeks"
    assert ahead_in_place("halloween candy", AS_OF) == "halloween candy"
    assert ahead_in_place("tea next month", AS_OF) == "tea in the next 30 days"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("in the last 3 months", 90),
        ("this year", 273),
        ("this quarter", 91),
        ("this month", 30),
        ("since June", 122),
        ("since 2017-09", 30),
        ("over the past couple of weeks", 14),
        ("half a year", None),
        ("yesterday", 1),
    ],
)
def test_how_far_back_a_text_looks(text: str, days: int | None) -> None:
    found = back_in(text, AS_OF)
    assert (found[0] if found else None) == days


@pytest.mark.parametrize("words", ["a and", "not any", "and", "only the people who are"])
@pytest.mark.slow
def test_a_message_of_nothing_but_such_words_is_read_in_one_go(words: str) -> None:
    """Words that may stand before a value, again and again, would be tried from each of them to the end."""
    found, _ = read_filters(f"{words} " * 2_000, {"age": ("25-34", "35-44")})
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "Viewers that will like The Spy Who Loved Me or Goldfinger in the next 28 days",
        "Viewers that will like The Man Who Would Be King in the next 28 days",
        "viewers that will like X-Men in the next 28 days",
        "the X-Men crowd",
    ],
)
def test_words_within_a_name_are_no_conditions(text: str) -> None:
    assert stated(text, films=True) == []


def test_a_name_with_such_a_word_can_be_what_was_done() -> None:
    [found] = stated("viewers who liked The Man Who Knew Too Much", films=True)
    assert found["what"].endswith("Man Who Knew Too Much")
