"""Whether training again would pay: the newest window that is over, beside what the model's report promised."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from encoders.data.events import ACTIVE_DAYS, HORIZON_DAYS, Dataset
from encoders.errors import DataError, ModelError
from encoders.features.counts import done_in
from encoders.model.users import read_snapshot, read_vocabulary
from encoders.model_folder import read_config, read_model, usable_model
from encoders.records import Record
from encoders.settings import Settings
from encoders.text.encoders import text_encoder
from encoders.train import MOST_USERS, measure_model
from encoders.training.labels import LabelWriter, TrainingExample
from encoders.workspace import Progress, Workspace, silent

WORSE: dict[str, tuple[str, float]] = {
    "calibration_error": ("the probability of one user is off by", -0.005),
    "responders_close": ("demands whose number of responders was close", 0.15),
    "interval_coverage": ("intervals that held", 0.1),
    "auc": ("AUC", 0.02),
}
"""Per figure what it is, and by how much less than was promised it may be; the first one by how much more."""


class ModelCheck(Record):
    """What a model promised, what came of it on the newest window that is over, and what follows."""

    model_version: str
    verdict: Literal["train", "keep"]
    why: str
    window: date | None
    """The first day of the window; None where none is over since the model was trained."""
    promised: dict[str, float]
    found: dict[str, float]


def check_model(workspace: Workspace, settings: Settings, progress: Progress = silent) -> ModelCheck:
    """Measure the model that is used on the newest window that is over, which it has not seen.

    Raises:
        DataError: there is no data, or nothing happened in the window.
        ModelError: there is no model for it.
    """
    dataset = Dataset.current(workspace)
    today = dataset.card.default_as_of
    folder = usable_model(workspace, settings.text_encoder, dataset.card.name, today)
    if folder is None:
        raise ModelError(f"{workspace.path} has no model for this data; run 'audience train' first.")
    config, promised = read_config(folder), promised_by(folder)
    start = today - timedelta(days=HORIZON_DAYS)
    if config.as_of > start:
        over = config.as_of + timedelta(days=HORIZON_DAYS)
        why = f"no window of {HORIZON_DAYS} days is over since it was trained; the first one is on {over}"
        return _checked(config.version, "keep", why, None, promised, {})
    progress(f"Looking at what happened from {start} on", None)
    past = dataset.before(today).sample(MOST_USERS, ACTIVE_DAYS + HORIZON_DAYS)
    window = next(past.windows(count=1), None)
    if window is None:
        raise DataError(f"There is too little history before {start} to check a model on.")
    trained, encoder = read_model(folder), text_encoder(config.text_encoder)
    vocabulary = read_vocabulary(past.dataset, encoder, workspace)
    snapshot = read_snapshot(window.past, vocabulary, encoder)
    example = TrainingExample(snapshot, done_in(window.future, snapshot.histories.user_ids, len(vocabulary.texts)))
    writer = LabelWriter(vocabulary, dataset.card, np.ones(len(vocabulary.texts), bool))
    rng = np.random.default_rng(settings.seed)
    found = measure_model(trained, trained.adapted or encoder, example, writer, rng)
    worse = [_worse(name, promised[name], found[name]) for name in WORSE if name in promised]
    bad = [each for each in worse if each]
    if bad:
        return _checked(config.version, "train", "; ".join(bad), start, promised, found)
    return _checked(config.version, "keep", "it keeps what it promised", start, promised, found)


def promised_by(folder: Path) -> dict[str, float]:
    """The figures of a model's report; none where it has none."""
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        return {
            name: float(value)
            for name, value in report.get("calibration", {}).items()
            if isinstance(value, int | float)
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _worse(name: str, promised: float, found: float) -> str:
    """What is said of a figure that is worse than may be; empty otherwise."""
    words, bound = WORSE[name]
    if bound < 0:
        return (
            f"{words} {found:.3f}, {promised:.3f} were promised" if found > max(promised - bound, 2 * promised) else ""
        )
    return f"{words}: {found:.3f}, {promised:.3f} were promised" if found < promised - bound else ""


def _checked(
    version: str,
    verdict: Literal["train", "keep"],
    why: str,
    window: date | None,
    promised: Mapping[str, float],
    found: Mapping[str, float],
) -> ModelCheck:
    return ModelCheck(
        model_version=version,
        verdict=verdict,
        why=why,
        window=window,
        promised={name: promised[name] for name in WORSE if name in promised},
        found={name: found[name] for name in WORSE if name in found},
    )
