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
    typed = {key for key in english if key.startswith("example_")}  # the rules read these, and they are English
    assert own.keys() == english.keys() - typed - {"foreign"}
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
        assert reply("foreign", language="Polish").startswith("I read this as"), "other languages are told in English"
    with speaking("it"):
        assert reply("undone") == english
    assert (reply("undone"), spoken()) == (english, "")


SAID_IN_THE_HELP = {
    "broader": ("breiter", "más amplio", "plus large", "扩大"),
    "narrower": ("enger", "más estrecho", "plus étroit", "缩小"),
    "the best 10 %": ("die besten 10 %", "el 10 % mejor", "les 10 % les meilleurs", "前10%"),
    "about 300 households": ("etwa 300 Haushalte", "unos 300 hogares", "environ 300 ménages", "大约300个家庭"),
    "next quarter instead": (
        "im nächsten Quartal",
        "que sea el próximo trimestre",
        "le trimestre prochain",
        "改成下个季度",
    ),
    "only for the first time": (
        "nur zum ersten Mal",
        "solo por primera vez",
        "seulement pour la première fois",
        "只要首次",
    ),
    "only homeowners": ("nur Hausbesitzer", "solo propietarios", "seulement les propriétaires", "只要有房的"),
    "leave out last month's buyers": (
        "ohne die vom letzten Monat",
        "sin los del último mes",
        "sans ceux du mois dernier",
        "排除上个月的",
    ),
    "undo": ("rückgängig", "deshacer", "annuler", "撤销"),
    "start over": ("von vorn", "empezar de nuevo", "recommencer", "重新开始"),
    "why is household 123 in?": (
        "warum ist Haushalt 123 dabei?",
        "¿por qué está el hogar 123?",
        "pourquoi le client 123 y est-il ?",
        "家庭 123 为什么在？",
    ),
    "people like these: 12, 55, 61, 70, 81": (
        "Leute wie diese: 12, 55, 61, 70, 81",
        "gente como esta: 12, 55, 61, 70, 81",
        "des gens comme ceux-ci : 12, 55, 61, 70, 81",
        "类似这些的人: 12, 55, 61, 70, 81",
    ),
    "what should I say to them?": (
        "was soll ich ihnen schreiben?",
        "¿qué les digo?",
        "qu'est-ce que je leur dis ?",
        "该跟他们说什么？",
    ),
    "keep 10 % back": ("10 % zurückhalten", "reserva el 10 %", "garder 10 % de côté", "保留10%"),
    "save as Autumn": ("speichern als Autumn", "guardar como Autumn", "enregistrer sous Autumn", "保存为Autumn"),
    "export": ("exportieren", "exportar", "exporter", "导出"),
    "export for Meta": ("für Meta exportieren", "exportar para Meta", "exporter pour Meta", "导出到 Meta"),
    "compare with Autumn": ("vergleiche mit Autumn", "compara con Autumn", "compare avec Autumn", "和 Autumn 比较"),
    "combine Autumn and Spring": (
        "Autumn und Spring zusammenlegen",
        "combina Autumn y Spring",
        "combine Autumn et Spring",
        "合并 Autumn 和 Spring",
    ),
    "Autumn without Spring": ("Autumn ohne Spring", "Autumn sin Spring", "Autumn sans Spring", "Autumn 去掉 Spring"),
    "how did it go?": ("wie ist es gelaufen?", "¿cómo fue?", "comment ça s'est passé ?", "效果怎么样？"),
    "refresh to 2017-11-01": (
        "aktualisieren auf 2017-11-01",
        "actualiza a 2017-11-01",
        "actualiser à 2017-11-01",
        "更新到2017-11-01",
    ),
    "without “homeowners” (300 households)": (
        "Ohne „homeowners“ (300 Haushalte)",
        "Sin «homeowners» (300 hogares)",
        "Sans « homeowners » (300 ménages)",
        "去掉“homeowners”（300 个家庭）",
    ),
    "How did Autumn go, from the data?": (
        "Wie ist Autumn gelaufen, nach den Daten?",
        "¿Cómo fue Autumn según los datos?",
        "Qu'a donné Autumn, d'après les données ?",
        "根据数据，Autumn的效果怎么样？",
    ),
}


@pytest.mark.parametrize("english", SAID_IN_THE_HELP)
def test_what_the_help_says_can_be_said_is_read_as_in_english(english: str) -> None:
    saved = ("Autumn", "Spring")
    meant = parse(english, CARD, "draft", saved=saved)
    for code, text in zip(LANGUAGES, SAID_IN_THE_HELP[english], strict=True):
        read = parse(text, CARD, "draft", saved=saved, tongue=code)
        assert (read.intent, read.percent, read.holdout) == (meant.intent, meant.percent, meant.holdout), text
        assert (read.ahead_days, read.newness, read.users) == (meant.ahead_days, meant.newness, meant.users), text
        assert (read.filters, read.behaviours) == (meant.filters, meant.behaviours), text
        steps = [each.order.model_dump(exclude={"audience"}) if each.order else None for each in (read, meant)]
        assert steps[0] == steps[1], text
        names = [(each.order.audience or ()) if each.order else () for each in (read, meant)]
        assert names[0] == names[1], text


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
