"""The ledger as HTML: how many forecasts were kept, each of them, the uplifts that were measured, and what was sent."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from agent.page.audiences.table import owner_of
from agent.page.cards import Units, count, day, notice, percent, together
from tools.library_types import AudienceUse
from tools.operation_types import CampaignOutcome, Estimate, ForecastRecord, ForecastScore, LedgerPage
from tools.types import SavedAudience

MOST_LISTED = 200
"""Forecasts of the table, the latest; 'audience ledger' has them all."""
_BY = (("kind", "What was asked for"), ("approved_by", "Who approved it"), ("month", "Month of the forecast"))


class SentLine(NamedTuple):
    """Something that left, and of which audience."""

    saved: SavedAudience
    use: AudienceUse


def summary(page: LedgerPage) -> str:
    """How many forecasts can be judged, how many were kept and are open, and how far off they were in the middle."""
    whole = page.overall
    if whole.share is None:
        told = f"{count(whole.open)} forecasts are open; none can be judged before the data reaches past its days."
        return f'<section class="card summary"><p class="lead">{told}</p></section>'
    within = f"{percent(whole.share.low)} to {percent(whole.share.high)}"
    lead = (
        f"{count(whole.kept)} of {count(whole.counted)} forecasts were kept: what then happened lay in the range. "
        f"{percent(page.level)} of such ranges should hold."
    )
    tiles = [
        (percent(whole.share.mid), "were kept", f"{within}, 95 % interval"),
        (count(whole.counted), "can be judged", f"by data up to {day(page.data_ends)}"),
        (count(whole.open), "are open", "their days are not over in the data"),
    ]
    if whole.ratio is not None:
        tiles.append((f"{percent(whole.ratio)}", "of those expected came", "in the middle of all forecasts"))
    boxes = "".join(
        f'<div><span class="figure">{figure}</span><strong>{label}</strong><small>{detail}</small></div>'
        for figure, label, detail in tiles
    )
    deleted = ""
    if page.deleted:
        are = "audience was" if page.deleted == 1 else "audiences were"
        deleted = f'<p class="quiet">{count(page.deleted)} {are} deleted; nothing of them is counted here.</p>'
    section = '<section class="card summary headline" aria-label="How good the forecasts were">'
    return together(f'{section}<p class="lead">{lead}</p><div class="tiles">{boxes}</div>{deleted}</section>')


def empty() -> str:
    """What stands there before anything was forecast."""
    return (
        '<section class="empty"><h2>No forecasts yet</h2><p>Every audience that is saved is a forecast: so many of its '
        "people will do it, in the days to come. Once those days are over, this place says whether it was kept, and "
        'what the contact changed.</p><p><a class="go" href="/">Ask for an audience</a></p></section>'
    )


def scores(page: LedgerPage) -> str:
    """The hit rates by what was asked for, who approved it, and month."""
    if page.overall.share is None:
        return ""
    parts = []
    for by, title in _BY:
        rows = "".join(_score(each, page.level) for each in page.groups if each.by == by)
        parts.append(
            f'<div><table class="scores"><thead><tr><th scope="col">{title}</th><th scope="col">Kept</th>'
            f'<th scope="col">Share</th></tr></thead><tbody>{rows}</tbody></table></div>'
        )
    told = f"The line marks {percent(page.level)}, which should be kept; the band is the 95 % interval of the share."
    return (
        f'<section class="card"><h3>Where forecasts hold</h3><p class="quiet">{together(told)}</p>'
        f'<div class="by">{"".join(parts)}</div></section>'
    )


def _score(one: ForecastScore, level: float) -> str:
    value = owner_of(one.value) if one.by == "approved_by" else one.value
    many = f"{count(one.kept)} of {count(one.counted)}"
    if one.share is None:
        bar = '<span class="quiet">none judged</span>'
    else:
        low, mid, high = (round(100 * each, 1) for each in (one.share.low, one.share.mid, one.share.high))
        bar = (
            f'<span class="rate" role="img" aria-label="{percent(one.share.mid)} kept, {percent(one.share.low)} to '
            f'{percent(one.share.high)}"><i style="left:{low}%;width:{high - low:.1f}%"></i><b style="left:{mid}%"></b>'
            f'<u style="left:{100 * level:.0f}%"></u></span>'
        )
    return f'<tr><th scope="row">{escape(value)}</th><td>{many}</td><td>{bar}</td></tr>'


def records(page: LedgerPage, units: Units) -> str:
    """Every forecast and what became of it, the latest first."""
    rows = "".join(_record(each, units) for each in page.forecasts[:MOST_LISTED])
    more = len(page.forecasts) - MOST_LISTED
    told = (
        f'<p class="quiet">{count(more)} earlier ones: <code>audience ledger</code> lists them.</p>' if more > 0 else ""
    )
    return (
        '<section class="card"><h3>Every forecast</h3><table class="records"><thead><tr><th scope="col">Audience</th>'
        '<th scope="col">As of</th><th scope="col">Expected, and what came</th><th scope="col">Result</th>'
        '<th scope="col">Times the average</th><th scope="col">Uplift</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{told}</section>"
    )


def _record(one: ForecastRecord, units: Units) -> str:
    lift = "–" if one.lift is None else f"{one.lift:.1f} ×"
    note = f"<small>{escape(one.note)}</small>" if one.note and one.status not in ("open",) else ""
    came = "–" if one.forecast is None else expected_told(one)
    return (
        f'<tr><th scope="row"><a href="/audiences?id={escape(one.audience_id)}">{escape(one.name)}</a>'
        f"<small>version {one.version}, {units.number(one.users)} {escape(units.many)}</small></th>"
        f'<td data-label="As of">{day(one.as_of)}</td><td data-label="Expected, and what came">{came}</td>'
        f'<td data-label="Result"><span class="chip {one.status.replace(" ", "-")}">{one.status}</span>{note}</td>'
        f'<td data-label="Times the average">{lift}</td><td data-label="Uplift">{_points(one.uplift)}</td></tr>'
    )


def expected_told(one: ForecastRecord) -> str:
    """The range that was forecast, and how many did it."""
    assert one.forecast is not None
    expected = f"{count(one.forecast.low)} to {count(one.forecast.high)} expected"
    if one.status == "open" and one.until:
        return f"{expected}<small>open until {day(one.until)}</small>"
    if one.responders is None:
        return expected
    return f"{expected}<small>{count(one.responders)} did it</small>"


def _points(uplift: Estimate | None) -> str:
    if uplift is None:
        return "–"
    mid, low, high = (f"{100 * each:+.1f}" for each in (uplift.mid, uplift.low, uplift.high))
    return f"{mid} points<small>{low} to {high}</small>"


# --- what contact changed -------------------------------------------------------------------------


def uplifts(outcomes: Sequence[CampaignOutcome], units: Units) -> str:
    """Each outcome that was brought: the share of those contacted and of those held out, and the difference."""
    head = '<section class="card"><h3>What contact changed</h3>'
    shown = [each for each in outcomes if each.uplift is not None]
    if not shown:
        return (
            f'{head}<p class="quiet">No outcome with a holdout was brought yet. Bring the list of those who responded; '
            "the difference to those held out is what the contact changed.</p></section>"
        )
    far = max(0.02, *(max(abs(each.uplift.low), abs(each.uplift.high)) for each in shown if each.uplift))
    rows = "".join(_uplift(each, 1.1 * far, units) for each in shown)
    told = "Share of those contacted less the share of those held out, in percentage points; right of the line is more."
    return f'{head}<p class="quiet">{told}</p><ul class="uplifts">{rows}</ul></section>'


def _uplift(one: CampaignOutcome, far: float, units: Units) -> str:
    assert one.uplift is not None
    low, mid, high = (round(50 + 50 * each / far, 1) for each in (one.uplift.low, one.uplift.mid, one.uplift.high))
    said = f"{100 * one.uplift.mid:+.1f} points ({100 * one.uplift.low:+.1f} to {100 * one.uplift.high:+.1f})"
    kind = "more" if one.uplift.low > 0 else "less" if one.uplift.high < 0 else "unsure"
    return (
        f'<li><div><a href="/audiences?id={escape(one.audience_id)}">{escape(one.name)}</a>'
        f"<small>{sides_told(one, units)}</small></div>"
        f'<span class="forest {kind}" role="img" aria-label="{said}"><u></u>'
        f'<i style="left:{low}%;width:{high - low:.1f}%"></i><b style="left:{mid}%"></b></span>'
        f'<span class="points">{said}</span></li>'
    )


def sides_told(one: CampaignOutcome, units: Units) -> str:
    """How many responded of those contacted, and of those held out."""
    parts = []
    for side, words in ((one.contacted, "contacted"), (one.held_out, "held out")):
        if side.users == 0:
            parts.append(f"nobody {words}")
        elif side.rate is None:
            parts.append(f"too few {words} to be shown")
        else:
            responders, users = count(side.responders or 0), count(side.users or 0)
            parts.append(f"{responders} of {users} {words} ({percent(side.rate.mid)})")
    return together(" and ".join(parts))


# --- what was sent where --------------------------------------------------------------------------


def sent(lines: Sequence[SentLine], units: Units) -> str:
    """What left and where to, the latest first."""
    head = '<section class="card"><h3>What was sent where</h3>'
    if not lines:
        return f'{head}<p class="quiet">Nothing has left yet. Open an audience to export it.</p></section>'
    rows = "".join(
        f'<tr><th scope="row"><a href="/audiences?id={escape(one.saved.id)}">{escape(one.saved.name)}</a></th>'
        f'<td data-label="When">{day(one.use.time) if one.use.time else "–"}</td>'
        f'<td data-label="Where to">{_where(one.use)}</td>'
        f'<td data-label="Version">{one.use.version or "–"}</td>'
        f'<td data-label="Rows">{"–" if one.use.users is None else count(one.use.users)}</td></tr>'
        for one in lines[:MOST_LISTED]
    )
    return (
        f'{head}<table class="records"><thead><tr><th scope="col">Audience</th><th scope="col">When</th>'
        '<th scope="col">Where to</th><th scope="col">Version</th><th scope="col">Rows</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _where(use: AudienceUse) -> str:
    what = escape(use.what) or "a table of users"
    return {"live": f"live at {what}", "sent": f"sent to {what}"}.get(use.kind, f"file for {what}")


# --- bringing an outcome --------------------------------------------------------------------------


def bring_head() -> str:
    """What to bring."""
    return (
        '<h3>Bring an outcome</h3><p class="quiet">The list of those who responded (CSV, Parquet, JSON lines): '
        "a column <code>user_id</code>, and if you have them <code>date</code> and <code>value</code>. You see what "
        "is in it before anything is recorded.</p>"
    )


def file_told(seen: CampaignOutcome, name: str, units: Units) -> str:
    """What a file holds, in one sentence."""
    if seen.responders is None:
        return f"{name} has responses of too few {units.many} to be shown."
    return (
        f"{name} has {count(seen.responders)} responders of '{seen.name}', version {seen.version}: "
        f"{sides_told(seen, units)}."
    )


def ask_record(seen: CampaignOutcome, file: str, name: str, before: CampaignOutcome | None, units: Units) -> str:
    """Say what the file holds and what would be recorded, and ask.

    Args:
        seen: what would be recorded.
        file: the name under which the file was kept.
        name: what the person calls it.
        before: what was recorded for this version already.
        units: what users are called.
    """
    lines = [f"<p><strong>{escape(file_told(seen, name, units))}</strong></p>"]
    if seen.uplift:
        mid, low, high = (f"{100 * each:+.1f}" for each in (seen.uplift.mid, seen.uplift.low, seen.uplift.high))
        lines.append(f"<p>That is an uplift of {mid} points ({low} to {high}).</p>")
    lines += [f'<p class="quiet">{escape(note)}</p>' for note in seen.notes]
    if before:
        lines.append(
            f'<p class="quiet">It counts in place of what was recorded on {day(before.recorded)}, which stays in the '
            "audit trail.</p>"
        )
    return _asked("Record this outcome?", seen, "".join(lines), file)


def ask_count(saved: SavedAudience) -> str:
    """Ask whether to count in the data, where nobody brought a file."""
    told = (
        f"<p>Count who of '{escape(saved.name)}', version {saved.version}, did what its sentence says, by the events "
        "of the data, and record that as its outcome.</p>"
    )
    return _asked("Count in the data?", saved, told, "")


def _asked(title: str, one: CampaignOutcome | SavedAudience, body: str, file: str) -> str:
    audience = one.audience_id if isinstance(one, CampaignOutcome) else one.id
    return (
        f'<section class="card panel" role="region" aria-label="{title}"><h3>{title}</h3>'
        f'<form data-act="record" data-of="{escape(audience)}">{body}'
        f'<input type="hidden" name="version" value="{one.version}">'
        f'<input type="hidden" name="file" value="{escape(file)}">'
        '<div class="actions"><button type="submit" class="primary">Yes, record it</button>'
        '<button type="button" data-act="leave">Cancel</button></div></form></section>'
    )


def recorded(one: CampaignOutcome, units: Units) -> str:
    """What was recorded."""
    told = f"Recorded for '{one.name}', version {one.version}: {sides_told(one, units)}."
    return (
        f'<section class="card panel done" role="status"><p>{escape(told)}</p>'
        '<button type="button" class="close" data-act="leave" aria-label="Close">×</button></section>'
    )


def failed(text: str) -> str:
    """Why nothing was recorded."""
    return notice(text, "alert")
