from dataclasses import replace

import numpy as np
import pytest

from benchmarks.forecasts import judging
from benchmarks.forecasts.demands import BenchmarkDemand, category_demands
from benchmarks.forecasts.judging import (
    AHEAD,
    AUC,
    COUNT_CLOSE,
    COUNT_ERROR,
    COVERAGE,
    ECE,
    KS,
    LIFTS,
    PRECISION,
    RECALL,
    JudgedDemand,
    judge,
    recommended_sizes,
)
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import DemandOutcome, Scored, Study, observe
from benchmarks.forecasts.tasks.first_time import FEWEST, first_time
from benchmarks.forecasts.tasks.held_out import GAP, HELD_OUT, SEEN, held_out
from encoders.data.events import Dataset
from tests.benchmarks.forecasts.benchmark_doubles import Guesser, bench_of, by_chance, knowing, reference

OURS, CHANCE, HALF = "ours", "by chance", "knows half"


@pytest.fixture(scope="module")
def outcome(data: Dataset, study: Study) -> DemandOutcome:
    return observe(data, study.snapshot, category_demands(data, 7))


@pytest.fixture(scope="module")
def scored(data: Dataset, study: Study, outcome: DemandOutcome) -> list[Scored]:
    """Ours knows everything; one reference nothing, the other the truth of every second user."""
    truth = knowing(data)

    def half(study: Study, demand: BenchmarkDemand) -> np.ndarray:
        known = np.arange(len(study.snapshot.histories.user_ids)) % 2 == 0
        return np.where(known, truth(study, demand), 0.5 * by_chance(study, demand))

    bench = bench_of(data, study, [Guesser(OURS, truth)], [reference(CHANCE, by_chance), reference(HALF, half)])
    return bench.score(study, outcome.demands)


@pytest.fixture(scope="module")
def judged(data: Dataset, study: Study, scored: list[Scored], outcome: DemandOutcome) -> list[JudgedDemand]:
    return judge(scored, outcome, bench_of(data, study, []).settings)


@pytest.fixture(scope="module")
def section(judged: list[JudgedDemand]) -> Section:
    return judging.section("demands", "All", judged, OURS)


def test_who_knows_the_truth_gets_everything(section: Section, outcome: DemandOutcome) -> None:
    figures = next(row.figures for row in section.rows if row.scorer == OURS)
    assert (figures[AUC].value, figures[KS].value) == (1.0, 1.0)
    assert figures[ECE].value == pytest.approx(0.001, abs=0.001)
    assert figures[COUNT_ERROR].value < 0.05
    assert figures[COUNT_CLOSE].value == figures[COVERAGE].value == 1.0
    rates = outcome.responded.mean(0)
    for name, share in LIFTS.items():
        best = [min(1.0, rate * len(outcome.rows) / max(1, int(share * len(outcome.rows)))) / rate for rate in rates]
        assert figures[name].value == pytest.approx(np.mean(best))
    assert figures[RECALL].value == 1.0
    assert [each.responders for each in section.results] == outcome.responded.sum(0).tolist()
    assert all(each.auc == 1.0 and abs(each.expected - each.responders) < 1 for each in section.results)
    assert 0.8 < figures[PRECISION].value <= 1.0  # an audience has at least twenty users, responders or not


def test_who_knows_nothing_gets_what_chance_gives(section: Section) -> None:
    figures = next(row.figures for row in section.rows if row.scorer == CHANCE)
    assert figures[AUC].value == pytest.approx(0.5, abs=0.04)
    assert figures[AUC].low < 0.5 < figures[AUC].high
    assert figures["lift@10 %"].value == pytest.approx(1.0, abs=0.35)
    assert ECE not in figures


def test_the_distance_from_ours_has_the_right_sign_and_is_paired(section: Section, judged: list[JudgedDemand]) -> None:
    ours, half, ahead = section.figure(OURS, AUC), section.figure(HALF, AUC), section.figure(HALF, AHEAD)
    assert ours
    assert half
    assert ahead
    assert section.figure(OURS, AHEAD) is None
    assert ahead.value == pytest.approx(ours.value - half.value)
    assert 0 < ahead.low <= ahead.value <= ahead.high
    behind = judging.section("demands", "All", judged, HALF).figure(OURS, AHEAD)
    assert behind
    assert (behind.value, behind.low, behind.high) == pytest.approx((-ahead.value, -ahead.high, -ahead.low), abs=0.01)


def test_every_scorer_is_cut_where_ours_recommends(scored: list[Scored], outcome: DemandOutcome) -> None:
    sizes = recommended_sizes(scored, outcome, smallest=20)
    assert sizes == [max(20, int(responders)) for responders in outcome.responded.sum(0)]
    assert recommended_sizes(scored, outcome, smallest=150) == [
        max(150, int(responders)) for responders in outcome.responded.sum(0)
    ]


def test_first_time_looks_at_newcomers_only(scored: list[Scored], outcome: DemandOutcome) -> None:
    section = first_time(scored, outcome, 7, OURS)
    figure = section.figure(OURS, AUC)
    assert figure
    assert figure.value == 1.0
    usual = [each for each in scored if each.name != OURS]
    owners = replace(usual[0], name=OURS, scores=np.zeros_like(usual[0].scores))
    owners.scores[outcome.rows] = ~outcome.newcomer
    flat = first_time([owners, *usual], outcome, 7, OURS).figure(OURS, AUC)
    assert flat
    assert flat.value == 0.5, "a rule on own events knows nothing of those who have none"
    enough = ((outcome.responded & outcome.newcomer).sum(0) >= FEWEST).sum()
    assert 0 < section.demands == enough < len(outcome.demands)


def test_held_out_demands_are_set_against_the_others(judged: list[JudgedDemand], outcome: DemandOutcome) -> None:
    held = np.array([demand.held_out for demand in outcome.demands])
    assert 0 < held.sum() < len(held)
    worse_on_held = [replace(each, values={AUC: np.where(held, 0.6, 0.8)}) for each in judged]
    section = held_out(worse_on_held, outcome)
    found = [section.figure(OURS, column) for column in (HELD_OUT, SEEN, GAP)]
    assert [figure.value for figure in found if figure] == pytest.approx([0.6, 0.8, -0.2])
    assert section.demands == held.sum()
