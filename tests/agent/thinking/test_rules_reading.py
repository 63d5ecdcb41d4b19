"""How one message is taken apart: time, attributes, conditions, and the things it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reading.grounding import ahead, restate, served
from agent.reading.parse import clauses_of, parse
from encoders.text.words import LONGEST_HORIZON, SHORTEST_HORIZON
from tests.agent.agent_doubles import CARD, FIELDS
from tools.sentences.attributes import parse_filter, read_filters, write_filter
from tools.sentences.past import IT
from tools.types import ANYTHING, Behaviour, Filter


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("who will buy wine next week", 7),
        ("this weekend", 7),
        ("in two weeks", 14),
        ("in the next 28 days", 28),
        ("next month", 30),
        ("over the coming 6 weeks", 42),
        ("next quarter", 91),
        ("in the next 400 days", 400),
        ("within a day", 1),
        ("people who buy wine", None),
        ("who bought 2 weeks ago", None),
    ],
)
def test_horizon_words_become_days(text: str, days: int | None) -> None:
    assert ahead(text)[0] == days


def test_a_horizon_in_a_sentence_by_hand_is_replaced() -> None:
    assert restate("Folks that love tea in the next 28 days", 91) == "Folks that love tea in the next 91 days"
    assert restate("Folks that love tea.", 7) == "Folks that love tea in the next 7 days"


@pytest.mark.parametrize(
    ("text", "field", "op", "values"),
    [
        ("only homeowners", "home ownership", "is", ("homeowner",)),
        ("no renters", "home ownership", "is not", ("renter",)),
        ("families with kids", "kids", "is", ("1 kid", "2 kids", "3 or more kids")),
        ("people without children", "kids", "is", ("no kids",)),
        ("aged 35-44", "age", "is", ("35-44",)),
        ("between 35 and 54 years old", "age", "is", ("35-44", "45-54")),
        ("over 60 years old", "age", "is", ("65 or older",)),
        ("in their 30s", "age", "is", ("25-34", "35-44")),
        ("seniors", "age", "is", ("65 or older",)),
        ("income over 100k", "income", "is", ("$100,000-124,999", "$250,000 or more")),
        ("earning less than $25,000", "income", "is", ("under $15,000", "$15,000-24,999")),
        ("households of 4 people", "household size", "is", ("4 people",)),
        ("not married", "marital status", "is not", ("married",)),
        ("income $75,000-99,999", "income", "is", ("$75,000-99,999",)),
    ],
)
def test_attributes_in_words_become_filters_that_exist(text: str, field: str, op: str, values: tuple[str, ...]) -> None:
    (found,), rest = read_filters(text, FIELDS)
    assert (found.field, found.op, found.values) == (field, op, values)
    assert clauses_of(text, CARD, "English").wants == (), rest


def test_words_without_such_a_field_become_no_filter() -> None:
    assert read_filters("only homeowners aged 35-44", {"region": ("north", "south")})[0] == ()


def test_a_filter_a_model_wrote_is_checked() -> None:
    good, _ = parse_filter("Kids = 1 kid | 2 KIDS", FIELDS)
    assert good == Filter(field="kids", values=("1 kid", "2 kids"))
    assert good is not None
    assert parse_filter(write_filter(good), FIELDS)[0] == good
    assert parse_filter("kidz = 1 kid", FIELDS) == (None, "the data has no field 'kidz'; it has kids")
    missing, why = parse_filter("home ownership = home owner", FIELDS)
    assert missing is None
    assert "homeowner" in why
    assert parse_filter("homeowners", FIELDS)[0] is None


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("reach people for our new baby line", ("baby",)),
        ("I want to sell more dog food", ("dog food",)),
        ("coffee lovers", ("coffee",)),
        ("households that will buy ice cream or frozen pizza in the next 28 days", ("ice cream", "frozen pizza")),
        ("wine drinkers but not those who bought last month", ("wine",)),
        ("Menschen, die Windeln kaufen werden", ("Windeln",)),
        ("snacks for the game", ("snacks",)),
        ("something for the garden", ("garden",)),
        ("people who care to look for back to school things", ("back to school",)),
        ("ready to eat soup, bottles of wine", ("soup", "bottles of wine")),
        ("everyone", ()),
    ],
)
def test_the_things_a_request_names(text: str, phrases: tuple[str, ...]) -> None:
    assert parse(text, CARD, "fresh").wants == phrases


@pytest.mark.parametrize(
    ("text", "past", "wants"),
    [
        ("people who bought beer in the last 2 weeks and will buy chips", {"what": "beer", "days": 14}, ("chips",)),
        ("who bought tea last month", {"what": "tea", "days": 30}, ()),
        ("people who bought coffee", {"what": "coffee"}, ()),
        ("households that did not buy coffee in the last 30 days", {"did": False, "what": "coffee", "days": 30}, ()),
        ("people who last bought coffee more than 30 days ago", {"what": "coffee", "days": 30, "ago": True}, ()),
        ("bought coffee at least 3 times", {"what": "coffee", "times": 3}, ()),
    ],
)
def test_conditions_on_the_past(text: str, past: dict[str, object], wants: tuple[str, ...]) -> None:
    read = parse(text, CARD, "fresh")
    assert read.behaviours == (Behaviour.model_validate({"did": True} | past),)
    assert read.wants == wants


@pytest.mark.parametrize(
    ("text", "stage", "what"),
    [
        ("people who stopped buying coffee", "lapsed", "coffee"),
        ("our highest spenders", "high spending", ANYTHING),
        ("customers we are about to lose", "lapsing", ANYTHING),
        ("loyal customers", "loyal", ANYTHING),
    ],
)
def test_stages_of_the_life_cycle(text: str, stage: str, what: str) -> None:
    read = parse(text, CARD, "fresh")
    assert [(each.stage, each.what) for each in read.life_cycle] == [(stage, what)]
    assert (read.behaviours, read.wants) == ((), ())


def test_what_was_done_before_but_not_lately_is_two_conditions() -> None:
    read = parse("people who bought coffee before but not in the last 3 months", CARD, "fresh")
    assert read.behaviours == (
        Behaviour(did=True, what="coffee"),
        Behaviour(did=False, what="coffee", days=90),
    )


def test_what_is_unknown_is_a_condition_on_people() -> None:
    read = parse("households whose age is unknown", CARD, "fresh")
    assert read.filters == (Filter(field="age", op="is unknown"),)


def test_what_is_left_out_and_who_is_new() -> None:
    read = parse("beer buyers excluding last month's cat food buyers", CARD, "fresh")
    assert read.behaviours == (Behaviour(did=False, what="cat food", days=30),)
    assert read.wants == ("beer",)
    assert parse("coffee but not tea", CARD, "fresh").excluded == ("tea",)
    assert parse("people who have never bought wine before", CARD, "fresh").newness == "first time"
    assert parse("first-time buyers of wine", CARD, "fresh").newness == "first time"


@pytest.mark.parametrize(
    ("text", "op", "values"),
    [
        ("not aged 35-44", "is not", ("35-44",)),
        ("coffee but not for age 35-44", "is not", ("35-44",)),
        ("exclude people under 25", "is not", ("19-24",)),
        ("people aged 25 to 44 only", "is", ("25-34", "35-44")),
        ("nobody over 65 years old", "is not", ("65 or older",)),
        ("no seniors", "is not", ("65 or older",)),
    ],
)
def test_negation_belongs_to_what_follows_it(text: str, op: str, values: tuple[str, ...]) -> None:
    read = clauses_of(text, CARD, "English")
    assert [(each.op, each.values) for each in read.filters] == [(op, values)]
    assert read.excluded == ()
    assert set(read.wants) <= {"coffee"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Menschen, die Windeln kaufen werden", "German"),
        ("Je veux des clients qui vont acheter du fromage", "French"),
        ("想买蛋糕的人", "Chinese"),
        ("люди, которые купят сыр", "a language other than English"),
        ("people who buy wine", ""),
    ],
)
def test_the_language_is_noticed(text: str, language: str) -> None:
    assert parse(text, CARD, "fresh").foreign == language


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    heard = clauses_of(text, CARD, "English")
    assert heard.ahead_days is None or SHORTEST_HORIZON <= served(heard.ahead_days) <= LONGEST_HORIZON
    for each in heard.filters:
        assert set(each.values) <= set(FIELDS[each.field])


def test_not_those_who_bought_is_a_condition_on_the_past() -> None:
    assert parse("not those who bought last month", CARD, "draft").behaviours == (
        Behaviour(did=False, what=IT, days=30),
    )
