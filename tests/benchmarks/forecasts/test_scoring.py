from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.forecasts.demands import BenchmarkDemand
from benchmarks.forecasts.study import Scorer, Scores, Study, Told
from encoders.data.events import Dataset
from tests.benchmarks.forecasts.benchmark_doubles import Guesser, bench_of, by_chance

COFFEE, TEA = np.array([1, 2]), np.array([5])
ASKED = [
    BenchmarkDemand("tea", (TEA,)),
    BenchmarkDemand("coffee", (COFFEE,)),
    BenchmarkDemand("beans for the morning brew", (COFFEE,)),
    BenchmarkDemand("coffee but not tea", (COFFEE,), TEA),
    BenchmarkDemand("coffee and tea", (COFFEE, TEA)),
    BenchmarkDemand("tea, please", (TEA,)),
]


def scored_by(told: Told, data: Dataset, study: Study) -> tuple[list[str], Scores]:
    """What a scorer was asked, and the scores that came back: the number of each demand in what it was asked."""
    asked: list[str] = []

    def score(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
        asked.extend(demand.sentence for demand in demands)
        return np.tile(np.arange(len(demands), dtype=np.float64), (len(study.snapshot.histories.user_ids), 1))

    bench = bench_of(data, study, [Guesser("ours", by_chance)], [Scorer("one", told, score)])
    found, ours = bench.score(study, ASKED)
    assert (found.name, ours.name) == ("one", bench.ours)
    assert ours.scores.shape == found.scores.shape == (len(study.snapshot.histories.user_ids), len(ASKED))
    return asked, found.scores


def test_a_scorer_that_reads_sentences_is_asked_every_one(data: Dataset, study: Study) -> None:
    asked, scores = scored_by("sentence", data, study)
    assert asked == [demand.sentence for demand in ASKED]
    assert scores[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_scorer_that_is_told_the_items_is_asked_once_for_the_same_meaning(data: Dataset, study: Study) -> None:
    for told in ("categories", "labels"):
        asked, scores = scored_by(told, data, study)
        assert asked == ["tea", "coffee", "coffee but not tea", "coffee and tea"]
        assert scores[0].tolist() == [0, 1, 1, 2, 3, 0]


def test_taking_demands_keeps_chances_beside_scores(data: Dataset, study: Study) -> None:
    scored = Guesser("ours", by_chance).score(study, ASKED)
    few = scored.take(np.array([4, 0]))
    assert few.probabilities is not None
    assert scored.probabilities is not None
    np.testing.assert_array_equal(few.scores, scored.scores[:, [4, 0]])
    np.testing.assert_array_equal(few.probabilities, scored.probabilities[:, [4, 0]])
    assert replace(scored, probabilities=None).take(np.array([1])).probabilities is None
