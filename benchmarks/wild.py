"""Measure the demo model on sentences in people's words (``sentences/``), each with what it means in the catalogue.

    python -m benchmarks.wild                 figures of every file, as of 2017-10-01 and 2017-11-01
    python -m benchmarks.wild --as-of DAY     as of another day; the workspace has a model for it
    python -m benchmarks.wild --keep          the same, and keep the table in docs/sentences.md
    python -m benchmarks.wild --fit           the weights of encoders/reader/meaning.py, fitted as of that day

People who had seen nothing of this project wrote them. What is named ``held_back`` nobody looked at while the reading
was made; the weights were fitted on the other files and on the wordings of the benchmark, as of 2017-08-01 and 09-01.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.forecasts.demands import read_topics
from benchmarks.forecasts.study import DemandOutcome, observe
from benchmarks.forecasts.tasks.wording import WordingLine, read_wording, wording_file
from encoders.calibration import CLOSE
from encoders.data.events import Dataset
from encoders.metrics import auc, calibration_error, lift
from encoders.model_folder import usable_model
from encoders.overdispersion import responders
from encoders.predictor import Forecaster
from encoders.reader import Reader, open_reader
from encoders.reader.meaning import candidates, features
from encoders.settings import settings
from encoders.workspace import Workspace

AS_OF = (date(2017, 10, 1), date(2017, 11, 1))
SENTENCES = Path(__file__).with_name("sentences")
PAGE = Path(__file__).parents[1] / "docs" / "sentences.md"
BEGIN, END = "<!-- written by python -m benchmarks.wild --keep -->", "<!-- end of the table -->"
HEADS = (
    "as of",
    "sentences",
    "read by",
    "n",
    "AUC",
    "lift@10 %",
    "ECE",
    "within a quarter",
    "off by",
    "80 % interval holds",
)


def opened(as_of: date) -> tuple[Dataset, Forecaster, Reader]:
    """The demo as of a day, and its reader, which the forecaster does not read with yet."""
    workspace, chosen = Workspace(settings().workspace), settings()
    dataset = Dataset.current(workspace)
    model = usable_model(workspace, chosen.text_encoder, dataset.card.name, as_of)
    if model is None:
        raise SystemExit(f"The workspace has no model for {as_of}; run 'audience train --as-of {as_of}'.")
    forecaster = Forecaster.open(workspace, chosen, model, as_of, dataset)
    reader = open_reader(workspace, dataset.card.name, forecaster.snapshot.vocabulary, forecaster.encoder, chosen.seed)
    return dataset, forecaster, reader


def measure(as_of: date) -> Iterator[tuple[str, ...]]:
    """Rows of a table: every file, read by the text encoders alone and with the reader."""
    dataset, forecaster, reader = opened(as_of)
    topics = read_topics(dataset)
    files = {path.stem: [line.demand(topics) for line in read_wording(path)] for path in sorted(SENTENCES.iterdir())}
    observed = {name: observe(dataset, forecaster.snapshot, demands) for name, demands in files.items()}
    for way in ("text encoders", "the reader too"):
        for name, outcome in observed.items():
            yield (f"{as_of}", name.replace("_", " "), way, *_figures(forecaster, outcome))
        forecaster.read_with(reader)


def _figures(forecaster: Forecaster, outcome: DemandOutcome) -> Sequence[str]:
    rows = []
    for demand, responded in zip(outcome.demands, outcome.responded.T, strict=True):
        forecast = forecaster.forecast(demand.sentence)
        scores, chances = forecast.scores[outcome.rows], forecast.probabilities[outcome.rows]
        low, middle, high = responders(chances, forecast.spread)
        actual = int(responded.sum())
        held, off = low <= actual <= high, abs(np.log(middle / actual))
        error = calibration_error(chances, responded)
        rows.append((auc(scores, responded), lift(scores, responded), error, abs(middle - actual), actual, off, held))
    area, gain, error, _, _, off, held = np.mean(rows, axis=0)
    close = np.mean([away <= CLOSE * actual for *_, away, actual, _, _ in rows])
    figures = (f"{area:.4f}", f"{gain:.2f}", f"{error:.3f}", f"{close:.0%}", f"{np.exp(off) - 1:.0%}", f"{held:.0%}")
    return f"{len(rows)}", *figures


def fit(as_of: date) -> str:
    """The weights and the intercept that say how likely a group is meant, see ``encoders.reader.meaning``."""
    dataset, forecaster, reader = opened(as_of)
    topics, vocabulary = read_topics(dataset), forecaster.snapshot.vocabulary
    times = np.asarray(forecaster.snapshot.histories.counts[-1].sum(axis=0)).ravel()
    given: list[npt.NDArray[np.float64]] = []
    truth: list[npt.NDArray[np.float64]] = []
    for line in _known():
        demand = line.demand(topics)
        parts = forecaster.read(line.sentence).parts
        sets = [*demand.all_of, *([demand.none_of] if len(demand.none_of) else [])]
        if len(parts) != len(sets):
            continue
        for part, items in zip(parts, sets, strict=True):
            heard = forecaster.heard(reader, " or ".join(part.phrases))
            meant = np.isin(np.arange(len(vocabulary.texts)), items)
            share = np.array([times[own][meant[own]].sum() / max(times[own].sum(), 1e-9) for own in forecaster.members])
            chosen = candidates(heard)
            given.append(features(heard)[chosen])
            truth.append(share[chosen])
    columns, shares = np.concatenate(given), np.concatenate(truth)
    twice, sides = np.concatenate([columns, columns]), np.repeat([True, False], len(shares))
    model = LogisticRegression(C=10.0, max_iter=5000).fit(twice, sides, np.concatenate([shares, 1 - shares]))
    return f"{as_of}: weights {np.round(model.coef_[0], 2).tolist()}, intercept {model.intercept_[0]:.2f}"


def _known() -> list[WordingLine]:
    files = [path for path in sorted(SENTENCES.iterdir()) if not path.stem.endswith("held_back")]
    return [line for file in (*files, wording_file("completejourney")) for line in read_wording(file)]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in Markdown, the heads first."""
    heads, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *others))


def main() -> None:
    """Measure, or fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--as-of", type=date.fromisoformat, action="append", help="another day; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the table in docs/sentences.md")
    parser.add_argument("--fit", action="store_true", help="fit the weights of the reading instead")
    given = parser.parse_args()
    days = given.as_of or AS_OF
    told = "\n".join(map(fit, days)) if given.fit else table([HEADS, *(row for day in days for row in measure(day))])
    print(told)  # noqa: T201 - a command
    if given.keep and not given.fit:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
