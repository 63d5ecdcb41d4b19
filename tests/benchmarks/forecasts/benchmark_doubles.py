"""Scorers that know everything or nothing, and the planted world as a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.forecasts.demands import BenchmarkDemand
from benchmarks.forecasts.study import Bench, Scored, Scorer, Scores, Study
from encoders.data.events import Dataset
from encoders.model.users import read_snapshot, read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.labels import read_examples
from encoders.workspace import Workspace, silent
from tests.planted import AS_OF, world_settings

Guess = Callable[[Study, BenchmarkDemand], npt.NDArray[np.float64]]
"""[N] scores of one demand."""


@dataclass(frozen=True)
class Guesser:
    """Stands for a version of our model: its chances are its guesses."""

    name: str
    guess: Guess
    version: str = "guessed"

    def score(self, study: Study, demands: Sequence[BenchmarkDemand]) -> Scored:
        scores = all_guesses(self.guess, study, demands)
        return Scored(self.name, "sentence", scores, np.clip(scores, 0.001, 0.999), np.full(len(demands), 0.1))


def all_guesses(guess: Guess, study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    return np.stack([guess(study, demand) for demand in demands], axis=1)


def reference(name: str, guess: Guess) -> Scorer:
    return Scorer(name, "sentence", lambda study, demands: all_guesses(guess, study, demands))


def by_chance(study: Study, demand: BenchmarkDemand) -> npt.NDArray[np.float64]:
    return np.random.default_rng(len(demand.sentence)).random(len(study.snapshot.histories.user_ids))


def knowing(dataset: Dataset) -> Guess:
    """Knows what will happen: one for those who will respond, zero for the others."""

    def guess(study: Study, demand: BenchmarkDemand) -> npt.NDArray[np.float64]:
        histories = study.snapshot.histories
        future = set(dataset.outcome(histories.past.as_of).select("user_id", "item_id").iter_rows())

        def did(user: str, items: npt.NDArray[np.int64]) -> bool:
            return any((user, int(item)) in future for item in items)

        found = [
            all(did(user, items) for items in demand.all_of) and not did(user, demand.none_of)
            for user in histories.user_ids
        ]
        return np.array(found, np.float64)

    return guess


def study_of(dataset: Dataset) -> Study:
    """The planted world as of its date, with two earlier windows."""
    encoder = text_encoder("use")
    vocabulary = read_vocabulary(dataset, encoder, Workspace(dataset.folder.parent))
    past = dataset.before(AS_OF)
    return Study(
        snapshot=read_snapshot(past, vocabulary, encoder),
        examples=read_examples(past, vocabulary, encoder, count=2),
        allowed=np.ones(len(vocabulary.texts), bool),
        encoder=encoder,
        minilm=encoder,
        seed=7,
    )


def bench_of(dataset: Dataset, study: Study, ours: Sequence[Guesser], references: Sequence[Scorer] = ()) -> Bench:
    return Bench(dataset, world_settings(dataset.folder.parent), study, references, ours, silent)
