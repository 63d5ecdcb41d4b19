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
