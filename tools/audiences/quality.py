"""How good the forecasts of a model are, in words: what its report says, for people."""

import json
from pathlib import Path
from typing import Any

from encoders.calibration import CLOSE
from encoders.errors import NotThereError


def quality(folder: Path, unit: str) -> str:
    """What was measured when a model was trained, in one paragraph.

    Args:
        folder: of the model.
        unit: what one user is called.

    Raises:
        NotThereError: the folder has no report.
    """
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotThereError("The model that answers here has no report; 'audience train' writes one.") from error
    made = (
        f"Model {report['model_version']} of {report['data_name']} (data version {report['data_version']}, seed "
        f"{report['seed']}), trained on events before {report['as_of']}; it forecasts {report['horizon_days']} days."
    )
    return f"{made} {_measured(report.get('calibration', {}), unit)}".strip()


def _measured(found: dict[str, Any], unit: str) -> str:
    if not found:
        return "Its forecasts were not measured."
    return (
        f"Measured on half of {found['labels']:,.0f} demands, which its probabilities were not fitted to: the "
        f"probability of a {unit} is off by {100 * found['calibration_error']:.2g} percentage points on average. Of "
        f"common demands, {found['responders_close']:.0%} had a number of responders within {CLOSE:.0%} of the "
        f"expected one. The intervals, meant to hold 80 % of the time, held {found['interval_coverage']:.0%}."
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
