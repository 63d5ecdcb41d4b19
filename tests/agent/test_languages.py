"""German, Spanish, French and Chinese: every text fits, and what was said is read."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import replies
from agent.conversation import Conversation
from agent.reading.parse import parse
from agent.reading.wording import code_of, into_english, labelled, language
from agent.steps import ALL, DECIDE, NEWNESS
from prompts.loader import LANGUAGES, reply, speaking, spoken, table
from tests.agent.agent_doubles import CARD, FIELDS, PlantedService
from tests.present import present

LABELS = {
    *(ALL, DECIDE, *NEWNESS, replies.YES, replies.NO, replies.BROADER, replies.NARROWER, replies.UNDO),
    *(replies.FIRST, replies.EVERYONE, replies.LEAVE_OUT, replies.SAVE, replies.EXPORT, replies.COMPARE),
}


def variables(text: str) -> set[str]:
    return set(string.Template(text).get_identifiers())


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_takes_only_variables_that_the_english_one_has(code: str) -> None:
    english, own = table("replies"), table(f"languages/{code}")["replies"]
    assert own.keys() <= english.keys()
    assert [key for key, text in own.items() if not variables(text) <= variables(english[key])] == []
    numbers = {"users", "low", "high", "population", "mid", "rows", "holdout"}
    assert [key for key, text in own.items() if (variables(english[key]) & numbers) - variables(text)] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_label_of_the_page_is_translated_and_comes_back(code: str) -> None:
    shown = labelled(sorted(LABELS), code)
    assert len(set(shown)) == len(LABELS)
    assert [into_english(label, code) for label in shown] == sorted(LABELS)


@given(st.text(max_size=60), st.sampled_from(["", "it", *LANGUAGES]))
def test_any_message_survives_and_what_is_no_language_of_ours_is_left_alone(text: str, code: str) -> None:
    assert isinstance(into_english(text, code), str)
    if code not in LANGUAGES:
        assert into_english(text, code) == text


@pytest.mark.parametrize(
    ("text", "phrases", "days"),
    [
        ("Haushalte, die in den nächsten 14 Tagen Windeln kaufen", ("Windeln",), 14),
        ("personas que van a comprar cerveza la próxima semana", ("cerveza",), 7),
        ("des clients qui achèteront du fromage le mois prochain", ("fromage",), 30),
        ("未来7天会买啤酒的家庭", ("啤酒",), 7),
        ("我们想找会买咖啡和猫粮的顾客", ("咖啡", "猫粮"), None),
    ],
)
def test_things_and_times_are_heard(text: str, phrases: tuple[str, ...], days: int | None) -> None:
    read = parse(text, CARD, "fresh")
    assert (read.wants, read.ahead_days) == (phrases, days)


def test_the_language_is_told_by_its_small_words() -> None:
    assert [
        code_of(language(text)) for text in ("wir suchen Leute, die Bier kaufen", "beer drinkers", "会买啤酒的人")
    ] == [
        "de",
        "",
        "zh",
    ]


def test_replies_come_in_the_language_that_is_spoken_and_in_english_afterwards() -> None:
    english = reply("undone")
    with speaking("fr"):
        assert reply("undone") == "La dernière modification est annulée."
        assert "ménages" in reply("hello", unit_plural="households")
        assert reply("sql", example="x").startswith("That looks like"), "what is not translated stays English"
    with speaking("it"):
        assert reply("undone") == english
    assert (reply("undone"), spoken()) == (english, "")


def test_a_whole_conversation_in_german(talk: Conversation, service: PlantedService) -> None:
    first = talk.say("t", "Wir suchen Menschen, die Windeln kaufen werden")
    assert "Haushalte" in first.text
    fewer = talk.say("t", "etwas kleiner")
    assert fewer.size is not None
    assert first.size is not None
    assert present(fewer.size.users) < present(first.size.users)
    owners = talk.say("t", "nur Hausbesitzer")
    assert owners.draft is not None
    assert [each.field for each in owners.draft.spec.filters] == ["home ownership"]
    assert talk.say("t", "Rückgängig").text.startswith("Die letzte Änderung ist zurückgenommen.")
    pending = talk.say("t", "speichern als Babys")
    assert pending.pending is not None
    assert pending.options == ("Ja", "Nein")
    saved = talk.say("t", "Ja")
    assert saved.text.startswith("Gespeichert als **Babys**")
    assert service.saves == 1
    assert set(FIELDS)
