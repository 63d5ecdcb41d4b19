"""The cards of the page as HTML, and the numbers and dates in them."""

import re
from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path
from string import punctuation
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from agent.models.chat import RULES
from agent.models.usage import Usage, usage_line
from agent.state import AudienceDraft
from prompts.loader import reply
from tools.audiences.disclosure import number_text
from tools.types import DataCard, ExportFile, Interval, Overlap, ProfileRow, SampleUser, SavedAudience, SizeEstimate

if TYPE_CHECKING:
    from tools.audiences.catalogue import Learning

_LITERAL = str.maketrans({sign: f"\\{sign}" for sign in punctuation})


def count(number: float) -> str:
    """A number of users, rounded, with thousands separated: 2317.2 -> '2,317'."""
    return f"{round(number):,}"


def span(interval: Interval) -> str:
    """The 80 % interval of a number of users: '110 to 170'."""
    return f"{count(interval.low)} to {count(interval.high)}"


def percent(share: float) -> str:
    """A share of 0..1 as a percentage that keeps one decimal only where it says something."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def times(ratio: float) -> str:
    """How many times the average: '3.9'."""
    return f"{ratio:.1f}"


def day(moment: date) -> str:
    """A date as people write it: '1 October 2017'."""
    return f"{moment.day} {moment:%B %Y}"


def together(text: str) -> str:
    """Text in which a number and its percent sign stay on one line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def literal(text: str) -> str:
    """Text that a markdown reader shows exactly as it was typed: no markup, no links, no pictures."""
    return text.translate(_LITERAL)


BAR_LIMIT = 400.0
"""Bars stop growing at four times the average, so that one rare habit does not flatten the others."""


class Units(NamedTuple):
    """What one user is called in this data, such as household and households."""

    one: str
    many: str
    fewest: int
    """Counts of fewer are withheld."""

    def number(self, users: float | None) -> str:
        """How many users, in words where they are too few to be counted."""
        return number_text(users, self.fewest)


def units_of(card: DataCard) -> Units:
    """What one user is called in the data of ``card``."""
    return Units(card.unit, card.unit_plural, card.minimum_size)


PLACES = {"": "Ask", "audiences": "Audiences", "results": "Results", "data": "Data", "settings": "Settings"}
"""The title of each place of the page, by its path."""


def masthead(here: str, card: DataCard | None, talking: str) -> str:
    """The line at the top: the name, the places with the one that is open, the as-of date, and what is talking."""
    links = "".join(f'<a href="/{path}"{_open(path == here)}>{title}</a>' for path, title in PLACES.items())
    pills = []
    if card:
        pills = [f"{count(card.population)} {escape(card.unit_plural)}", f"as of {day(card.as_of)}"]
    if talking:
        pills.append(f"Talking: {escape(talking)}")
    labels = "".join(f"<span>{pill}</span>" for pill in pills)
    return (
        f'<header class="masthead"><h1 class="unseen">{PLACES[here]}</h1><a class="brand" href="/">Audience</a>'
        f'<nav aria-label="Places">{links}</nav><div class="pills">{labels}</div></header>'
    )


def place_head(title: str, line: str) -> str:
    """The title of a place, and in one line what it is for."""
    return f'<div class="place-head"><h2>{title}</h2><p>{line}</p></div>'


def about(card: DataCard, talking: str) -> str:
    """Where the numbers come from and how far to trust them, for the foot of a place with numbers on it."""
    told = [f"{card.title}.", card.note, *([reply("about_rules")] if talking == RULES else [])]
    return f'<p class="about">{escape(" ".join(told))}</p>'


def _open(here: bool) -> str:
    return ' aria-current="page"' if here else ""


def notice(text: str, kind: str = "wait") -> str:
    """One plain sentence above the audience; ``kind`` is 'wait' (with a turning mark) or 'alert'."""
    if not text:
        return ""
    role, mark = ("alert", "!") if kind == "alert" else ("status", "")
    return f'<div class="notice {kind}" role="{role}"><i aria-hidden="true">{mark}</i><p>{escape(text)}</p></div>'


