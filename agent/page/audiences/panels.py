"""What is asked before something is done with saved audiences, with its numbers; and what is said once it is done."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape

from agent.page.audiences.pictures import regions_table
from agent.page.cards import Units, count, day, download, notice, percent
from tools.delivery.exports import KEPT_DAYS
from tools.library_types import AudienceUses, Region
from tools.operation_types import DestinationCard, Refreshed
from tools.types import ExportFile, ExportPlan, ProfileRow, SavedAudience

TABLE = "A table of users"
_JOINTS = {
    "and": ("Who is in all of them", "in all of them"),
    "or": ("Who is in any of them", "in any of them"),
    "not": ("Who is in the first and in no other", "in the first and in no other"),
}


def _panel(title: str, body: str, kind: str = "") -> str:
    return f'<section class="card panel {kind}" role="region" aria-label="{title}"><h3>{title}</h3>{body}</section>'


def _form(act: str, of: str, body: str, yes: str, value: str = "") -> str:
    """A form with its yes, and a no that only closes it."""
    sent = f' value="{value}"' if value else ""
    return (
        f'<form data-act="{act}" data-of="{escape(of)}">{body}<div class="actions">'
        f'<button type="submit" class="primary"{sent}>{yes}</button>'
        '<button type="button" data-act="leave">Cancel</button></div></form>'
    )


def done(text: str, undo: tuple[str, str, str] | None = None, more: str = "") -> str:
    """What was done, with what takes it back.

    Args:
        text: what was done.
        undo: the act that takes it back, what that is done to, and its words.
        more: HTML below.
    """
    button = ""
    if undo:
        act, of, words = undo
        button = f'<button type="button" data-act="{act}" data-of="{escape(of)}">{words}</button>'
    return (
        f'<section class="card panel done" role="status"><p>{escape(text)}</p>{button}'
        f'<button type="button" class="close" data-act="leave" aria-label="Close">×</button>{more}</section>'
    )


def failed(text: str) -> str:
    """Why something was not done."""
    return notice(text, "alert")


# --- rename, delete, refresh ----------------------------------------------------------------------


def ask_rename(saved: SavedAudience, wrong: str = "", tried: str = "") -> str:
    """Ask for the new name."""
    said = notice(wrong, "alert") if wrong else ""
    field = (
        f'<label>New name<input type="text" name="name" value="{escape(tried or saved.name)}" maxlength="120" '
        "required></label>"
    )
    told = '<p class="quiet">Versions, files and outcomes stay as they are; conditions on it follow.</p>'
    return _panel(f"Rename {escape(saved.name)}", said + _form("rename", saved.id, field + told, "Rename"))


def name_taken(other: SavedAudience) -> str:
    """Why an audience cannot be called like another, and what can be done instead."""
    return (
        f"'{other.name}' is another saved audience, version {other.version}. Take another name; to make this a new "
        "version of it, duplicate this one in Ask and save it under that name."
    )


def ask_delete(saved: SavedAudience, uses: AudienceUses, until: date | None) -> str:
    """Say what goes with it and how long it can be brought back, and ask.

    Args:
        saved: the audience.
        uses: where it is in use.
        until: the day on which it is gone for good; None: at once.
    """
    versions = "its one version" if saved.version == 1 else f"its {count(saved.version)} versions"
    files = f" and {count(len(uses.files))} exported file{'s' * (len(uses.files) != 1)}" if uses.files else ""
    lines = [f"This deletes {versions}, its outcomes{files}. Whoever is held out of it is held out no more."]
    if until is None:
        lines.append("It cannot be undone.")
    else:
        back = ", but without its files" if uses.files else ""
        lines.append(f"Until {day(until)} you can bring it back{back}; after that it is gone for good.")
    made = [each.what for each in uses.uses if each.kind in ("combination", "condition")]
    if made:
        lines.append(f"Made with it: {', '.join(made)}. Conditions on it fail while it is gone.")
    live = [each.what for each in uses.uses if each.kind in ("live", "sent")]
    if live:
        lines.append(f"What {', '.join(dict.fromkeys(live))} has of it stays there.")
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return _panel(f"Delete {escape(saved.name)}?", _form("delete", saved.id, body, "Yes, delete it"), "grave")


def ask_delete_for_good(audience: str, name: str) -> str:
    """Say that it cannot be undone, and ask."""
    body = "<p>Its versions, outcomes and counts are deleted now. This cannot be undone; audit lines stay.</p>"
    title = f"Delete {escape(name)} for good?"
    return _panel(title, _form("delete for good", audience, body, "Yes, delete it for good"), "grave")


def ask_refresh(saved: SavedAudience, day_proposed: date, last: date, wrong: str = "") -> str:
    """Ask for the day, and say what a refresh does."""
    first = saved.as_of
    said = notice(wrong, "alert") if wrong else ""
    field = (
        f'<label>As of<input type="date" name="day" value="{day_proposed}" min="{first}" max="{last}" required></label>'
        f"<p>Version {saved.version + 1} is saved with who fits then. Version {saved.version}, as of {day(first)}, "
        "stays; whoever stays, stays on their side of the holdout. A version cannot be taken back alone.</p>"
        f'<p class="quiet">The data reaches to {day(last)}.</p>'
    )
    title = f"Refresh {escape(saved.name)}"
    return _panel(title, said + _form("refresh", saved.id, field, "Save the new version"))


def refreshed(found: Refreshed, units: Units) -> str:
    """Who came and who left."""
    saved = found.saved
    return done(
        f"Version {saved.version} of '{saved.name}' is saved as of {day(saved.as_of)}: {units.number(saved.users)} "
        f"{units.many}; {units.number(found.came)} came, {units.number(found.left)} left."
    )


# --- export ---------------------------------------------------------------------------------------


def ask_export(saved: SavedAudience, destinations: Sequence[DestinationCard], wrong: str = "") -> str:
    """Ask where to and in which format."""
    said = notice(wrong, "alert") if wrong else ""
    options = "".join(
        f'<option value="{escape(each.key)}"{" disabled" if each.problem else ""}>{escape(_to(each))}</option>'
        for each in destinations
    )
    fields = (
        f'<div class="row"><label>For<select name="to"><option value="">{TABLE}</option>{options}</select></label>'
        '<label>Format<select name="format"><option value="csv">CSV</option><option value="parquet">Parquet</option>'
        '</select></label></div><p class="quiet">Ad platforms take CSV alone. Contacts leave as hashes only.</p>'
    )
    title = f"Export {escape(saved.name)}"
    return _panel(title, said + _form("plan export", saved.id, fields, "Show who would leave"))


def _to(one: DestinationCard) -> str:
    if one.problem:
        return f"{one.name}: {one.problem}"
    ways = {"file": "file to upload", "webhook": "sent there", "plugin": "sent there", "table": "rows in your database"}
    return f"{one.name} ({ways[one.kind]})"


def plan_export(saved: SavedAudience, plan: ExportPlan, to: DestinationCard | None, format: str, units: Units) -> str:
    """Who would leave, who would not and why; and ask."""
    rows = [f"<li><b>{count(plan.rows)}</b> {escape(units.many)} leave, of {units.number(saved.users)}</li>"]
    if plan.held_out:
        rows.append(f"<li><b>{count(plan.held_out)}</b> are held out to measure the effect</li>")
    rows += [f"<li>{escape(each.detail)}</li>" for each in plan.left_out]
    told = [each for each in plan.warnings if not each.startswith("Left out:")]
    warned = "".join(f'<p class="quiet">{escape(each)}</p>' for each in told)
    if to is None or to.kind == "file":
        after = f"A {'CSV' if format == 'csv' else 'Parquet'} file is written here, and deleted after {KEPT_DAYS} days."
    else:
        after = f"The list is sent to {to.name} at once. What was sent cannot be taken back."
    hidden = (
        f'<input type="hidden" name="to" value="{escape(to.key if to else "")}">'
        f'<input type="hidden" name="format" value="{escape(format)}">'
    )
    body = f'<ul class="leaving">{"".join(rows)}</ul>{warned}<p>{escape(after)}</p>{hidden}'
    yes = "Yes, write the file" if to is None or to.kind == "file" else f"Yes, send it to {escape(to.name)}"
    return _panel(f"Export {escape(saved.name)} for {escape(to.name if to else TABLE.lower())}?", _form(
        "export", saved.id, body, yes
    ))  # fmt: skip


def exported(saved: SavedAudience, file: ExportFile) -> str:
    """The file, or where it was sent."""
    if file.batches:
        parts = f"{count(file.batches)} batch{'es' * (file.batches != 1)}"
        return done(f"'{saved.name}' was sent to {file.platform}: {count(file.rows)} rows in {parts}.")
    return done(f"The file of '{saved.name}' is ready.", more=download(file))


# --- several of them ------------------------------------------------------------------------------


def compare(
    parts: Sequence[SavedAudience], regions: Sequence[Region], apart: Mapping[str, Sequence[ProfileRow]], units: Units
) -> str:
    """Who is in which of them, and what sets each apart."""
    names = [each.name for each in parts]
    cards = "".join(_apart(each, apart.get(each.name, ()), units) for each in parts)
    close = '<div class="actions"><button type="button" data-act="leave">Close</button></div>'
    return _panel(
        "Compared",
        f"{regions_table(regions, names, units)}<h4>What sets each apart</h4>"
        f'<p class="quiet">100 is as common as in all of them together.</p><div class="apart">{cards}</div>{close}',
    )


def _apart(saved: SavedAudience, rows: Sequence[ProfileRow], units: Units) -> str:
    size = f"{units.number(saved.users)} {escape(units.many)}"
    if not rows:
        body = '<p class="quiet">Nothing stands out.</p>'
    else:
        lines = "".join(
            f"<li><span>{escape(row.value) if row.kind == 'behaviour' else escape(f'{row.field}: {row.value}')}"
            f"<small>{percent(row.audience_share)} here, {percent(row.everyone_share)} of all</small></span>"
            f"<b>{row.index:.0f}</b></li>"
            for row in rows
        )
        body = f"<ul>{lines}</ul>"
    return f"<div><h5>{escape(saved.name)} <small>{size}</small></h5>{body}</div>"


def ask_combine(
    parts: Sequence[SavedAudience],
    units: Units,
    operation: str = "or",
    name: str = "",
    counted: tuple[int | None] | None = None,
    taken: SavedAudience | None = None,
) -> str:
    """Ask how to combine them; once counted, with the number, and where the name exists, whether to add a version.

    Args:
        parts: the audiences, the first one first.
        units: what users are called.
        operation: 'and', 'or' or 'not'.
        name: what was typed.
        counted: how many the combination has; None where it was not counted yet.
        taken: the audience that has the name already.
    """
    joints = "".join(
        f'<label><input type="radio" name="operation" value="{key}"{" checked" * (key == operation)}>{title}</label>'
        for key, (title, _) in _JOINTS.items()
    )
    firsts = "".join(
        f'<option value="{escape(each.id)}"{" selected" * (each is parts[0])}>{escape(each.name)}</option>'
        for each in parts
    )
    hidden = "".join(f'<input type="hidden" name="audience" value="{escape(each.id)}">' for each in parts)
    fields = (
        f"{hidden}<fieldset><legend>Combine {count(len(parts))} audiences</legend>{joints}</fieldset>"
        f'<div class="row"><label>The first of them<select name="first">{firsts}</select></label>'
        f'<label>Name<input type="text" name="name" value="{escape(name)}" maxlength="120" '
        f'placeholder="{escape(" + ".join(each.name for each in parts)[:80])}"></label></div>'
    )
    if counted is None:
        return _panel("Combine", _form("count combination", "", fields, "Count"))
    [users] = counted
    said = f"<p><b>{units.number(users)} {escape(units.many)}</b> are {_JOINTS[operation][1]}.</p>"
    buttons = '<button type="submit">Count again</button><button type="button" data-act="leave">Cancel</button>'
    if taken is None:
        yes = '<button type="submit" class="primary" value="combine">Save it</button>'
    else:
        exists = f"'{taken.name}' exists, version {taken.version}. Save it as its next version, or change the name."
        said += notice(exists, "alert")
        fields += f'<input type="hidden" name="version" value="{taken.version + 1}">'
        yes = f'<button type="submit" class="primary" value="combine">Save as version {taken.version + 1}</button>'
    undo = '<p class="quiet">It keeps who is held out of its parts held out, and can be deleted again.</p>'
    return _panel(
        "Combine",
        f'<form data-act="count combination">{fields}{said}{undo}<div class="actions">{yes}{buttons}</div></form>',
    )
