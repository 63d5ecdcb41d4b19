from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.forecasts.demands import BenchmarkDemand, category_demands, items_of, read_topics
from benchmarks.forecasts.references import references, simple
from benchmarks.forecasts.study import Scorer, Scores, Study, observe
from encoders.data.events import Dataset
from encoders.metrics import auc
from encoders.model.users import read_snapshot
from tests.planted import AS_OF, replace_events

Score = Callable[[Study, Sequence[BenchmarkDemand]], Scores]
REFERENCES = [scorer for scorer in references() if scorer.told != "labels"]


@pytest.fixture(scope="module")
def demands(data: Dataset) -> list[BenchmarkDemand]:
    return category_demands(data, 7)


def named(data: Dataset, name: str) -> np.ndarray:
    return items_of(read_topics(data), "group", [name])


@pytest.mark.parametrize("scorer", REFERENCES, ids=lambda scorer: scorer.name)
def test_a_reference_scores_all_users_and_follows_nobody_into_the_future(
    scorer: Scorer, data: Dataset, study: Study, demands: list[BenchmarkDemand], tmp_path: Path
) -> None:
    scores = scorer.score(study, demands)
    assert scores.shape == (len(study.snapshot.histories.user_ids), len(demands))
    assert np.isfinite(scores).all()
    today = datetime.combine(AS_OF, datetime.min.time())
    earlier = pl.read_parquet(data.folder / "events.parquet").filter(pl.col("time") < today)
    past = replace_events(data.folder, tmp_path / "past", earlier).before(AS_OF)
    alone = replace(study, snapshot=read_snapshot(past, study.snapshot.vocabulary, study.encoder))
    np.testing.assert_array_equal(scorer.score(alone, demands), scores)


@pytest.mark.parametrize("score", [simple.count_rule, simple.ease_and_counts])
def test_own_counts_find_the_owners_of_a_habit(data: Dataset, study: Study, score: Score) -> None:
    outcome = observe(data, study.snapshot, [BenchmarkDemand("dogs", (named(data, "dog food"),))])
    scores = score(study, outcome.demands)[outcome.rows]
    assert auc(scores[:, 0], outcome.responded[:, 0]) > 0.8


def test_profile_text_reads_the_sentence(data: Dataset, study: Study) -> None:
    dogs = BenchmarkDemand("households that will buy dog food", (named(data, "tea"),))
    outcome = observe(data, study.snapshot, [replace(dogs, all_of=(named(data, "dog food"),))])
    scores = simple.profile_text(study, [dogs])[outcome.rows]
    assert auc(scores[:, 0], outcome.responded[:, 0]) > 0.65


def test_ease_on_a_group_is_the_textbook_formula(data: Dataset, study: Study) -> None:
    topics = read_topics(data)
    parts = [np.array(items, np.int64) for items in topics["items"]]
    counts = study.snapshot.histories.counts[-1].toarray().astype(np.float64)
    logged = np.log1p(np.stack([counts[:, items].sum(1) for items in parts], axis=1))
    inverse = np.linalg.inv(logged.T @ logged + 1000.0 * np.eye(len(parts)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    demands = [BenchmarkDemand(name, (items,)) for name, items in zip(topics["topic"], parts, strict=True)]
    found = simple.ease(study, demands)
    np.testing.assert_allclose(found, logged @ weights, atol=1e-8)


def test_ease_leaves_out_own_events_of_any_part_of_a_group(data: Dataset, study: Study) -> None:
    one = named(data, "coffee")[:1]
    counts = study.snapshot.histories.counts[-1]
    only_coffee = np.flatnonzero(np.diff(counts[:, np.setdiff1d(np.arange(counts.shape[1]), one)].indptr) == 0)
    scores = simple.ease(study, [BenchmarkDemand("one", (one,)), BenchmarkDemand("all", (named(data, "coffee"),))])
    assert (scores[only_coffee] == 0).all()
    assert np.corrcoef(scores[:, 0], scores[:, 1]).min() > 0.5


@pytest.mark.parametrize("score", [simple.count_rule, simple.ease, simple.ease_and_counts])
def test_a_demand_of_one_part_keeps_its_scores_beside_longer_ones(data: Dataset, study: Study, score: Score) -> None:
    coffee, tea = named(data, "coffee"), named(data, "tea")
    alone = score(study, [BenchmarkDemand("coffee", (coffee,))])
    mixed = score(study, [BenchmarkDemand("both", (coffee, tea)), BenchmarkDemand("coffee", (coffee,))])
    np.testing.assert_allclose(mixed[:, 1], alone[:, 0])


@pytest.mark.parametrize("score", [simple.count_rule, simple.ease_and_counts])
def test_both_and_but_not_are_better_than_the_first_part_alone(data: Dataset, study: Study, score: Score) -> None:
    laundry, coffee = named(data, "laundry"), named(data, "coffee")
    asked = [BenchmarkDemand("both", (laundry, coffee)), BenchmarkDemand("but not", (laundry,), coffee)]
    outcome = observe(data, study.snapshot, asked)
    assert len(outcome.demands) == 2
    first = score(study, [BenchmarkDemand("laundry", (laundry,))])[outcome.rows, 0]
    whole = score(study, asked)[outcome.rows]
    for number in range(2):
        responded = outcome.responded[:, number]
        assert auc(whole[:, number], responded) > auc(first, responded)
