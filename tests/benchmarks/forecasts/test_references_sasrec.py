from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import torch

from benchmarks.forecasts.demands import BenchmarkDemand, items_of, read_topics
from benchmarks.forecasts.references.sasrec import LENGTH, Network, sasrec, sasrec_and_counts, trained_network
from benchmarks.forecasts.references.simple import count_rule
from benchmarks.forecasts.study import Study, observe
from encoders.data.events import Dataset
from encoders.metrics import auc
from encoders.model.users import read_snapshot
from tests.benchmarks.forecasts.benchmark_doubles import study_of
from tests.planted import AS_OF, DAYS, FIRST, replace_events


def demand(data: Dataset, group: str) -> BenchmarkDemand:
    return BenchmarkDemand(group, (items_of(read_topics(data), "group", [group]),))


@pytest.fixture(scope="module")
def lagging(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Whoever buys beer buys chocolate four weeks later, and only then; bread is bought all the time."""
    beer, chocolate, bread = (int(demand(data, group).items[0]) for group in ("beer", "chocolate", "bread"))
    rng = np.random.default_rng(5)
    bought = []
    for user in range(200):
        days = np.flatnonzero(rng.random(DAYS) < 0.02)
        for item, on in ((beer, days), (chocolate, days + 28), (bread, np.flatnonzero(rng.random(DAYS) < 0.2))):
            bought += [(f"h{user:03}", FIRST + timedelta(days=int(day)), item) for day in on if day < DAYS]
    events = pl.DataFrame(bought, schema=["user_id", "time", "item_id"], orient="row").with_columns(
        source=pl.lit("purchases"), action=pl.lit("buy"), value=pl.lit(1.0)
    )
    return replace_events(data.folder, tmp_path_factory.mktemp("lagging") / "data", events)


@pytest.fixture(scope="module")
def late(lagging: Dataset) -> Study:
    return study_of(lagging)


def test_it_learns_what_follows_what(lagging: Dataset, late: Study) -> None:
    outcome = observe(lagging, late.snapshot, [demand(lagging, "chocolate")])
    responded = outcome.responded[:, 0]
    assert auc(count_rule(late, outcome.demands)[outcome.rows, 0], responded) < 0.7
    assert auc(sasrec(late, outcome.demands)[outcome.rows, 0], responded) > 0.9


def test_with_own_counts_it_also_finds_the_owners_of_a_habit(data: Dataset, study: Study) -> None:
    outcome = observe(data, study.snapshot, [demand(data, "dog food")])
    scores = sasrec_and_counts(study, outcome.demands)[outcome.rows, 0]
    assert auc(scores, outcome.responded[:, 0]) > 0.8


def test_a_week_is_read_without_those_after_it() -> None:
    """Causal: training forecasts what follows every week, so a week must not see what follows."""
    network = Network(np.zeros(5, np.int64), np.full(5, 0.1)).eval()
    weeks = LENGTH
    bags = np.random.default_rng(5).integers(0, 2, (weeks, 5)).astype(np.float32)
    other = bags.copy()
    other[weeks // 2] = 1 - other[weeks // 2]
    with torch.no_grad():
        states, changed = (network(sp.csr_matrix(each))[0] for each in (bags, other))
    differs = (states - changed).abs().max(1).values > 1e-6
    assert not differs[: weeks // 2].any()
    assert differs[weeks // 2 :].all()


def test_one_training_serves_every_list_of_demands(late: Study, lagging: Dataset) -> None:
    trained_network.cache_clear()
    demands = [demand(lagging, group) for group in ("chocolate", "beer", "bread")]
    together = sasrec(late, demands)
    for number, one in enumerate(demands):
        np.testing.assert_allclose(sasrec(late, [one])[:, 0], together[:, number])
    assert trained_network.cache_info().misses == 1


def test_the_seed_decides_and_nothing_later_is_read(lagging: Dataset, late: Study, tmp_path: Path) -> None:
    demands = [demand(lagging, "chocolate")]
    scores = sasrec(late, demands)
    today = datetime.combine(AS_OF, datetime.min.time())
    earlier = pl.read_parquet(lagging.folder / "events.parquet").filter(pl.col("time") < today)
    blind = study_of(replace_events(lagging.folder, tmp_path / "data", earlier))
    np.testing.assert_array_equal(sasrec(blind, demands), scores)
    assert not np.allclose(sasrec(replace(late, seed=8), demands), scores)


def test_of_a_snapshot_after_the_date_of_the_study_only_the_users_are_new(lagging: Dataset, late: Study) -> None:
    """A campaign is scored as of its first day by a network that was trained before."""
    trained_network.cache_clear()
    demands = [demand(lagging, "chocolate")]
    scores = sasrec(late, demands)
    later = read_snapshot(lagging.before(AS_OF + timedelta(days=7)), late.snapshot.vocabulary, late.encoder)
    assert not np.allclose(sasrec(replace(late, snapshot=later), demands)[: len(scores)], scores)
    assert trained_network.cache_info().misses == 1
