"""The library as a table: every saved audience in a row, to be searched, sorted, filtered and chosen from."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from agent.page.cards import Units, count, day, percent, span, together
from tools.library_types import AudienceUses, DeletedAudience
from tools.operation_types import Drift, ForecastRecord
from tools.types import SavedAudience

COUNTING = "…"
"""Stands where something is still being looked up."""

SORTING = """
const state = {words: '', status: 'in use', sort: 'date', down: true, chosen: new Set()};
const all = query => [...element.querySelectorAll(query)];
const value = (row, key) => {
    const cell = row.querySelector(`[data-key="${key}"]`), text = cell?.dataset.value ?? '';
    return text !== '' && !isNaN(text) ? Number(text) : text;
};
const apply = () => {
    const rows = all('tbody.rows > tr');
    if (!rows.length) return;
    const words = state.words.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
        const fits = state.status === 'all' || row.dataset.status === state.status ||
            (state.status === 'in use' && row.dataset.status !== 'archived');
        row.hidden = !(fits && words.every(word => row.dataset.words.includes(word)));
        shown += row.hidden ? 0 : 1;
        const box = row.querySelector('input');
        if (row.hidden) state.chosen.delete(box.value);
        box.checked = state.chosen.has(box.value);
    }
    rows.sort((a, b) => {
        const x = value(a, state.sort), y = value(b, state.sort);
        if (x === '' || y === '') return (x === '') - (y === '');
        const order = typeof x === typeof y && typeof x === 'number' ? x - y : String(x).localeCompare(String(y));
        return state.down ? -order : order;
    });
    rows.forEach(row => row.parentElement.append(row));
    for (const head of all('th[data-sort]')) {
        const here = head.dataset.sort === state.sort;
        head.setAttribute('aria-sort', here ? (state.down ? 'descending' : 'ascending') : 'none');
    }
    for (const each of all('[data-status-filter]'))
        each.setAttribute('aria-pressed', String(each.dataset.statusFilter === state.status));
    const many = element.querySelector('.shown');
    if (many) many.textContent = shown ? '' : 'No audience fits; clear the search or choose All.';
    const none = element.querySelector('table.library');
    if (none) none.classList.toggle('none', !shown);
    choose();
};
const choose = () => {
    const number = state.chosen.size, bar = element.querySelector('.chosen');
    if (!bar) return;
    bar.classList.toggle('some', number > 0);
    bar.querySelector('.number').textContent = number === 0 ? 'Tick two or three to compare or combine them.' :
        number === 1 ? '1 chosen: tick another to compare or combine them.' : `${number} chosen`;
    bar.querySelector('[value="compare"]').disabled = number < 2 || number > 3;
    bar.querySelector('[value="ask combine"]').disabled = number < 2;
};
element.addEventListener('input', event => {
    if (event.target.matches('[type="search"]')) { state.words = event.target.value; apply(); }
    if (event.target.matches('[name="audience"]')) {
        state.chosen[event.target.checked ? 'add' : 'delete'](event.target.value);
        choose();
    }
});
element.addEventListener('click', event => {
    const filter = event.target.closest('[data-status-filter]'), head = event.target.closest('th[data-sort]');
    if (filter) { state.status = filter.dataset.statusFilter; apply(); }
    if (head && event.target.closest('button')) {
        state.down = state.sort === head.dataset.sort ? !state.down : head.dataset.first === 'down';
        state.sort = head.dataset.sort;
        apply();
    }
});
let typing = null;
element.addEventListener('focusin', event => {
    typing = event.target.matches('[type="search"]') ? event.target : null;
});
const again = () => {
    const search = element.querySelector('[type="search"]');
    if (search) {
        const focused = typing && !typing.isConnected;
        search.value = state.words;
        if (focused) { search.focus(); search.setSelectionRange(search.value.length, search.value.length); }
    }
    apply();
};
watch('value', again);
again();
"""
"""Searching, sorting, filtering and choosing happen where the table is, so that they answer at once."""

_FILTERS = (
    ("in use", "In use"), ("saved", "Saved"), ("active", "Active"), ("too small", "Too small"),
    ("archived", "Archived"), ("all", "All"),
)  # fmt: skip
_HEADS = (
    ("name", "Name and definition", "up"), ("size", "Size", "down"), ("status", "Status", "up"),
    ("expected", "Forecast and outcome", "down"), ("drift", "Drift", "down"), ("date", "As of", "down"),
    ("owner", "Owner", "up"),
)  # fmt: skip


class Status(NamedTuple):
    """Where a saved audience stands."""

    key: str
    words: str


class LibraryRow(NamedTuple):
    """What the table knows of one saved audience."""

    saved: SavedAudience
    uses: AudienceUses
    record: ForecastRecord | None
    """What became of its forecast; None where that is not known yet."""
    drift: Drift | str | None
    """Why it cannot be asked again, where it is words; None where it was not yet."""


def status_of(saved: SavedAudience, uses: AudienceUses) -> Status:
    """Archived, too small to be shown or exported, active somewhere, or saved."""
    if saved.archived is not None:
        return Status("archived", "Archived")
    if saved.users is None:
        return Status("too small", "Too small")
    live = list(dict.fromkeys(each.what for each in uses.uses if each.kind in ("live", "sent")))
    if live:
        more = f" and {len(live) - 1} more" if len(live) > 1 else ""
        return Status("active", f"Active at {live[0]}{more}")
    return Status("saved", "Saved")


def owner_of(approved_by: str) -> str:
    """Who said yes, as people read it; a conversation of the page is named by what it is."""
    return "you, in Ask" if approved_by.startswith("chat ") else approved_by


def library(rows: Sequence[LibraryRow], deleted: Sequence[DeletedAudience], units: Units) -> str:
    """The table with its search and filters, and below it what was deleted; without any audience, what to do first."""
    if not rows:
        return empty() + _deleted(deleted)
    heads = "".join(
        f'<th scope="col" data-sort="{key}" data-first="{first}"><button type="button">{title}</button></th>'
        for key, title, first in _HEADS
    )
    filters = "".join(
        f'<button type="button" data-status-filter="{key}" aria-pressed="false">{title}</button>'
        for key, title in _FILTERS
    )
    return (
        '<form data-act="compare" class="shelf" aria-label="Saved audiences"><div class="tools">'
        '<label><span class="unseen">Search in names, definitions and owners</span>'
        '<input type="search" placeholder="Search names, definitions, owners" autocomplete="off"></label>'
        f'<div class="filters" role="group" aria-label="Show">{filters}</div></div>'
        '<div class="chosen"><span class="number" aria-live="polite"></span>'
        '<button type="submit" value="compare" disabled>Compare</button>'
        '<button type="submit" value="ask combine" disabled>Combine</button></div>'
        f'<table class="library"><thead><tr><th scope="col"><span class="unseen">Choose</span></th>{heads}</tr></thead>'
        f'<tbody class="rows">{"".join(_row(each, units) for each in rows)}</tbody></table>'
        f'<p class="shown quiet" role="status"></p></form>{_deleted(deleted)}'
    )


def empty() -> str:
    """What stands there before anything is saved."""
    return (
        '<section class="empty"><h2>Nothing is saved yet</h2><p>Say whom you want to reach; once you save the '
        "audience, it stands here with its size, its forecast, and later what came of it.</p>"
        '<p><a class="go" href="/">Ask for an audience</a></p></section>'
    )


def _deleted(deleted: Sequence[DeletedAudience]) -> str:
    if not deleted:
        return ""
    rows = "".join(
        f"<li><span><b>{escape(each.name)}</b> <small>deleted on {day(each.deleted)} by {escape(each.deleted_by)}, "
        f"gone for good on {day(each.until)}</small></span>"
        f'<button type="button" data-act="bring back" data-of="{escape(each.id)}" '
        f'aria-label="Bring back {escape(each.name)}">Bring back</button>'
        f'<button type="button" data-act="ask delete for good" data-of="{escape(each.id)}" '
        f'aria-label="Delete for good {escape(each.name)}">Delete for good</button></li>'
        for each in deleted
    )
    many = f"{count(len(deleted))} recently deleted"
    return f'<details class="deleted"><summary>{many}</summary><ul>{rows}</ul></details>'


def _row(one: LibraryRow, units: Units) -> str:
    saved, status = one.saved, status_of(one.saved, one.uses)
    owner = owner_of(saved.approved_by)
    words = " ".join((saved.name, saved.definition, owner, status.words)).casefold()
    expected = saved.forecast.mid if saved.forecast else ""
    moved = one.drift.moved if isinstance(one.drift, Drift) else ""
    address = f"/audiences?id={escape(saved.id)}"
    return (
        f'<tr data-status="{status.key}" data-words="{escape(words)}">'
        f'<td class="pick"><input type="checkbox" name="audience" value="{escape(saved.id)}" '
        f'aria-label="Choose {escape(saved.name)}"></td>'
        f'<th scope="row" data-key="name" data-value="{escape(saved.name.casefold())}">'
        f'<a href="{address}" data-act="visit" data-of="{escape(saved.id)}">{escape(saved.name)}</a>'
        f'<small class="clip">{together(escape(saved.definition))}</small></th>'
        f'<td data-key="size" data-value="{saved.users or 0}" data-label="Size">{units.number(saved.users)}</td>'
        f'<td data-key="status" data-value="{status.words}" data-label="Status">{status_chip(status)}</td>'
        f'<td data-key="expected" data-value="{expected}" data-label="Forecast">{forecast_cell(saved, one.record)}</td>'
        f'<td data-key="drift" data-value="{moved}" data-label="Drift">{_drift(one.drift)}</td>'
        f'<td data-key="date" data-value="{saved.as_of} {saved.created}" data-label="As of">{day(saved.as_of)}'
        f"<small>version {saved.version}</small></td>"
        f'<td data-key="owner" data-value="{escape(owner.casefold())}" data-label="Owner">{escape(owner)}</td></tr>'
    )


def status_chip(status: Status) -> str:
    """The status as a small label."""
    return f'<span class="chip {status.key.replace(" ", "-")}">{escape(status.words)}</span>'


def forecast_cell(saved: SavedAudience, record: ForecastRecord | None) -> str:
    """How many were expected, and what became of it; a dash where nothing was forecast."""
    if saved.forecast is None:
        return "–"
    expected = f"{span(saved.forecast)} expected"
    if record is None:
        return f"{expected}<small>{COUNTING}</small>"
    if record.status == "open" and record.until:
        return f"{expected}<small>open until {day(record.until)}</small>"
    if record.responders is None:
        return f"{expected}<small>{escape(record.status)}</small>"
    mark = '<b class="kept">kept</b>' if record.status == "kept" else '<b class="missed">missed</b>'
    return f"{expected}<small>{count(record.responders)} did it: {mark}</small>"


def _drift(found: Drift | str | None) -> str:
    if found is None:
        return COUNTING
    if isinstance(found, str):
        return f'<span title="{escape(found)}">–</span>'
    said = '<b class="missed">drifted</b>' if found.drifted else "as saved"
    why = "outcome off" if found.reasons == ("calibration",) else f"{percent(found.moved)} moved"
    return f"{said}<small>{together(why)}</small>"
