"""What was read, as HTML: rows and reasons, sources week by week, attributes, and the limits of it all."""

from datetime import date, timedelta
from html import escape

from agent.page.cards import Units, count, day, notice, percent
from agent.page.pieces import facts, table, tiles
from encoders.data.events import ACTIVE_DAYS
from tools.audiences.data_report import DataReport, SourceReport
from tools.types import DataCard, FieldCard

WIDE, HIGH = 240, 44
"""Of the picture of a source, in the units of its view box."""


def rows_read(report: DataReport, units: Units) -> str:
    """How many rows were read and how many of them are events, whose, and over what time."""
    used = f"{percent(report.events / report.rows)} of {count(report.rows)} rows" if report.rows else "no rows"
    figures = (
        (count(report.events), "events", used),
        (units.number(report.users), units.many, _joined(report, units)),
        (count(report.days), "days", f"{day(report.first)} to {day(report.last)}"),
    )
    return f"<section><h3>Rows and {escape(units.many)}</h3>{tiles(figures)}{_reasons(report)}</section>"


def _joined(report: DataReport, units: Units) -> str:
    active = f"{units.number(report.population)} active in the {ACTIVE_DAYS} days before {day(report.as_of)}"
    if report.users_listed == 0:
        return f"no table of {units.many}; {active}"
    joined = f"{units.number(report.users_joined)} of {units.number(report.users_listed)} in their table have events"
    strange = f"; {count(report.events_not_joined)} events have nobody in it" if report.events_not_joined else ""
    return f"{joined}{strange}; {active}"


def _reasons(report: DataReport) -> str:
    if not report.reasons:
        return '<p class="quiet">No row was left out.</p>'
    rows = ((escape(each.reason), escape(each.source), count(each.rows)) for each in report.reasons)
    share = percent(report.left_out / report.rows) if report.rows else ""
    return (
        f"<details><summary><span>{count(report.left_out)} rows were left out</span><small>{share}</small></summary>"
        f"{table(('Why', 'Where', 'Rows'), rows, numbers={2})}</details>"
    )


def sources(report: DataReport, units: Units) -> str:
    """Every source: its events, whose they are, since when, and a picture of its weeks."""
    if not report.sources:
        told = "The data has no events; 'audience prepare' reads some from your tables."
        return f"<section><h3>Sources over time</h3>{notice(told, 'alert')}</section>"
    heads = ("Source", "Events", units.many.capitalize(), "Week by week")
    rows = (_source(each, report, units) for each in report.sources)
    told = f"Events of each week. What lies after the line, {day(report.as_of)}, only judges forecasts."
    return (
        f'<section class="sources"><h3>Sources over time</h3><p class="quiet">{told}</p>'
        f"{table(heads, rows, numbers={1, 2})}</section>"
    )


def _source(each: SourceReport, report: DataReport, units: Units) -> tuple[str, ...]:
    return (
        f"{escape(each.source)}<small>{day(each.first)} to {day(each.last)}</small>",
        "withheld" if each.events is None else count(each.events),
        units.number(each.users),
        weeks_picture(each.source, each.weeks, report.week, report.as_of),
    )


def weeks_picture(source: str, weeks: tuple[int, ...], first: date, as_of: date) -> str:
    """The events of each week as an area, with a line at the day that counts as now.

    Args:
        source: whose events they are.
        weeks: how many, from the week of ``first`` on; none where they are withheld.
        first: a Monday.
        as_of: the day that counts as now.
    """
    if not weeks:
        return "withheld"
    most = max(max(weeks), 1)
    step = WIDE / len(weeks)
    tops = "".join(
        f"L{number * step:.1f} {HIGH - 2 - (HIGH - 6) * events / most:.1f}L{(number + 1) * step:.1f} "
        f"{HIGH - 2 - (HIGH - 6) * events / most:.1f}"
        for number, events in enumerate(weeks)
    )
    now = min(max((as_of - first) / timedelta(weeks=1) * step, 0), WIDE)
    best = first + timedelta(weeks=weeks.index(max(weeks)))
    told = f"Events of {source} by week: at most {count(most)}, in the week of {day(best)}"
    return (
        f'<svg class="weeks" viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(told)}"><title>{escape(told)}</title>'
        f'<path d="M0 {HIGH - 2}{tops}L{WIDE} {HIGH - 2}Z"/>'
        f'<line x1="{now:.1f}" x2="{now:.1f}" y1="0" y2="{HIGH}"/></svg>'
    )


def coverage(card: DataCard, units: Units) -> str:
    """Every attribute: for how many it is known, and its values as bars."""
    head = (
        f"<h3>What is known of {escape(units.many)}</h3>"
        f'<p class="quiet">Of the {count(card.population)} who were active lately. Conditions can only name these.</p>'
    )
    if not card.fields:
        return f"<section>{head}<p>Nothing but what they did: the data has no attributes.</p></section>"
    rows = "".join(_field(each, card.population, units) for each in card.fields)
    return f'<section class="coverage">{head}{rows}</section>'


def known_share(field: FieldCard, population: int) -> tuple[float, bool]:
    """For which share of everyone an attribute is known, 0..1, and whether it may be more: few are never counted."""
    if not population:
        return 0.0, False
    if field.unknown is not None:
        return max(0.0, 1 - field.unknown / population), False
    shown = sum(each.users or 0 for each in field.values)
    return min(1.0, shown / population), shown < population


def _field(field: FieldCard, population: int, units: Units) -> str:
    share, more = known_share(field, population)
    known = f"known for {'at least ' if more else ''}{percent(share)}"
    most = max((each.users or 0 for each in field.values), default=0) or 1
    values = "".join(
        f'<li><span class="what">{escape(each.value)}</span><span class="track" aria-hidden="true">'
        f'<i style="width:{100 * (each.users or 0) / most:.1f}%"></i></span>'
        f"<b>{units.number(each.users)}</b></li>"
        for each in field.values
    )
    bar = f'<span class="track" aria-hidden="true"><i style="width:{100 * share:.1f}%"></i></span>'
    return (
        f"<details><summary><span>{escape(field.field)}</span><small>{len(field.values)} values</small>"
        f"{bar}<b>{known}</b></summary><ul>{values}</ul></details>"
    )


def limits(card: DataCard, units: Units) -> str:
    """Where the numbers come from, and what they cannot say."""
    points = (
        ("Where it comes from", f"{card.title}. {card.note}"),
        (
            "Who is counted",
            f"Everybody with an event of “{card.main_source}” in the {ACTIVE_DAYS} days before {day(card.as_of)}: "
            f"{count(card.population)} {units.many}. Whoever was not active then is in no audience.",
        ),
        (
            "What is not read",
            f"Nothing that happened on {day(card.as_of)} or later counts for a forecast; it only judges, afterwards, "
            "whether the forecast held.",
        ),
        (
            "What is not shown",
            f"Numbers of fewer than {card.minimum_size} {units.many}, and those from which such a number would follow.",
        ),
        ("Version", f"Data {card.data_version}, model {card.model_version}."),
    )
    told = facts((title, escape(text)) for title, text in points)
    return f"<section><h3>Where the numbers come from</h3>{told}</section>"
