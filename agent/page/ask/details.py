"""The audience beside the conversation: who is in it, the parity report, and what takes longer to look up."""

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from agent.page import cards
from agent.page.cards import Units, percent
from agent.page.results.forecasts import forecast_told
from agent.state import AudienceDraft
from encoders.errors import TooSmallError
from tools.audiences.profile import FOUR_FIFTHS
from tools.types import SkewField, SkewReport, SkewRow

if TYPE_CHECKING:
    from tools.service import AudienceService

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


def details(service: "AudienceService", draft: AudienceDraft) -> Details:
    """Profile, skew, samples and overlaps; an audience that is too small to look at says so where they would be."""
    words = cards.units_of(service.describe_data())
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
    return Details(*shown, cards.saved(list(zip(latest, overlaps, strict=False)), told, words))
