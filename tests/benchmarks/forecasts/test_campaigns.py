from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmarks.forecasts.demands import BenchmarkDemand
from benchmarks.forecasts.judging import AHEAD, AUC
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import Scorer, Scores, Study
from benchmarks.forecasts.tasks.campaigns import CAMPAIGN_ITEMS, CAMPAIGNS, STARTS_WITHIN, campaigns, redeemed_before
from encoders.data.events import Dataset
from tests.benchmarks.forecasts.benchmark_doubles import Guesser, bench_of, by_chance, reference
from tests.planted import AS_OF

START = AS_OF + timedelta(days=5)
MAILED = [f"h{number:03}" for number in range(40, 240)]
REDEEMED = [f"h{number:03}" for number in range(40, 240, 4)]


def campaign(name: str, start: date, redeemed: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": MAILED}).select(
        campaign=pl.lit(name),
        start=pl.lit(start),
        end=pl.lit(start + timedelta(days=20)),
        source=pl.lit("coupons"),
        words=pl.lit("coffee"),
        user_id="user_id",
        redeemed=pl.col("user_id").is_in(redeemed),
    )


def add_campaigns(dataset: Dataset, *mailed: pl.DataFrame) -> Dataset:
    pl.concat(mailed).write_parquet(dataset.folder / CAMPAIGNS)
    coffee = dataset.items.filter(source="purchases", group="coffee").select("item_id")
    names = pl.concat(mailed).select("campaign").unique()
    coffee.join(names, how="cross").write_parquet(dataset.folder / CAMPAIGN_ITEMS)
    return dataset


def knows(study: Study, demand: BenchmarkDemand) -> NDArray[np.float64]:
    return np.isin(study.snapshot.histories.user_ids, REDEEMED).astype(np.float64)


def measured(dataset: Dataset, study: Study, *more: Scorer) -> Section | None:
    ours = [Guesser("ours", knows)]
    return campaigns(bench_of(dataset, study, ours, [reference("by chance", by_chance), *more]))


def test_who_knows_who_will_redeem_gets_everything(own_data: Dataset, study: Study) -> None:
    section = measured(add_campaigns(own_data, campaign("7", START, REDEEMED)), study)
    assert section
    figures = {row.scorer: row.figures for row in section.rows}
    assert figures["ours"][AUC].value == figures["ours"]["campaign 7"].value == 1.0
    assert figures["by chance"][AUC].value == pytest.approx(0.5, abs=0.12)
    ahead = figures["by chance"][AHEAD]
    assert ahead.value == pytest.approx(1.0 - figures["by chance"][AUC].value)
    assert 0 < ahead.low < ahead.value < ahead.high
    assert AHEAD not in figures["ours"]
    assert "redeemed coupons before" in figures


def test_a_campaign_is_scored_as_of_its_first_day_and_about_its_own_items(own_data: Dataset, study: Study) -> None:
    seen: list[tuple[Study, BenchmarkDemand]] = []

    def spy(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
        seen.extend((study, demand) for demand in demands)
        return np.zeros((len(study.snapshot.histories.user_ids), len(demands)))

    dataset = add_campaigns(own_data, campaign("7", START, REDEEMED))
    measured(dataset, study, Scorer("spy", "sentence", spy))
    [(given, demand)] = seen
    histories = given.snapshot.histories
    assert histories.past.as_of == START
    days = dataset.before(START).events().select("user_id", "item_id", pl.col("time").dt.date()).unique().collect()
    assert histories.counts[-1].sum() == len(days)
    assert given.examples is study.examples
    assert demand.sentence == "households that will redeem a coupon for coffee"
    coffee = dataset.items.filter(source="purchases", group="coffee")["item_id"]
    assert sorted(demand.items) == sorted(coffee)


def test_only_campaigns_that_start_in_the_month_and_are_redeemed_count(own_data: Dataset, study: Study) -> None:
    dataset = add_campaigns(
        own_data,
        campaign("early", AS_OF - timedelta(days=1), REDEEMED),
        campaign("late", AS_OF + timedelta(days=STARTS_WITHIN), REDEEMED),
        campaign("loved by few", START, REDEEMED[:10]),
        campaign("loved by all", START, MAILED),
        campaign("first day", AS_OF, REDEEMED),
    )
    section = measured(dataset, study)
    assert section
    assert section.demands == 1
    assert [column for column in section.columns if column.startswith("campaign")] == ["campaign first day"]


def test_without_campaigns_there_is_nothing_to_say(own_data: Dataset, study: Study) -> None:
    assert measured(own_data, study) is None
    old = add_campaigns(own_data, campaign("old", AS_OF - timedelta(days=60), REDEEMED))
    assert measured(old, study) is None


def test_those_who_redeemed_before_come_first(data: Dataset, study: Study) -> None:
    coupons = data.items.filter(source="coupons")["item_id"].to_numpy().astype(np.int64)
    scorer = redeemed_before(coupons)
    scores = scorer.score(study, [BenchmarkDemand("x", (np.array([0]),))])[:, 0]
    times = np.asarray(study.snapshot.histories.counts[-1][:, coupons].sum(axis=1)).ravel()
    assert np.corrcoef(scores, np.log1p(times))[0, 1] > 0.9
    assert scores[times > 3].min() > np.median(scores[times == 0])
