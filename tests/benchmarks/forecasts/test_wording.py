import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.forecasts.demands import BenchmarkDemand
from benchmarks.forecasts.judging import AUC
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import Scorer, Study
from benchmarks.forecasts.tasks.wording import MINUS_TEMPLATE, WordingLine, read_wording, wording
from encoders.data.events import Dataset
from encoders.errors import DataError
from tests.benchmarks.forecasts.benchmark_doubles import Guesser, bench_of, by_chance, knowing, reference


def named(*topics: str) -> dict[str, Any]:
    return {"level": "group", "topics": list(topics)}


PARAPHRASES = {
    "something for the morning brew": "coffee",
    "beans and grounds": "coffee",
    "something for the dog": "dog food",
    "bubbles and Beaujolais": "wine",
}
LINES: list[dict[str, Any]] = [
    *(
        {
            "id": f"paraphrase-{number}",
            "kind": "paraphrase",
            "sentence": sentence,
            "all_of": [named(topic)],
            "template": f"households that will buy {topic}",
        }
        for number, (sentence, topic) in enumerate(PARAPHRASES.items())
    ),
    {"id": "plain-pets", "kind": "plain", "sentence": "pet owners", "all_of": [named("dog food", "cat food")]},
    {
        "id": "both",
        "kind": "conjunction",
        "sentence": "both coffee and chocolate",
        "all_of": [named("coffee"), named("chocolate")],
    },
    {
        "id": "not",
        "kind": "negation",
        "sentence": "laundry but no coffee",
        "all_of": [named("laundry")],
        "none_of": named("coffee"),
    },
    {"id": "rare", "kind": "plain", "sentence": "star gazers", "all_of": [named("telescope")]},
]


@pytest.fixture(scope="module")
def sections(data: Dataset, study: Study) -> dict[str, Section]:
    """Ours knows everything; the reference knows it too, but only where the sentence is a template."""
    truth = knowing(data)

    def literal(study: Study, demand: BenchmarkDemand) -> NDArray[np.float64]:
        plain = demand.sentence.startswith("households that will buy")
        return truth(study, demand) if plain else by_chance(study, demand)

    told = Scorer("told", "categories", reference("", truth).score)
    bench = bench_of(data, study, [Guesser("ours", truth)], [reference("literal", literal), told])
    lines = [WordingLine.model_validate(line) for line in LINES]
    return {section.name: section for section in wording(bench, lines)}


def test_every_kind_has_its_section_and_rare_sentences_do_not_count(sections: dict[str, Section]) -> None:
    assert {name: section.demands for name, section in sections.items()} == {
        "wording: template": 3,
        "wording: paraphrase": 4,
        "wording: plain": 1,
        "wording: conjunction": 1,
        "wording: negation": 1,
    }


def test_who_knows_the_truth_is_right_in_every_wording(sections: dict[str, Section]) -> None:
    for section in sections.values():
        figure = section.figure("ours", AUC)
        assert figure
        assert figure.value == 1.0, section.name


def test_a_scorer_that_only_understands_templates_loses_on_their_paraphrases(sections: dict[str, Section]) -> None:
    template = sections["wording: template"].figure("literal", AUC)
    paraphrase = sections["wording: paraphrase"].figure("literal", AUC)
    distance = sections["wording: paraphrase"].figure("literal", MINUS_TEMPLATE)
    assert template
    assert paraphrase
    assert distance
    assert template.value == 1.0
    assert distance.low <= distance.value <= distance.high < -0.3
    assert distance.value == pytest.approx(paraphrase.value - 1.0, abs=0.05)
    own = sections["wording: paraphrase"].figure("ours", MINUS_TEMPLATE)
    assert own
    assert (own.low, own.value, own.high) == (0, 0, 0)


def test_a_scorer_that_reads_no_sentence_has_no_such_distance(sections: dict[str, Section]) -> None:
    assert sections["wording: paraphrase"].figure("told", MINUS_TEMPLATE) is None


def test_a_line_that_cannot_be_read_is_told_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "planted.jsonl"
    good = json.dumps(LINES[-1])
    file.write_text(f"{good}\n{json.dumps({**LINES[0], 'template': None})}\n")
    with pytest.raises(DataError, match=r"Line 2 of planted\.jsonl .* names no template"):
        read_wording(file)
    file.write_text(f"{good}\n")
    assert [line.sentence for line in read_wording(file)] == ["star gazers"]
    assert read_wording(tmp_path / "nothing.jsonl") == []


def test_a_topic_that_the_data_does_not_have_is_told(data: Dataset, study: Study) -> None:
    line = WordingLine.model_validate({**LINES[4], "all_of": [named("spaceships")]})
    with pytest.raises(DataError, match="spaceships"):
        wording(bench_of(data, study, [Guesser("ours", by_chance)]), [line])
