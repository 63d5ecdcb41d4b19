"""The audience beside the conversation: reach curve, parity report, and what takes longer to look up."""

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from agent.page import cards
from agent.page.cards import Units, count, percent, times
from agent.page.results.forecasts import forecast_told
from agent.state import AudienceDraft
from encoders.errors import TooSmallError
from tools.audiences.profile import FOUR_FIFTHS
from tools.operation_types import LedgerPage
from tools.types import CurvePoint, SizeEstimate, SkewField, SkewReport, SkewRow

if TYPE_CHECKING:
    from tools.service import AudienceService

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


FAIR, SKEWED, UNSURE = "even", "skewed", "perhaps skewed"


def skew(report: SkewReport, units: Units) -> str:
    """One line for each attribute, most skewed first, and under it the share of every value that is in."""
    if not report.fields:
        return ""
    fields = sorted(report.fields, key=lambda each: 2 if each.lowest_ratio is None else each.lowest_ratio)
    told = (
        "The share of each group that is in the audience, against the group with the largest share. Under four fifths "
        "counts as skewed; ask whether there is a good reason."
    )
    lines = "".join(_field(each, units) for each in fields)
    return f'<section class="skew"><h3>Is it even?</h3><p class="quiet">{told}</p>{lines}</section>'


def judgement(field: SkewField) -> str:
    """Whether the values of an attribute are taken alike; unsure where the interval reaches over four fifths."""
    below = [row for row in field.rows if row.verdict == "below"]
    if field.lowest_ratio is None:
        return "too few to judge"
    if not below:
        return FAIR
    return SKEWED if any(row.interval and row.interval.high < FOUR_FIFTHS for row in below) else UNSURE


def _field(field: SkewField, units: Units) -> str:
    verdict = judgement(field)
    ratio = "" if field.lowest_ratio is None else f" <small>lowest ratio {field.lowest_ratio:.2f}</small>"
    rows = "".join(_row(row, units) for row in field.rows)
    unknown = ""
    if field.unknown:
        selected = units.number(field.unknown_selected)
        unknown = f'<p class="quiet">{units.number(field.unknown)} have no value here; {selected} of them are in.</p>'
    kind = "alert" if verdict == SKEWED else "plain"
    return (
        f'<details class="{kind}"><summary><span>{escape(field.field)}</span><b>{verdict}</b>{ratio}</summary>'
        '<table><thead><tr><th scope="col">Value</th><th scope="col">In the audience</th><th scope="col">Ratio</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>{unknown}</details>"
    )


def _row(row: SkewRow, units: Units) -> str:
    head = f'<tr><th scope="row">{escape(row.value)}</th>'
    if row.rate is None or row.ratio is None or row.interval is None:
        return f"{head}<td>{units.number(row.users)} in all</td><td>too few to judge</td></tr>"
    within = f"{row.interval.low:.2f} to {row.interval.high:.2f}"
    return (
        f"{head}<td>{units.number(row.selected)} of {units.number(row.users)} ({percent(row.rate)})</td>"
        f'<td class="{row.verdict}">{row.ratio:.2f} <small>{within}</small></td></tr>'
    )


SAVED_SHOWN = 6
"""So many of the saved audiences are compared with the present one, the latest first."""


class Details(NamedTuple):
    """Who the users of a draft are, as HTML."""

    profile: str
    skew: str
    samples: str
    saved: str
    ledger: LedgerPage
    """What became of the forecasts of the saved audiences."""


def units(service: "AudienceService") -> Units:
    """What one user is called in this data."""
    card = service.describe_data()
    return Units(card.unit, card.unit_plural, card.minimum_size)


def details(service: "AudienceService", draft: AudienceDraft) -> Details:
    """Profile, skew, samples and overlaps; an audience that is too small to look at says so where they would be."""
    words = units(service)
    try:
        shown = (
            cards.profile(service.profile(draft.spec), words),
            skew(service.skew(draft.spec), words),
            cards.samples(service.preview(draft.spec), words),
        )
    except TooSmallError as error:
        shown = cards.apart("Who they are", str(error)), "", ""
    latest = sorted(service.list_audiences(), key=lambda one: one.created, reverse=True)[:SAVED_SHOWN]
    overlaps = service.compare([draft.spec, *(one.id for one in latest)]).overlaps if latest else ()
    found = service.ledger.page()
    records = {(each.audience_id, each.version): each for each in found.forecasts}
    told = [forecast_told(records.get((one.id, one.version))) for one in latest]
    return Details(*shown, cards.saved(list(zip(latest, overlaps, strict=False)), told, words), found)
