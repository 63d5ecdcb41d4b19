"""Every scorer on one list of demands."""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.benchmark.demands import BenchmarkDemand
from encoders.benchmark.study import Ours, Scored, Scorer, Scores, Study
from encoders.history.events import Dataset
from encoders.settings import Settings
from encoders.workspace import Progress


@dataclass(frozen=True)
class Bench:
    """Everything that the tasks share."""

    dataset: Dataset
    settings: Settings
    study: Study
    """As of the date of the report."""
    references: Sequence[Scorer]
    variants: Sequence[Ours]
    """Ours first, then others that it is compared with."""
    progress: Progress

    @property
    def ours(self) -> str:
        """Name of the scorer that all others are compared with."""
        return self.variants[0].name

    def score(self, study: Study, demands: Sequence[BenchmarkDemand], more: Sequence[Scorer] = ()) -> list[Scored]:
        """Ask every reference, then ``more``, then every variant of ours."""
        scorers = [*self.references, *more]
        scored = []
        for number, scorer in enumerate(scorers):
            self.progress(f"Scoring: {scorer.name}", number / len(scorers))
            scored.append(Scored(scorer.name, scorer.told, _reference(scorer, study, demands)))
        for variant in self.variants:
            self.progress(f"Scoring: {variant.name}", None)
            scored.append(variant.score(study, demands))
        return scored


def _reference(scorer: Scorer, study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Scores of all demands; one that does not read sentences is asked once for demands that mean the same."""
    if scorer.told == "sentence":
        return scorer.score(study, demands)
    meant = [(*(items.tobytes() for items in demand.all_of), b"not", demand.none_of.tobytes()) for demand in demands]
    first = {key: number for number, key in reversed(list(enumerate(meant)))}
    asked = sorted(first.values())
    scores = scorer.score(study, [demands[number] for number in asked])
    column = {number: place for place, number in enumerate(asked)}
    return scores[:, [column[first[key]] for key in meant]]
