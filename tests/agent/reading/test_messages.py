"""One message, read once: intents, choices, orders and numbers; nothing that is typed may break the reading."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.reading.intents import INTENTS, Stage, form_of, intent_classifier
from agent.reading.orders import name_in, picked, picked_near, steps_back
from agent.reading.parse import clauses_of, parse
from benchmarks.conversations.train_intents import examples
from benchmarks.conversations.utterances import evaluate_utterances, utterance_tables
from encoders.errors import RequestError
from prompts.loader import LANGUAGES, table
from tests.agent.agent_doubles import CARD, FIELDS

PETS = ("dog food", "pet supplies and toys", "cat food")


def test_every_intent_is_written_in_every_language() -> None:
    for language in ("en", *LANGUAGES):
        intents = table(f"intents/{language}")["intents"]
        assert set(intents) == set(INTENTS)
        assert min(len(text.strip().splitlines()) for text in intents.values()) >= 8


def test_the_messages_that_are_learned_from_are_the_same_every_time() -> None:
    first = list(examples())
    assert first == list(examples())
    assert {each.intent for each in first} == set(INTENTS)


REQUESTS = Path(__file__).parents[3] / "benchmarks" / "requests"


@pytest.mark.slow
def test_long_winded_requests_are_requests() -> None:
    lines = [line for file in sorted(REQUESTS.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    texts = [json.loads(line)["request"] for line in lines]
    found = intent_classifier().guesses([(text, "fresh", ()) for text in texts])
    assert sum(each.intent == "demand" for each in found) >= 0.98 * len(texts)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("hummus people, not 'deli shoppers'", "hummus people"),
        ("who likes cocoa and has not bought tea in the last 60 days", "who likes cocoa"),
        ("toffee fans in the next two weeks", "toffee fans"),
    ],
)
def test_what_is_left_of_a_message_is_what_it_wants(text: str, rest: str) -> None:
    parsed = parse(text, CARD, "fresh")
    assert rest in parsed.rest
    assert not {"deli", "tea", "weeks"} & set(parsed.rest.split())


@pytest.mark.parametrize(
    ("text", "stage", "intent"),
    [
        ("whom could I win for our oat bars?", "fresh", "demand"),
        ("people earning a lot", "fresh", "demand"),
        ("put biscuits in too", "draft", "add"),
        ("I'd like cocoa rather than coffee", "draft", "replace"),
        ("nobody who already bought cocoa please", "draft", "exclude"),
        ("just the ones who rent", "draft", "people"),
        ("how far can I rely on these figures?", "draft", "about_accuracy"),
        ("what's that lift number about", "draft", "about_lift"),
        ("what will we pay to mail all of them", "draft", "about_cost"),
        ("which audiences did I keep so far", "draft", "about_saved"),
        ("lovely, many thanks", "draft", "courtesy"),
        ("my train is late again", "fresh", "chatter"),
        ("none of those, sorry", "question", "none_of_these"),
        ("how do those differ?", "question", "difference"),
        ("bitte noch Kekse dazu", "draft", "add"),
        ("¿qué tan fiable es esto?", "draft", "about_accuracy"),
        ("recommençons depuis le début", "draft", "restart"),
        ("撤销上一步", "draft", "undo"),
    ],
)
def test_intents(text: str, stage: Stage, intent: str) -> None:
    assert parse(text, CARD, stage, PETS if stage == "question" else ()).intent == intent


def test_what_a_stage_rules_out_is_never_meant() -> None:
    guesses = intent_classifier().guesses([("the first and the third", "draft", ()), ("cheaper ones", "fresh", ())])
    assert guesses[0].intent != "choose"
    assert guesses[1].intent not in {"people", "size", "add", "replace"}
    assert form_of("a 5", "draft", ()).shape == form_of("", "question", PETS).shape


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("the first and the third", ("dog food", "cat food")),
        ("all but the second", ("dog food", "cat food")),
        ("first two please", ("dog food", "pet supplies and toys")),
        ("1 and 3", ("dog food", "cat food")),
        ("the last one", ("cat food",)),
        ("both dog food and cat food", ("dog food", "cat food")),
        ("cat food, not the dog food", ("cat food",)),
        ("the toys", ("pet supplies and toys",)),
        ("all of them", PETS),
        ("you decide", PETS),
        ("das erste und das letzte", ("dog food", "cat food")),
        ("todas menos la segunda", ("dog food", "cat food")),
        ("à toi de voir", PETS),
        ("第一个和第三个", ("dog food", "cat food")),
        ("something for budgies", None),
    ],
)
def test_what_is_picked_among_options(text: str, chosen: tuple[str, ...] | None) -> None:
    assert picked(text, (*PETS, "All of them", "You decide")) == chosen


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("undo", 1),
        ("go back two steps", 2),
        ("undo the last 3 changes", 3),
        ("zwei Schritte zurück", 2),
        ("退回两步", 2),
    ],
)
def test_steps_back(text: str, steps: int) -> None:
    assert steps_back(text) == steps


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rename it to Coffee lovers", "Coffee lovers"),
        ('save this as "Tea, late"', "Tea, late"),
        ("nenne es Teefreunde", "Teefreunde"),
        ("renómbrala Cafeteros", "Cafeteros"),
        ("改名为早安咖啡", "早安咖啡"),
        ("save it", None),
    ],
)
def test_names(text: str, name: str | None) -> None:
    assert name_in(text) == name


@pytest.mark.parametrize(
    ("text", "users", "percent"),
    [
        ("the 200 most likely", 200, None),
        ("make it 250", 250, None),
        ("about 1,200 people", 1200, None),
        ("top 5 %", None, 5),
        ("So ungefähr 1.200 Leute", 1200, None),
        ("控制在350人左右", 350, None),
    ],
)
def test_numbers_of_people(text: str, users: int | None, percent: float | None) -> None:
    read = parse(text, CARD, "draft")
    assert (read.users, read.percent) == (users, percent)


def test_what_stands_is_replaced_and_not_joined() -> None:
    assert parse("instead of coffee, tea", CARD, "fresh").wants == ("tea",)
    assert parse("tea instead of coffee", CARD, "draft", named=("coffee",)).wants == ("tea",)
    assert parse("en vez de café, té", CARD, "draft", tongue="es", named=("coffee",)).wants == ("té",)
    assert parse("both diapers and beer", CARD, "fresh").join == "all"


@pytest.mark.parametrize(
    ("text", "tongue", "op", "values"),
    [
        ("nur Leute zwischen 25 und 44", "de", "is", ("25-34", "35-44")),
        ("que no tengan 35-44", "es", "is not", ("35-44",)),
        ("seulement les propriétaires", "fr", "is", ("homeowner",)),
        ("不是35-44岁的", "zh", "is not", ("35-44",)),
    ],
)
def test_people_in_other_languages(text: str, tongue: str, op: str, values: tuple[str, ...]) -> None:
    assert [(each.op, each.values) for each in parse(text, CARD, "draft", tongue=tongue).filters] == [(op, values)]


def test_attributes_the_data_lacks_are_kept_apart_from_things() -> None:
    read = parse("only women", CARD, "draft")
    assert (read.filters, read.missing, read.wants) == ((), ("women",), ())


@given(st.text(max_size=200), st.sampled_from(["English", "German", "Spanish", "French", "Chinese"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_text_can_be_taken_apart(text: str, tongue: str) -> None:
    read = clauses_of(text, CARD, tongue)
    assert all(set(each.values) <= set(FIELDS[each.field]) for each in read.filters)
    assert picked(text, PETS) is None or set(picked(text, PETS) or ()) <= set(PETS)


def test_labelled_messages_are_counted_right(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    case = {"id": "a", "language": "en", "stage": "fresh", "text": "coffee but no tea", "intent": "demand"}
    file.write_text(json.dumps(case | {"wants": ["coffee"], "excluded": ["tea"]}) + "\n")
    (read,) = evaluate_utterances([file])
    assert (read.figures["intent"].right, read.figures["wants found"].right, read.figures["excluded right"].of) == (
        1,
        1,
        1,
    )
    assert utterance_tables([read])[0][1][1][:2] == ["en", "1/1"]
    file.write_text('{"id": 1}\n')
    with pytest.raises(RequestError, match="line 1"):
        evaluate_utterances([file])


OFFERED = ("pet supplies and toys", "dog food")
NEAR = ("cat food", "hot dogs", "cat litter", "magazines")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("cats and dogs, not hot dogs obviously", ("cat food", "dog food")),
        ("cats", ("cat food",)),
        ("not dogs, cats", ("cat food",)),
        ("cat litter and dog food", ("cat litter", "dog food")),
        ("cat food but no litter", ("cat food",)),
        ("the first and cat litter", ("pet supplies and toys", "cat litter")),
        ("dogs without hot dogs", ("dog food",)),
        ("aeroplanes", ()),
    ],
)
def test_an_answer_names_groups_near_the_request_beyond_the_options(said: str, expected: tuple[str, ...]) -> None:
    assert picked_near(said, OFFERED, NEAR) == expected
