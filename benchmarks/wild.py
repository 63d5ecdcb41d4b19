"""Measure the demo model on sentences in marketers' words (``wild.jsonl``), each with the categories it means.

    python -m benchmarks.wild

The sentences were written, and the reading of sentences and the calibration chosen, on as-of dates up to 2017-09-01.
"""

import json
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.forecasts.demands import items_of, read_topics
from encoders.calibration import CLOSE
from encoders.data.events import Dataset
from encoders.features import done_in
from encoders.metrics import auc, lift
from encoders.overdispersion import responders
from encoders.predictor import Forecaster
from encoders.reader import open_reader
from encoders.settings import settings
from encoders.workspace import Workspace

AS_OF = (date(2017, 10, 1), date(2017, 11, 1))
FEWEST = 15
"""A sentence counts with at least so many responders."""


def measure(as_of: date) -> str:
    """One line of figures: AUC, lift@10 %, responders within a quarter, and how often the 80 % interval holds."""
    workspace = Workspace(settings().workspace)
    dataset = Dataset.current(workspace)
    topics = read_topics(dataset)
    forecaster = Forecaster.open(workspace, settings(), workspace.newest_model(), as_of)
    vocabulary = forecaster.snapshot.vocabulary
    forecaster.read_with(open_reader(workspace, dataset.card.name, vocabulary, forecaster.encoder, settings().seed))
    histories = forecaster.snapshot.histories
    future = done_in(dataset.outcome(as_of), histories.user_ids, len(dataset.items))[histories.in_population]
    rows = []
    for line in Path(__file__).with_name("wild.jsonl").read_text("utf-8").splitlines():
        asked = json.loads(line)
        items = items_of(topics, "product_category", asked["categories"])
        responded = np.asarray(future[:, items].sum(axis=1)).ravel() > 0
        actual = responded.sum()
        if actual < FEWEST:
            continue
        forecast = forecaster.forecast(asked["demand"])
        scores = forecast.scores[histories.in_population]
        chances = forecast.probabilities[histories.in_population]
        low, middle, high = responders(chances, forecast.spread)
        close, held = abs(middle - actual) <= CLOSE * actual, low <= actual <= high
        rows.append((auc(scores, responded), lift(scores, responded), close, held))
    area, gain, close, held = np.array(rows, float).mean(0)
    return (
        f"{as_of}: {len(rows)} sentences, AUC {area:.3f}, lift@10 % {gain:.2f}, "
        f"within a quarter {close:.0%}, 80 % intervals hold for {held:.0%}"
    )


if __name__ == "__main__":
    print("\n".join(measure(as_of) for as_of in AS_OF))  # noqa: T201 - a command
