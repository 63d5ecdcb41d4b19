"""The wording demands of the grocery data: well formed, about products that exist, and bought by enough households."""

import json
from collections import Counter
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
import pytest
from pydantic import BaseModel, ConfigDict, Field

from encoders.data import completejourney
from encoders.data.completejourney import words

Kind = Literal["paraphrase", "plain", "conjunction", "negation", "granularity"]
LEVELS = ["department", "product_category", "product_type"]
FEWEST_OF_A_KIND: dict[Kind, int] = {
    "paraphrase": 60,
    "plain": 30,
    "conjunction": 20,
    "negation": 20,
    "granularity": 30,
}
EDGE = 25
SENTENCES = Path(__file__).parents[3] / "benchmarks" / "sentences"


class Part(BaseModel):
    """Products by what they are called at one level of the product table."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["department", "product_category", "product_type"]
    topics: list[str] = Field(min_length=1)

    def match(self) -> pl.Expr:
        return pl.col(self.level).is_in(self.topics)


class Wording(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z]+(-[a-z]+)+$")
    kind: Kind
    sentence: str = Field(min_length=5, max_length=160)
    all_of: list[Part] = Field(min_length=1)
    none_of: Part | None
    template: str | None

    @property
    def parts(self) -> list[Part]:
        return self.all_of + ([self.none_of] if self.none_of else [])


class Journey(NamedTuple):
    """The tables of the package: what was sold, who is counted, and what they bought in the 28 days from 2017-08-01."""

    products: pl.DataFrame
    population: int
    bought: pl.DataFrame


@pytest.fixture(scope="module")
def demands() -> list[Wording]:
    text = files("benchmarks.forecasts").joinpath("wording/completejourney.jsonl").read_text("utf-8")
    return [Wording.model_validate_json(line, strict=True) for line in text.splitlines()]


@pytest.fixture(scope="module")
def journey() -> Journey:
    products = completejourney.package_table("products").select("product_id", *LEVELS)
    as_of = datetime(2017, 8, 1)
    lines = completejourney.package_table("transactions").select(
        "household_id", "product_id", time="transaction_timestamp"
    )
    active = lines.filter(pl.col("time").is_between(datetime(2017, 5, 2), as_of, closed="left"))
    population = active.select("household_id").unique()
    later = lines.filter(pl.col("time").is_between(as_of, datetime(2017, 8, 29), closed="left"))
    bought = later.join(population, on="household_id", how="semi").join(products, on="product_id")
    return Journey(
        products.select(LEVELS).unique().collect(),
        population.collect().height,
        bought.select("household_id", *LEVELS).unique().collect(),
    )


def test_ids_and_sentences_are_told_apart(demands: list[Wording]) -> None:
    assert [id for id, count in Counter(demand.id for demand in demands).items() if count > 1] == []
    said = Counter(demand.sentence.lower() for demand in demands)
    assert [sentence for sentence, count in said.items() if count > 1] == []
    assert [demand.id for demand in demands if not demand.id.startswith(f"{demand.kind}-")] == []
    assert [demand.id for demand in demands if demand.sentence != " ".join(demand.sentence.split())] == []


def test_no_sentence_is_one_of_those_in_the_benchmarks_folder(demands: list[Wording]) -> None:
    lines = [line for file in SENTENCES.iterdir() for line in file.read_text("utf-8").splitlines()]
    others = {json.loads(line)["sentence"].lower() for line in lines}
    assert len(others) == 300
    assert [demand.id for demand in demands if demand.sentence.lower() in others] == []


def test_there_are_enough_of_every_kind(demands: list[Wording]) -> None:
    counts = Counter(demand.kind for demand in demands)
    assert {kind: counts[kind] for kind, fewest in FEWEST_OF_A_KIND.items() if counts[kind] < fewest} == {}


def test_a_kind_is_what_its_truth_says(demands: list[Wording]) -> None:
    for demand in demands:
        assert (len(demand.all_of) > 1) == (demand.kind == "conjunction"), demand.id
        assert (demand.none_of is not None) == (demand.kind == "negation"), demand.id
        assert (demand.template is not None) == (demand.kind == "paraphrase"), demand.id


def test_every_topic_exists_and_is_named_once(demands: list[Wording], journey: Journey) -> None:
    known = {level: set(journey.products[level].drop_nulls()) for level in LEVELS}
    for demand in demands:
        for part in demand.parts:
            assert set(part.topics) <= known[part.level], demand.id
            assert len(set(part.topics)) == len(part.topics), demand.id


def test_a_paraphrase_and_its_template_are_about_one_category(demands: list[Wording], journey: Journey) -> None:
    paraphrases = [demand for demand in demands if demand.kind == "paraphrase"]
    written = words()
    for demand in paraphrases:
        [part] = demand.all_of
        assert (part.level, len(part.topics)) == ("product_category", 1), demand.id
        groups = {written.group(*row) for row in journey.products.filter(part.match()).select(LEVELS).iter_rows()}
        assert {f"households that will buy {group}" for group in groups} == {demand.template}, demand.id
        assert demand.sentence != demand.template
    assert len({demand.all_of[0].topics[0] for demand in paraphrases}) == len(paraphrases)


def test_every_demand_has_enough_responders_and_not_everybody(demands: list[Wording], journey: Journey) -> None:
    outside = {}
    for demand in demands:
        responders = journey.bought.select("household_id").unique()
        for part in demand.all_of:
            responders = responders.join(journey.bought.filter(part.match()), on="household_id", how="semi")
        if demand.none_of:
            responders = responders.join(journey.bought.filter(demand.none_of.match()), on="household_id", how="anti")
        if not EDGE <= responders.height <= journey.population - EDGE:
            outside[demand.id] = responders.height
    assert outside == {}