def learning(state: "Learning | None") -> str:
    """The small line under the chat while the reader of whole requests learns; nothing once it can read."""
    if state is None:
        return ""
    share = "" if state.share is None else f", {round(100 * state.share)} %"
    told = f"{escape(state.doing)}{share}. Until then I go by the words one by one; you can ask already."
    return f'<p class="usage" role="status">{told}</p>'


def usage(used: Usage | None) -> str:
    """The small line under the chat: what the language model has cost so far; nothing where none is asked."""
    line = usage_line(used)
    return f'<p class="usage">{escape(line)}</p>' if line else ""


def empty(card: DataCard | None) -> str:
    """What the right side shows before there is an audience: the way there, and what the data has."""
    steps = (
        ("Say it your way", "A vague wish is fine. Type it, or pick an example."),
        ("Answer a question or two", "Only where the answer changes who is reached."),
        ("See the audience", "How many, how sure, who they are and why each one is in."),
    )
    rows = "".join(
        f'<li><b aria-hidden="true">{number}</b><div><h3>{title}</h3><p>{text}</p></div></li>'
        for number, (title, text) in enumerate(steps, start=1)
    )
    has = ""
    if card and card.top_groups:
        groups = "".join(f"<span>{escape(group)}</span>" for group in card.top_groups[:10])
        has = f'<h3>What this data knows most about</h3><div class="pills">{groups}</div>'
    return f'<section class="empty"><h2>Your audience will appear here</h2><ol>{rows}</ol>{has}</section>'


def headline(size: SizeEstimate, units: Units) -> str:
    """Three figures: who is kept, how many of them will, how much better than everyone; and what to beware of.

    What carries ``data-live`` follows the handle of the reach curve.
    """
    warned = "".join(notice(text, "alert") for text in size.warnings)
    section = '<section class="headline" aria-label="Size of the audience"><h2 class="unseen">The audience</h2>'
    if size.responders is None or size.all_responders is None or size.precision is None or size.lift is None:
        few = f"{units.number(size.users)} of {units.number(size.eligible)} {escape(units.many)}."
        return f'{section}<p class="lead">{few[:1].upper()}{few[1:]}</p>{warned}</section>'
    many, eligible = escape(units.many), units.number(size.eligible)
    live = live_figures(size.responders, size.precision, size.lift, _average(size))
    tiles = (
        (_live("users", units.number(size.users)), many, f"the best {_live('kept', percent(size.cut))} of {eligible}"),
        (
            _live("expected", live["expected"]),
            "expected to do it",
            f"{_live('range', live['range'])}, in 8 of 10 cases",
        ),
        (_live("lift", live["lift"]) + " ×", "as many as at random", _live("part", live["part"])),
    )
    boxes = "".join(
        f'<div><span class="figure">{figure}</span><strong>{label}</strong><small>{detail}</small></div>'
        for figure, label, detail in tiles
    )
    return f'{section}<div class="tiles">{boxes}</div>{warned}</section>'


def live_figures(responders: Interval, precision: Interval, lift: float, average: float) -> dict[str, str]:
    """The figures that follow the handle of the reach curve, by name; ``average``: share of everyone who do it."""
    return {
        "expected": count(responders.mid),
        "range": span(responders),
        "lift": times(lift),
        "part": f"{percent(precision.mid)} do it, not {percent(average)}",
    }


def _live(name: str, text: str) -> str:
    return f'<span data-live="{name}">{text}</span>'


def told(size: SizeEstimate, units: Units) -> str:
    """The size in one paragraph, and the whole sentence where conditions are part of it."""
    said = f'<p class="quiet">{escape(size.sentence)}</p>' if size.conditions and size.sentence else ""
    if size.responders is None or size.all_responders is None or size.lift is None:
        return said
    eligible = units.number(size.eligible)
    passing = "" if size.eligible == size.population else f" that meet the conditions (of {count(size.population)})"
    sentence = (
        f"About {count(size.all_responders.mid)} of {eligible} {escape(units.many)}{passing} will do this within "
        f"{size.horizon_days} days ({span(size.all_responders)}). The audience keeps the best "
        f"{units.number(size.users)}: expect {count(size.responders.mid)} of them ({span(size.responders)}), "
        f"{times(size.lift)} times as many as at random."
    )
    return f'<p class="lead">{sentence}</p>{said}'


