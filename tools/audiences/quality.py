"""How good the forecasts of a model are: what its report says, in figures and in words for people."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from encoders.calibration import CLOSE
from encoders.errors import NotThereError
from encoders.records import Record


class Measured(Record):
    """How good forecasts of one kind of demand were, on demands that the probabilities were not fitted to."""

    kind: str = Field(description="of demand: 'all', 'one thing', or another that the report tells apart")
    demands: int | None = Field(None, description="that were judged; null: the report does not say")
    error: float | None = Field(None, description="how far the probability of a user is off on average, 0..1")
    close: float | None = Field(
        None, description="share of common demands whose responders were within a quarter of those expected"
    )
    coverage: float | None = Field(None, description="share of the 80 % intervals that held what then happened")


class ModelFigures(Record):
    """What a model was made from, and what was measured of it."""

    model_version: str
    data_name: str
    data_version: str
    text_encoder: str = ""
    as_of: date = Field(description="events before it were learned from")
    horizon_days: int
    seed: int
    users: int | None = Field(None, description="whom it learned from")
    windows: tuple[date, ...] = Field((), description="the days that its examples looked ahead from, latest first")
    labels: str = Field("", description="the file of sentences of a language model it learned from, if any")
    measured: tuple[Measured, ...] = Field((), description="all demands first; none where nothing was measured")


def model_figures(folder: Path) -> ModelFigures:
    """The report of a model.

    Raises:
        NotThereError: the folder has none.
    """
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        recipe, found = report.get("recipe", {}), report.get("calibration", {})
        return ModelFigures(
            **{name: report[name] for name in ("model_version", "data_name", "data_version", "as_of", "seed")},
            horizon_days=report["horizon_days"],
            text_encoder=report.get("text_encoder", ""),
            users=report.get("users"),
            windows=report.get("windows", ()),
            labels=Path(recipe.get("labels", "")).name,
            measured=_measured(found),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotThereError("The model that answers here has no report; 'audience train' writes one.") from error


def _measured(found: dict[str, Any]) -> tuple[Measured, ...]:
    """What the report measured, of all demands and by kind."""
    if not found:
        return ()
    whole = Measured(
        kind="all",
        demands=int(found["labels"]) // 2,
        error=found["calibration_error"],
        close=found["responders_close"],
        coverage=found["interval_coverage"],
    )
    alone = {"one thing": Measured(kind="one thing", coverage=found["interval_coverage_of_one"])}
    kinds = {kind: Measured(kind=kind, **figures) for kind, figures in found.get("kinds", {}).items()}
    return (whole, *(alone if "interval_coverage_of_one" in found and not kinds else kinds).values())


def quality(folder: Path, unit: str) -> str:
    """What was measured when a model was trained, in one paragraph.

    Args:
        folder: of the model.
        unit: what one user is called.

    Raises:
        NotThereError: the folder has no report.
    """
    card = model_figures(folder)
    made = (
        f"Model {card.model_version} of {card.data_name} (data version {card.data_version}, seed {card.seed}), trained "
        f"on events before {card.as_of}; it forecasts {card.horizon_days} days."
    )
    return f"{made} {_in_words(card, unit)}"


def _in_words(card: ModelFigures, unit: str) -> str:
    if not card.measured:
        return "Its forecasts were not measured."
    whole = card.measured[0]
    return (
        f"Measured on {whole.demands:,.0f} demands, which its probabilities were not fitted to: the "
        f"probability of a {unit} is off by {100 * (whole.error or 0):.2g} percentage points on average. Of "
        f"common demands, {whole.close:.0%} had a number of responders within {CLOSE:.0%} of the "
        f"expected one. The intervals, meant to hold 80 % of the time, held {whole.coverage:.0%}."
    )


def model_card(folder: Path) -> str:
    """The card of a model, in Markdown: what it was made from and what was measured, all of it from its report.

    Raises:
        NotThereError: the folder has no report.
    """
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotThereError(f"The model '{folder.name}' has no report; 'audience train' writes one.") from error
    made = {
        "Data": f"{report['data_name']}, version {report['data_version']}",
        "Trained on events before": report["as_of"],
        "Forecasts": f"{report['horizon_days']} days",
        "Users": f"{report['users']:,}",
        "Windows learned from": ", ".join(report["windows"][1:]) or "none",
        "Measured on the window from": next(iter(report["windows"]), "none"),
        "Text encoder": report["text_encoder"],
        "Seed": report["seed"],
        "Items that no label named": f"{report.get('held_out_items', 0):,}",
    }
    lines = [f"# Model {report['model_version']}", "", *(f"- {name}: {value}" for name, value in made.items())]
    if figures := report.get("calibration"):
        known = {name: words for name, words in _FIGURES.items() if name in figures}
        lines += ["", "| measured on demands it was not fitted to | figure |", "|---|---|"]
        lines += [f"| {words} | {figures[name]:.4g} |" for name, words in known.items()]
    if recipe := report.get("recipe"):
        lines += [
            "",
            "Recipe: " + ", ".join(f"{name} {value}" for name, value in recipe.items() if value not in ("", [])),
        ]
    return "\n".join(lines) + "\n"


_FIGURES = {
    "calibration_error": "calibration error: how far the probability of one user is off on average",
    "responders_close": f"share of common demands whose responders are within {CLOSE:.0%} of those expected",
    "interval_coverage": "share of 80 % intervals that held",
    "interval_coverage_of_one": "the same, of demands for one thing",
    "auc": "AUC: how often somebody who did it is ranked before somebody who did not",
    "labels": "demands measured and fitted on",
}
