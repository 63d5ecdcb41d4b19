"""The reach curve as a picture with a handle: what ``reach.js`` draws."""

from pathlib import Path
from typing import Any

import gradio as gr

from agent.page.cards import Units, live_figures, percent
from tools.types import CurvePoint, SizeEstimate

SCRIPT = Path(__file__).with_name("reach.js")


def reach_part() -> gr.HTML:
    """The part of the page; its event ``release`` brings the share of eligible users to keep (0..1) as 'share'."""
    return gr.HTML(
        html_template='<div class="reach"></div>',
        js_on_load=SCRIPT.read_text("utf-8"),
        apply_default_css=False,
        elem_id="reach",
    )


def reach_curve(size: SizeEstimate, units: Units) -> dict[str, Any] | None:
    """The curve of an audience, each point with its figures in words; None where nothing of it may be shown.

    Lift is precision over a constant, so both axes of the picture read the same line.
    """
    if not size.eligible or not size.curve or size.all_responders is None:
        return None
    average = size.all_responders.mid / size.eligible
    points = sorted(size.curve, key=lambda point: point.users)
    return {
        "points": [_point(each, average) for each in points],
        "eligible": size.eligible,
        "share": size.cut,
        "average": average,
        "called": "Reach curve: the share expected to do it, by how many are kept",
        "handle": "How many to keep",
        "across": f"{units.many} kept",
        "everyone": f"everyone: {percent(average)}",
    }


def _point(point: CurvePoint, average: float) -> dict[str, Any]:
    return {
        "users": point.users,
        "low": point.precision.low,
        "mid": point.precision.mid,
        "high": point.precision.high,
        "told": live_figures(point.responders, point.precision, point.lift, average),
    }