def joints(draft: AudienceDraft) -> str:
    """How the things of a sentence are joined, and its time: each is a button that changes it; nothing by hand."""
    parts = []
    if sum(not each.struck for each in draft.things) > 1:
        ways = (("any", "any of these"), ("all", "all of these"))
        buttons = "".join(
            f'<button type="button" data-act="join" data-of="{key}" aria-pressed="{str(draft.join == key).lower()}">'
            f"{text}</button>"
            for key, text in ways
        )
        parts.append(f'<span class="ways" role="group" aria-label="How many of the things">{buttons}</span>')
    if draft.days is not None:
        parts.append(
            f'<button type="button" class="when" data-act="when" aria-label="in the next {draft.days} days: change it">'
            f"in the next {draft.days} days</button>"
        )
    return f'<div class="joints">{"".join(parts)}</div>' if parts else ""


def how_read(size: SizeEstimate, units: Units) -> str:
    """What the sentence was read as, and how many each condition keeps."""
    parts = [_head("How it was read", "What the sentence stands for in this data, and what each condition does.")]
    if size.reads_as:
        pills = "".join(f"<span>{escape(group)}</span>" for group in size.reads_as)
        parts.append(f'<h4>The sentence stands for</h4><div class="pills">{pills}</div>')
    if conditions := _conditions(size, units):
        parts.append(f"<h4>Conditions</h4>{conditions}")
    if size.sentence:
        parts.append(f"<h4>In full</h4><p>{escape(size.sentence)}</p>")
    return f'<section class="read">{"".join(parts)}</section>'


def drag_hint() -> str:
    """What the handle of the curve is for, in a sentence."""
    return (
        '<p class="quiet">Drag the handle: a small audience is more certain, a large one misses fewer. '
        "The band holds in 8 of 10 cases.</p>"
    )


def _conditions(size: SizeEstimate, units: Units) -> str:
    rows = "".join(
        f"<li>{escape(one.condition)}: keeps {units.number(one.kept)}, leaves out {units.number(one.dropped)}</li>"
        for one in size.conditions
    )
    return f"<ul>{rows}</ul>" if rows else ""


def profile(rows: Sequence[ProfileRow], units: Units) -> str:
    """What these people have or do more than everyone, as bars around the line at 100."""
    habits = {f" Habits are what they {escape(row.field)}." for row in rows if row.kind == "behaviour"}
    sub = f"100 is the average of everyone; 200 is twice as common here.{''.join(sorted(habits))}"
    head = _head("What sets these people apart", sub)
    if not rows:
        return f"<section>{head}<p class='quiet'>Nothing stands out at this size.</p></section>"
    bars = "".join(_bar(row, units) for row in rows)
    ticks = "".join(_tick(at) for at in (0, 100, 200, 400))
    axis = f'<div class="axis" aria-hidden="true"><span></span><span>{ticks}</span></div>'
    title = '<p class="axis-title">Index against everyone (100 = average)</p>'
    return f'<section class="profile">{head}<ul>{bars}</ul>{axis}{title}</section>'


def samples(users: Sequence[SampleUser], units: Units) -> str:
    """A handful of masked users, each with the past events that put them in."""
    head = _head(f"Some of these {escape(units.many)}", "Names are masked. Each is here because of what it did before:")
    return f'<section class="samples">{head}<ul>{"".join(_sample(user) for user in users)}</ul></section>'


