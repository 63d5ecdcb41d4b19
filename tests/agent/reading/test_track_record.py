"""Questions about the forecasts that were saved before, in five languages, are told by their form."""

import pytest

from agent.reading.orders import asked_about


@pytest.mark.parametrize(
    "text",
    [
        "how good were your forecasts?",
        "How accurate were your past predictions?",
        "did our forecasts come true?",
        "Did your predictions hold?",
        "what became of my earlier forecasts?",
        "show me your track record",
        "Wie gut waren deine Vorhersagen?",
        "Sind unsere Prognosen eingetroffen?",
        "¿Qué tan buenos fueron tus pronósticos?",
        "¿Se cumplieron nuestros pronósticos?",
        "Tes prévisions se sont-elles vérifiées ?",
        "Est-ce que nos prévisions étaient justes ?",
        "你们的预测准不准？",
        "之前的预测怎么样？",
    ],
)
def test_a_question_about_old_forecasts_is_told_from_others(text: str) -> None:
    assert asked_about(text) == "forecasts"


@pytest.mark.parametrize(
    "text",
    [
        "how accurate is this forecast?",
        "how sure are you?",
        "people who will buy a weather forecast magazine",
        "how did coffee go?",
        "did it work?",
        "how good is your estimate for this audience?",
        "our best customers",
        "wie sicher ist das?",
    ],
)
def test_other_questions_are_not(text: str) -> None:
    assert asked_about(text) != "forecasts"
