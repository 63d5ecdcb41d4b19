"""Wording: the same wishes as people put them, in plain language, joined, negated, coarse and fine.

The sentences lie in ``wording/<data set>.jsonl``, one ``WordingLine`` a line; a data set without a file has no such
sections. A paraphrase names its template, a plain sentence with the very same responders.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, ValidationError, model_validator

from benchmarks.forecasts.demands import BenchmarkDemand, items_of, no_items, read_topics
from benchmarks.forecasts.figures import Figure, figure
from benchmarks.forecasts.judging import AUC, JudgedDemand, judge, section
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import Bench, observe
from encoders.errors import DataError
from encoders.records import Record

NAME = "wording: {kind}"
TEMPLATE, PARAPHRASE = "template", "paraphrase"
MINUS_TEMPLATE = "AUC minus its template's"

_TITLES = {
    TEMPLATE: "The templates of the paraphrases",
    PARAPHRASE: "Paraphrases",
    "plain": "Plain language",
    "conjunction": "Both of two things",
    "negation": "One thing but not another",
    "granularity": "Departments, categories and product types",
}


class NamedTopics(Record):
    """Some topics of one level; an item of any of them will do."""

    level: str
    topics: tuple[str, ...] = Field(min_length=1)


class WordingLine(Record):
    """One sentence, and what it means."""

    id: str
    kind: Literal["template", "paraphrase", "plain", "conjunction", "negation", "granularity"]
    sentence: str = Field(min_length=1)
    all_of: tuple[NamedTopics, ...] = Field(min_length=1)
    none_of: NamedTopics | None = None
    template: str | None = None
    """A plain sentence with the same responders; every paraphrase has one."""

    @model_validator(mode="after")
    def _paraphrases_have_a_template(self) -> "WordingLine":
        if self.kind == PARAPHRASE and self.template is None:
            raise ValueError(f"the paraphrase '{self.id}' names no template")
        return self

    def demand(self, topics: pl.DataFrame) -> BenchmarkDemand:
        """The sentence with its items.

        Raises:
            DataError: the data has no such topic.
        """
        wanted = tuple(items_of(topics, named.level, named.topics) for named in self.all_of)
        unwanted = items_of(topics, self.none_of.level, self.none_of.topics) if self.none_of else no_items()
        return BenchmarkDemand(self.sentence, wanted, unwanted, kind=self.kind)


def wording_file(name: str) -> Traversable:
    """Where the sentences for the data set called ``name`` are, if there are any."""
    return files("benchmarks.forecasts").joinpath("wording", f"{name}.jsonl")


def read_wording(file: Traversable) -> list[WordingLine]:
    """Read the sentences of one data set; none where there is no file.

    Raises:
        DataError: a line cannot be read.
    """
    if not file.is_file():
        return []
    lines = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        try:
            lines.append(WordingLine.model_validate_json(line))
        except ValidationError as error:
            raise DataError(f"Line {number} of {file.name} cannot be read: {error.errors()[0]['msg']}.") from error
    return lines


def wording(bench: Bench, lines: Sequence[WordingLine]) -> list[Section]:
    """A section per kind of sentence, the templates of the paraphrases first."""
    topics = read_topics(bench.dataset)
    demands = [line.demand(topics) for line in lines]
    template_of = {line.sentence: line.template for line in lines if line.template is not None}
    templates = {
        template_of[demand.sentence]: replace(demand, sentence=template_of[demand.sentence], kind=TEMPLATE)
        for demand in demands
        if demand.kind == PARAPHRASE
    }
    outcome = observe(bench.dataset, bench.study.snapshot, [*templates.values(), *demands])
    if not outcome.demands:
        return []
    scored = bench.score(bench.study, outcome.demands)
    sections, judged = {}, {}
    for kind in dict.fromkeys(demand.kind for demand in outcome.demands):
        chosen = np.flatnonzero([demand.kind == kind for demand in outcome.demands])
        judged[kind] = judge([each.take(chosen) for each in scored], outcome.take(chosen), bench.settings)
        sections[kind] = section(NAME.format(kind=kind), _TITLES[kind], judged[kind], bench.ours)
    if PARAPHRASE in sections:
        sentences = {kind: [each.sentence for each in outcome.demands if each.kind == kind] for kind in sections}
        same = np.array([sentences[TEMPLATE].index(template_of[each]) for each in sentences[PARAPHRASE]])
        pairs = zip(judged[PARAPHRASE], judged[TEMPLATE], strict=True)
        distances = {each.name: _distance(each, template, same) for each, template in pairs}
        sections[PARAPHRASE] = _with_distances(sections[PARAPHRASE], distances)
    return list(sections.values())


def _distance(paraphrases: JudgedDemand, templates: JudgedDemand, same: npt.NDArray[np.int64]) -> Figure | None:
    """Mean AUC of paraphrases minus that of their templates; several paraphrases of one template count as one.

    Args:
        paraphrases: B demands.
        templates: T demands.
        same: [B], the number of each paraphrase's template.
    """
    gaps = paraphrases.values[AUC] - templates.values[AUC][same]
    count = np.bincount(same)
    return figure((np.bincount(same, weights=gaps) / np.maximum(count, 1))[count > 0])


def _with_distances(paraphrases: Section, distances: dict[str, Figure | None]) -> Section:
    """Add the distances of scorers that read sentences; the others cannot tell a paraphrase from its template."""
    rows = []
    for row in paraphrases.rows:
        found = distances[row.scorer]
        reads = row.told == "sentence" and found is not None
        rows.append(row.model_copy(update={"figures": {**row.figures, MINUS_TEMPLATE: found}}) if reads else row)
    return paraphrases.model_copy(update={"rows": tuple(rows)})