def saved(audiences: Sequence[tuple[SavedAudience, Overlap]], forecasts: Sequence[str], units: Units) -> str:
    """The saved audiences, what became of their forecasts, and how many of the present one are already in each.

    Args:
        audiences: each with its overlap with the present one, which is the ``a`` of it.
        forecasts: of each, the forecast and what became of it, as HTML.
        units: what users are called.
    """
    if not audiences:
        return ""
    pairs = zip(audiences, forecasts, strict=True)
    rows = "".join(_saved_row(one, shared, told, units) for (one, shared), told in pairs)
    head = _head("Saved audiences", f"And how many of the present {escape(units.many)} are already in each.")
    return (
        f'<section class="saved">{head}<table><thead><tr><th scope="col">Name</th><th scope="col">Size</th>'
        '<th scope="col">Expected to do it</th><th scope="col">Also in the present one</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def apart(title: str, text: str) -> str:
    """A card that can only say why it has nothing to show."""
    return f"<section>{_head(title, '')}{notice(text, 'alert')}</section>"


def keep_head(kept: SavedAudience | None, units: Units) -> str:
    """Whether the audience is saved, in few words."""
    if kept is None:
        return (
            '<p class="keeping"><b>Not saved yet</b> <small>A saved audience is a snapshot with its date.</small></p>'
        )
    users, held = units.number(kept.users), units.number(kept.holdout)
    told = f"Version {kept.version}: {users} as of {day(kept.as_of)}, {held} held out."
    links = (
        f'<a href="/audiences?id={quote(kept.id)}">Open it</a> <a href="/results?audience={quote(kept.id)}">'
        "Bring the outcome</a>"
    )
    return f'<p class="keeping"><b>Saved as {escape(kept.name)}</b> <small>{told}</small> {links}</p>'


def download(file: ExportFile) -> str:
    """The link to an exported file and what is in it."""
    name = Path(file.path).name
    held = f" {count(file.held_out)} are held out to measure the effect later." if file.held_out else ""
    return (
        f'<div class="download"><a href="/exports/{quote(name)}" download="{escape(name)}">Download {escape(name)}</a>'
        f"<p>{count(file.rows)} rows: {escape(', '.join(file.columns))}.{held}</p></div>"
    )


def _average(size: SizeEstimate) -> float:
    return size.all_responders.mid / size.eligible if size.all_responders and size.eligible else 0.0


def _head(title: str, sub: str) -> str:
    return f"<h3>{title}</h3>" + (f'<p class="quiet">{sub}</p>' if sub else "")


def _width(index: float) -> float:
    return round(100 * min(max(index, 0.0), BAR_LIMIT) / BAR_LIMIT, 1)


def _tick(index: int) -> str:
    last = f"{index}+" if index == BAR_LIMIT else str(index)
    return f'<i style="left:{_width(index)}%">{last}</i>'


def _bar(row: ProfileRow, units: Units) -> str:
    name = escape(row.value) if row.kind == "behaviour" else f"{escape(row.field)}: {escape(row.value)}"
    told = f"{percent(row.audience_share)} here, {percent(row.everyone_share)} of everyone"
    return (
        f'<li aria-label="{name}: index {row.index:.0f}, {told}"><span class="what" title="{name}">{name}'
        f"<small>{told}</small></span>"
        f'<span class="track" aria-hidden="true"><i style="width:{_width(row.index)}%"></i></span>'
        f'<b title="{units.number(row.users)} {escape(units.many)}">{row.index:.0f}</b></li>'
    )


def _sample(user: SampleUser) -> str:
    facts = "".join(
        f"<li><span>{escape(fact.item)}</span><small>{escape(fact.source)}, "
        f"{'once' if fact.times == 1 else f'on {fact.times} days'}, last on {day(fact.last)}</small></li>"
        for fact in user.evidence
    )
    return (
        f'<li><div class="who"><b>{escape(user.masked_id)}</b><span>{percent(user.probability)} likely</span></div>'
        f"<ul>{facts}</ul></li>"
    )


def _saved_row(one: SavedAudience, shared: Overlap, forecast: str, units: Units) -> str:
    also = f"{units.number(shared.both)} of {units.number(shared.users_a)}"
    return (
        f'<tr><th scope="row">{escape(one.name)} <small>version {one.version}, as of {day(one.as_of)}</small></th>'
        f"<td>{units.number(one.users)}</td><td>{forecast}</td><td>{also}</td></tr>"
    )
