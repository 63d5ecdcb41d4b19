"""``python -m benchmarks.evaluate``: every scorer, every question, one run.

Our model is trained for the benchmark on no event on or after the as-of date, and no label names a held-out item.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from benchmarks.forecasts.demands import category_demands
from benchmarks.forecasts.judging import judge
from benchmarks.forecasts.references import references
from benchmarks.forecasts.report import Report, Section
from benchmarks.forecasts.study import (
    EDGE,
    STANDARD,
    Bench,
    DemandOutcome,
    Scorer,
    Study,
    Variant,
    observe,
    train_variant,
    withheld_items,
)
from benchmarks.forecasts.tasks.campaigns import campaigns
from benchmarks.forecasts.tasks.categories import all_demands
from benchmarks.forecasts.tasks.few_shot import few_shot
from benchmarks.forecasts.tasks.first_time import first_time
from benchmarks.forecasts.tasks.held_out import held_out
from benchmarks.forecasts.tasks.wording import read_wording, wording, wording_file
from encoders.data.events import HORIZON_DAYS, Dataset, Past
from encoders.errors import DataError
from encoders.model.users import read_snapshot, read_vocabulary
from encoders.reader import open_reader
from encoders.settings import Settings
from encoders.text.encoders import text_encoder
from encoders.training.fit import Recipe
from encoders.training.labels import read_examples
from encoders.workspace import Progress, Workspace, silent


def evaluate(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None = None,
    progress: Progress = silent,
    variants: Sequence[tuple[str, Recipe]] = STANDARD,
    guests: Sequence[Variant] = (),
) -> Report:
    """Train without the held-out topics, then put every question to every scorer.

    Args:
        workspace: holds the prepared data.
        settings: names the text encoder and the seed.
        as_of: without a date, the data set's own is taken, or the last one whose horizon is over.
        progress: told what is being done.
        variants: names and recipes of our model, ours first; all are trained alike and stand side by side.
        guests: models that were trained on other data only.

    Raises:
        DataError: the horizon after the as-of date is not over in the data, or there is nothing to measure.
    """
    bench, outcome, ours = _bench(workspace, settings, as_of, references(), variants, guests, progress)
    sections = [
        *_categories(bench, outcome),
        *_wording(bench),
        *few_shot(bench.study, ours.forecaster(bench.study), outcome, progress=progress),
        *_campaigns(bench),
    ]
    return _report(bench, sections)


def ablate(
    workspace: Workspace,
    settings: Settings,
    as_of: date,
    variants: Sequence[tuple[str, Recipe]],
    progress: Progress = silent,
) -> Report:
    """Put versions of our model side by side on the topics of the data and their wordings, without any reference."""
    bench, outcome, _ = _bench(workspace, settings, as_of, (), variants, (), progress)
    return _report(bench, (*_categories(bench, outcome), *_wording(bench)))


def _bench(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None,
    scorers: Sequence[Scorer],
    variants: Sequence[tuple[str, Recipe]],
    guests: Sequence[Variant],
    progress: Progress,
) -> tuple[Bench, DemandOutcome, Variant]:
    """Read the data once, train every variant on it, and see what became of its topics; the variant is the first."""
    dataset = Dataset.current(workspace)
    latest = dataset.card.last + timedelta(days=1 - HORIZON_DAYS)
    past = dataset.before(as_of or min(dataset.card.default_as_of, latest))
    dataset.outcome(past.as_of, HORIZON_DAYS)
    demands = category_demands(dataset, settings.seed)
    withheld = withheld_items(demands)
    study = read_study(workspace, settings, past, withheld, variants[0][1].windows, progress)
    outcome = observe(dataset, study.snapshot, demands)
    if not outcome.demands:
        raise DataError(f"No topic has {EDGE} responders and {EDGE} others after {past.as_of}; nothing to measure.")
    trained = [train_variant(workspace, settings, study.examples, past, *each, withheld, progress) for each in variants]
    return Bench(dataset, settings, study, scorers, [*trained, *guests], progress), outcome, trained[0]


def _report(bench: Bench, sections: Sequence[Section]) -> Report:
    card, histories = bench.dataset.card, bench.study.snapshot.histories
    return Report(
        data=card.name,
        title=card.title,
        note=card.note,
        as_of=histories.past.as_of,
        horizon_days=HORIZON_DAYS,
        population=int(histories.in_population.sum()),
        seed=bench.settings.seed,
        model_version=bench.variants[0].version,
        data_version=card.version,
        ours=bench.ours,
        sections=tuple(sections),
    )


def read_study(
    workspace: Workspace, settings: Settings, past: Past, withheld: frozenset[int], windows: int, progress: Progress
) -> Study:
    """The users of the date of ``past`` and the windows before it; no label may name a ``withheld`` item."""
    encoder = text_encoder(settings.text_encoder)
    vocabulary = read_vocabulary(past.dataset, encoder, workspace)
    allowed = np.ones(len(vocabulary.texts), bool)
    allowed[sorted(withheld)] = False
    return Study(
        snapshot=read_snapshot(past, vocabulary, encoder),
        examples=read_examples(past, vocabulary, encoder, windows, progress),
        allowed=allowed,
        encoder=encoder,
        minilm=text_encoder("minilm"),
        reader=open_reader(workspace, past.dataset.card.name, vocabulary, encoder, settings.seed, progress),
        seed=settings.seed,
    )


def _categories(bench: Bench, outcome: DemandOutcome) -> list[Section]:
    """The three questions that are asked with a sentence per topic."""
    scored = bench.score(bench.study, outcome.demands)
    judged = judge(scored, outcome, bench.settings)
    return [
        all_demands(judged, bench.ours),
        first_time(scored, outcome, bench.settings.seed, bench.ours),
        held_out(judged, outcome),
    ]


def _wording(bench: Bench) -> list[Section]:
    lines = read_wording(wording_file(bench.dataset.card.name))
    return wording(bench, lines) if lines else []


def _campaigns(bench: Bench) -> list[Section]:
    found = campaigns(bench)
    return [found] if found else []
