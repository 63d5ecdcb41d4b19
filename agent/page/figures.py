"""The reach curve as a figure: how many users against how many of them are expected to do it."""

import plotly.graph_objects as go

from agent.page.words import count, percent, times
from tools.types import CurvePoint, SizeEstimate

ACCENT = "#0f8a7e"
_BAND = "rgba(15, 138, 126, 0.16)"
_QUIET = "#7b8794"
_GRID = "rgba(123, 135, 148, 0.2)"


def reach_curve(size: SizeEstimate, unit_plural: str) -> go.Figure:
    """Size against expected precision with its 80 % band, and times the average on the right; the cut is marked.

    Times the average is precision over a constant, so both axes read the same line.
    """
    points = sorted(size.curve, key=lambda point: point.users)
    users = [point.users for point in points]
    figure = go.Figure()
    figure.add_scatter(
        x=users + users[::-1],
        y=[100 * point.precision.high for point in points] + [100 * point.precision.low for point in points[::-1]],
        fill="toself",
        fillcolor=_BAND,
        line={"width": 0},
        hoverinfo="skip",
        name="range, in 8 of 10 cases",
    )
    figure.add_scatter(
        x=users,
        y=[100 * point.precision.mid for point in points],
        mode="lines",
        line={"color": ACCENT, "width": 3},
        name="expected",
        hovertemplate="%{text}<extra></extra>",
        text=[_hover(point, unit_plural) for point in points],
    )
    figure.add_scatter(
        x=users,
        y=[point.lift for point in points],
        yaxis="y2",
        opacity=0,
        hoverinfo="skip",
        showlegend=False,
        name="times the average",
    )
    _mark_cut(figure, size)
    _lay_out(figure, size, unit_plural)
    return figure


def _hover(point: CurvePoint, unit_plural: str) -> str:
    return (
        f"The best {count(point.users)} {unit_plural}<br>{percent(point.precision.mid)} expected to do it "
        f"({percent(point.precision.low)} to {percent(point.precision.high)})<br>"
        f"about {count(point.responders.mid)} of them, {times(point.lift)} times the average"
    )


def _mark_cut(figure: go.Figure, size: SizeEstimate) -> None:
    if size.users is None or size.precision is None:
        return
    figure.add_vline(x=size.users, line={"color": ACCENT, "width": 1.5, "dash": "dot"})
    figure.add_scatter(
        x=[size.users],
        y=[100 * size.precision.mid],
        mode="markers",
        marker={"color": ACCENT, "size": 13, "line": {"color": "white", "width": 2.5}},
        name=f"your cut: {count(size.users)}",
        hoverinfo="skip",
    )


def _lay_out(figure: go.Figure, size: SizeEstimate, unit_plural: str) -> None:
    average = size.all_responders.mid / size.eligible if size.all_responders and size.eligible else 0.0
    highest = size.precision.high if size.precision else 0.0
    top = 1.12 * max([point.precision.high for point in size.curve] + [highest, average, 0.01])
    axis = {"gridcolor": _GRID, "zeroline": False, "title": {"standoff": 10}}
    figure.add_hline(y=100 * average, line={"color": _QUIET, "width": 1, "dash": "dash"})
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": _QUIET},
        hoverlabel={"bgcolor": "#12312e", "font": {"color": "white", "size": 13}},
        dragmode=False,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        xaxis=axis
        | {
            "title": {"text": f"{unit_plural} in the audience", "standoff": 10},
            "rangemode": "tozero",
            "nticks": 5,
            "tickangle": 0,
            "tickformat": ",d",
            "fixedrange": True,
            "automargin": True,
        },
        yaxis=axis
        | {
            "title": {"text": "share expected to do it", "standoff": 10},
            "range": [0, 100 * top],
            "ticksuffix": " %",
            "fixedrange": True,
            "automargin": True,
        },
        yaxis2={
            "title": {"text": "times the average", "standoff": 10},
            "overlaying": "y",
            "side": "right",
            "range": [0, top / average if average else 1],
            "ticksuffix": " ×",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "automargin": True,
        },
    )
