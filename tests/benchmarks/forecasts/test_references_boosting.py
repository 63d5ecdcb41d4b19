from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from benchmarks.forecasts.demands import BenchmarkDemand, items_of, read_topics
from benchmarks.forecasts.references.boosting import boosting
from benchmarks.forecasts.references.simple import count_rule, ease_and_counts
from benchmarks.forecasts.study import Study, observe
from encoders.data.events import Dataset
from encoders.metrics import auc
from tests.benchmarks.forecasts.benchmark_doubles import study_of
from tests.planted import AS_OF, DAYS, FIRST, NOBODY, replace_events

CYCLE = 56


def demand(data: Dataset, *groups: str, but_not: str | None = None) -> BenchmarkDemand:
    """All of ``groups``, and none of ``but_not``."""
    topics = read_topics(data)
    wanted = tuple(items_of(topics, "group", [group]) for group in groups)
    if but_not is None:
        return BenchmarkDemand(" and ".join(groups), wanted)
    return BenchmarkDemand(f"{groups[0]} but not {but_not}", wanted, items_of(topics, "group", [but_not]))


@pytest.fixture(scope="module")
def cyclic(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Everybody buys wine every eight weeks, each on a day of her own, and bread all the time."""
    wine, bread = (int(demand(data, group).items[0]) for group in ("wine", "bread"))
    rng = np.random.default_rng(5)
    bought = [
        (f"h{user:03}", FIRST + timedelta(days=int(day)), item)
        for user in range(200)
        for item, days in (
            (wine, range(int(rng.integers(CYCLE)), DAYS, CYCLE)),
            (bread, np.flatnonzero(rng.random(DAYS) < 0.2)),
        )
        for day in days
    ]
    events = pl.DataFrame(bought, schema=["user_id", "time", "item_id"], orient="row").with_columns(
        source=pl.lit("purchases"), action=pl.lit("buy"), value=pl.lit(1.0)
    )
    return replace_events(data.folder, tmp_path_factory.mktemp("cyclic") / "data", events)


def test_it_learns_from_the_labels_of_the_demand_what_a_count_cannot_tell(cyclic: Dataset) -> None:
    """Who bought wine lately will not do so again soon."""
    study = study_of(cyclic)
    outcome = observe(cyclic, study.snapshot, [demand(cyclic, "wine")])
    responded = outcome.responded[:, 0]
    assert auc(count_rule(study, outcome.demands)[outcome.rows, 0], responded) < 0.3
    assert auc(boosting(study, outcome.demands)[outcome.rows, 0], responded) > 0.95


def test_it_finds_newcomers(data: Dataset, study: Study) -> None:
    """Diapers come weeks before the first baby food."""
    outcome = observe(data, study.snapshot, [demand(data, "baby food")])
    newcomers = outcome.newcomer[:, 0]
    scores = boosting(study, outcome.demands)[outcome.rows, 0]
    assert auc(scores[newcomers], outcome.responded[newcomers, 0]) > 0.85


def test_both_and_but_not_are_learned_as_such(data: Dataset, study: Study) -> None:
    asked = [demand(data, "laundry", "coffee"), demand(data, "laundry", but_not="coffee")]
    outcome = observe(data, study.snapshot, asked)
    assert len(outcome.demands) == 2
    laundry = boosting(study, [demand(data, "laundry")])[outcome.rows, 0]
    scores = boosting(study, asked)[outcome.rows]
    for number in range(2):
        responded = outcome.responded[:, number]
        assert auc(scores[:, number], responded) > auc(laundry, responded) + 0.05


def test_without_responders_in_the_past_it_is_ease_and_own_counts(data: Dataset, study: Study) -> None:
    coffee = demand(data, "coffee")
    demands = [coffee, demand(data, NOBODY), demand(data, "laundry", NOBODY), demand(data, "coffee", but_not=NOBODY)]
    scores = boosting(study, demands)
    for number in (1, 2):
        np.testing.assert_allclose(scores[:, number], ease_and_counts(study, [demands[number]])[:, 0])
    assert spearmanr(scores[:, 3], scores[:, 0]).statistic > 0.95
    assert np.isfinite(scores).all()


def test_the_same_study_gives_the_same_scores_and_nothing_later_is_read(
    data: Dataset, study: Study, tmp_path: Path
) -> None:
    demands = [demand(data, "coffee"), demand(data, "tea", "milk")]
    scores = boosting(study, demands)
    np.testing.assert_array_equal(boosting(study, demands), scores)
    today = datetime.combine(AS_OF, datetime.min.time())
    earlier = pl.read_parquet(data.folder / "events.parquet").filter(pl.col("time") < today)
    blind = study_of(replace_events(data.folder, tmp_path / "data", earlier))
    np.testing.assert_array_equal(boosting(blind, demands), scores)
