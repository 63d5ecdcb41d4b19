"""One saved audience, opened: who is in it, what was forecast and came, who came and left, and where it is in use."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from agent.page.audiences.pictures import forecast_picture, versions_picture
from agent.page.audiences.table import COUNTING, owner_of, status_chip, status_of
from agent.page.cards import Units, count, day, percent, span, together
from tools.library_types import AudienceUse, AudienceUses, VersionChange
from tools.operation_types import CampaignOutcome, Drift, Estimate, ForecastRecord
from tools.types import SavedAudience


class OpenedAudience(NamedTuple):
    """What is known of the audience that is opened."""

    saved: SavedAudience
    history: Sequence[VersionChange]
    uses: AudienceUses
    record: ForecastRecord | None
    """Of its newest version; None while it is looked up."""
    outcome: CampaignOutcome | None
    drift: Drift | str | None


ADDRESS = """
const there = () => new URLSearchParams(location.search).get('id') ?? '';
watch('value', () => {
    const one = element.querySelector('article.opened');
    if (one && there() !== one.dataset.of) history.replaceState({}, '', `?id=${one.dataset.of}`);
    if (there() && !element.querySelector('.back')) history.replaceState({}, '', location.pathname);
});
window.addEventListener('popstate', () => trigger('select', {act: 'visit', of: there()}));
"""
"""The address names the audience that is open, and the browser's way back closes it."""

BACK = '<p class="back"><a href="/audiences" data-act="visit">All audiences</a></p>'


def opened(one: OpenedAudience, units: Units) -> str:
    """All of it, the actions on top."""
    saved = one.saved
    notes = "".join(f"<li>{escape(note)}</li>" for note in saved.notes)
    noted = f'<section class="card"><h3>Notes</h3><ul class="notes">{notes}</ul></section>' if notes else ""
    return (
        f'{BACK}<article class="opened" data-of="{escape(saved.id)}" aria-label="{escape(saved.name)}">'
        f'{_head(one, units)}<div class="sheets"><div>{_became(one, units)}{_used(one.uses)}{noted}</div>'
        f"<div>{_over_time(one, units)}</div></div></article>"
    )


def missing(name: str) -> str:
    """What a link says that leads to no audience."""
    return (
        f'{BACK}<section class="empty"><h2>This audience is not here</h2><p>No saved audience has the id '
        f"'{escape(name[:60])}'. It may have been deleted, or the link was cut short.</p>"
        '<p><a class="go" href="/audiences" data-act="visit">Show all audiences</a></p></section>'
    )


def _head(one: OpenedAudience, units: Units) -> str:
    saved = one.saved
    facts = (
        ("Size", f"{units.number(saved.users)} {escape(units.many)}"),
        ("Held out", "withheld" if saved.holdout is None else count(saved.holdout)),
        ("As of", day(saved.as_of)),
        ("Version", f"{saved.version}, saved {day(saved.created)}"),
        ("Owner", escape(owner_of(saved.approved_by))),
    )
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f'<header class="card"><div class="title"><h2>{escape(saved.name)}</h2>'
        f"{status_chip(status_of(saved, one.uses))}</div>"
        f'<p class="sentence">{together(escape(saved.definition))}</p>'
        f'<dl class="facts">{shown}</dl>{_actions(saved)}</header>'
    )


def _actions(saved: SavedAudience) -> str:
    """What can be done with it; what cannot is not offered."""
    of = escape(saved.id)

    def button(act: str, words: str, kind: str = "") -> str:
        return f'<button type="button" class="{kind}" data-act="{act}" data-of="{of}">{words}</button>'

    if saved.archived is not None:
        both = button("take back", "Take back", "primary") + button("ask delete", "Delete")
        return f'<div class="actions">{both}</div>'
    export = button("ask export", "Export", "primary") if saved.users is not None else ""
    ask = f'<a class="button" href="/?audience={of}">Duplicate in Ask</a>' if saved.spec is not None else ""
    refresh = button("ask refresh", "Refresh") if saved.spec is not None else ""
    others = button("ask rename", "Rename") + button("archive", "Archive") + button("ask delete", "Delete")
    return f'<div class="actions">{export}{ask}{refresh}{others}</div>'


# --- what became of it ----------------------------------------------------------------------------


def _became(one: OpenedAudience, units: Units) -> str:
    return f'<section class="card"><h3>Forecast and outcome</h3>{_forecast(one, units)}{_brought(one, units)}</section>'


def _forecast(one: OpenedAudience, units: Units) -> str:
    forecast, record = one.saved.forecast, one.record
    if forecast is None:
        why = "It was combined from others, so nothing was forecast." if one.saved.spec is None else "None was kept."
        return f'<p class="quiet">{why}</p>'
    responders = record.responders if record else None
    said = f"{span(forecast)} of them expected to do it, in 8 of 10 cases."
    if record is None:
        came = COUNTING
    elif record.status == "open" and record.until:
        came = f"Open until {day(record.until)}."
    elif responders is None:
        came = escape(record.note or "What came is not counted.")
    else:
        judged = "the forecast was kept" if record.status == "kept" else "the forecast was missed"
        came = f"{count(responders)} did it: {judged}."
    return f"{forecast_picture(forecast, responders)}<p>{said} <strong>{came}</strong></p>"


