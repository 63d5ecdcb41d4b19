"""The results on the page: what was forecast for saved audiences, beside what then happened."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from agent.page.cards import count, day
from tools.operation_types import ForecastRecord

_KEPT = "#0f8a7e"
_QUIET = "#7b8794"
_GRID = "rgba(123, 135, 148, 0.2)"
_MISSED = "#b45309"


def forecast_told(record: ForecastRecord | None) -> str:
    """The forecast of a saved audience and what became of it, in one line; a dash where nothing was forecast."""
    if record is None or record.forecast is None:
        return "–"
    expected = f"{count(record.forecast.mid)} ({count(record.forecast.low)} to {count(record.forecast.high)})"
    if record.status == "open" and record.until:
        return f"{expected} <small>open until {day(record.until)}</small>"
    if record.responders is None:
        return f"{expected} <small>{escape(record.status)}</small>"
    return f"{expected} <small>{count(record.responders)} did it: {escape(record.status)}</small>"


def results_figure(records: Sequence[ForecastRecord]) -> go.Figure:
    """Responders against those expected, each with the range of its forecast; the line is where both are equal."""
    known = [each for each in records if each.forecast and each.responders is not None and each.forecast.mid > 0]
    ends = [1.0, *(max(each.forecast.high, each.responders or 0) for each in known if each.forecast)]
    figure = go.Figure()
    figure.add_scatter(
        x=[1, 1.3 * max(ends)],
        y=[1, 1.3 * max(ends)],
        mode="lines",
        line={"color": _QUIET, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    for status, colour, symbol in (("kept", _KEPT, "circle"), ("missed", _MISSED, "diamond")):
        _add_forecasts(figure, [each for each in known if each.status == status], status, colour, symbol)
    axis = {"type": "log", "gridcolor": _GRID, "zeroline": False, "fixedrange": True, "automargin": True, "dtick": 1}
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": _QUIET},
        hoverlabel={"bgcolor": "#12312e", "font": {"color": "white", "size": 13}},
        dragmode=False,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        xaxis=axis | {"title": {"text": "expected", "standoff": 10}, "tickformat": ",d"},
        yaxis=axis | {"title": {"text": "did it", "standoff": 10}, "tickformat": ",d"},
    )
    return figure


def _add_forecasts(figure: go.Figure, records: Sequence[ForecastRecord], status: str, colour: str, symbol: str) -> None:
    told = [(each, each.forecast, max(1, each.responders or 0)) for each in records if each.forecast]
    figure.add_scatter(
        x=[forecast.mid for _, forecast, _ in told],
        y=[came for _, _, came in told],
        error_x={
            "array": [forecast.high - forecast.mid for _, forecast, _ in told],
            "arrayminus": [min(forecast.mid - forecast.low, forecast.mid * 0.999) for _, forecast, _ in told],
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 10, "line": {"color": "white", "width": 1.5}},
        name=status,
        text=[f"{escape(each.name)}, version {each.version}<br>{_said(each)}" for each, _, _ in told],
        hovertemplate="%{text}<extra></extra>",
    )


def _said(record: ForecastRecord) -> str:
    assert record.forecast is not None
    low, high = count(record.forecast.low), count(record.forecast.high)
    return f"{low} to {high} expected, {count(record.responders or 0)} did it"