def _brought(one: OpenedAudience, units: Units) -> str:
    """The outcome that was recorded, with its uplift; and the way to bring one."""
    link = f'<a href="/results?audience={escape(one.saved.id)}">Bring an outcome</a>'
    if one.outcome is None:
        return f'<p class="quiet">No outcome was brought yet. {link}</p>'
    found = one.outcome
    uplift = f"<p>{uplift_told(found.uplift)}</p>" if found.uplift else ""
    where = "a file" if found.source == "file" else "the data"
    told = f"Outcome of version {found.version}, from {where}, recorded {day(found.recorded)}."
    return f'{uplift}<p class="quiet">{told} {link}</p>'


def uplift_told(uplift: Estimate) -> str:
    """The difference that contact made, in percentage points, with its interval."""
    mid, low, high = (f"{100 * each:+.1f}" for each in (uplift.mid, uplift.low, uplift.high))
    if uplift.low > 0:
        verdict = "more than among those held out"
    elif uplift.high < 0:
        verdict = "less than among those held out"
    else:
        verdict = "against those held out, which may be chance"
    return f"Uplift: <strong>{mid} points</strong> ({low} to {high}, 95 % interval), {verdict}."


# --- over time ------------------------------------------------------------------------------------


def _over_time(one: OpenedAudience, units: Units) -> str:
    picture = versions_picture(one.history, units)
    rows = "".join(_version(each, units) for each in reversed(one.history))
    return (
        f'<section class="card"><h3>Over time</h3>{_drift(one.drift, units)}{picture}<table class="history"><thead><tr>'
        '<th scope="col">Version</th><th scope="col">Size</th><th scope="col">Came</th><th scope="col">Left</th>'
        f'<th scope="col">Saved by</th></tr></thead><tbody>{rows}</tbody></table>{_by_schedule(one.saved)}</section>'
    )


def _version(one: VersionChange, units: Units) -> str:
    first = one.stayed is None and one.came is None and one.left is None and one.version == 1
    came, left = ("–", "–") if first else (units.number(one.came), units.number(one.left))
    return (
        f'<tr><th scope="row">{one.version}<small>as of {day(one.as_of)}</small></th><td>{units.number(one.users)}</td>'
        f"<td>{came}</td><td>{left}</td>"
        f"<td>{escape(owner_of(one.approved_by))}<small>{day(one.created)}</small></td></tr>"
    )


def _drift(found: Drift | str | None, units: Units) -> str:
    if found is None:
        return f'<p class="quiet">Drift: {COUNTING}</p>'
    if isinstance(found, str):
        return f'<p class="quiet">Drift is not known: {escape(found)}</p>'
    moved = f"{units.number(found.came)} would come and {units.number(found.left)} would leave"
    said = f"Asked again as of {day(found.checked)}, {moved}; {percent(found.moved)} moved more than chance explains."
    if not found.drifted:
        return f'<p class="quiet">No drift. {said}</p>'
    why = {"members": "other people would be in it now", "calibration": "what came is not what was forecast"}
    reasons = " and ".join(why[each] for each in found.reasons)
    return f"<p><strong>It has drifted: {reasons}.</strong> {said}</p>"


def _by_schedule(saved: SavedAudience) -> str:
    if saved.spec is None:
        return '<p class="quiet">A combination is not refreshed; refresh its parts, and combine them again.</p>'
    return (
        '<p class="quiet">Nothing refreshes it by itself. To refresh all audiences by schedule, have the machine run '
        "<code>audience refresh --all</code> after the data was prepared.</p>"
    )


# --- where it is in use ---------------------------------------------------------------------------

_USES = {
    "live": "Live at {what}",
    "sent": "Sent to {what}",
    "file": "File for {what}",
    "combination": "Part of {what}",
    "condition": "Condition of {what}",
}


def _used(uses: AudienceUses) -> str:
    head = '<section class="card"><h3>Where it is used</h3>'
    if not uses.uses and not uses.files:
        nowhere = "Nowhere yet: it was not exported, and no other audience is made with it."
        return f'{head}<p class="quiet">{nowhere}</p></section>'
    rows = "".join(_use(each) for each in uses.uses)
    files = "".join(
        f'<li><a href="/exports/{quote(name)}" download="{escape(name)}">Download {escape(Path(name).name)}</a></li>'
        for name in uses.files
    )
    kept = f'<ul class="files">{files}</ul>' if files else ""
    return f'{head}<ul class="uses">{rows}</ul>{kept}</section>'


def _use(one: AudienceUse) -> str:
    what = escape(one.what) or "a table of users"
    if one.audience_id:
        of = escape(one.audience_id)
        what = f'<a href="/audiences?id={of}" data-act="visit" data-of="{of}">{what}</a>'
    rows = f", {count(one.users)} rows" if one.users is not None else ""
    version = f", version {one.version}" if one.version else ""
    when = f"<small>{day(one.time)}{version}{rows}</small>" if one.time else ""
    return f"<li><span>{_USES[one.kind].format(what=what)}</span>{when}</li>"
