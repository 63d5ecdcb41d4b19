"""The catalogue as a tree: sources, their groups, and what is known of a group. What is open stands in every button."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.page.cards import Units, count, notice, percent, span, times
from agent.page.pieces import tiles
from agent.reading.wording import Parts, verb
from encoders.data.events import ACTIVE_DAYS
from encoders.errors import RequestError
from tools.operation_types import CataloguePage, GroupCard
from tools.types import AudienceSpec, DataCard, GroupHit, SizeEstimate

if TYPE_CHECKING:
    from tools.service import AudienceService

FIRST, MORE = 14, 36
"""Groups that a branch shows when it is opened, and that each click adds."""
_MOST = 5000
_FOUND = 12


class Open(BaseModel):
    """What of the tree is open; it travels in the buttons, so that the page keeps nothing for a browser."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("", max_length=500)
    groups: int = Field(FIRST, ge=1, le=_MOST, description="of the source that are shown")
    group: str = Field("", max_length=500)
    of: str = Field("", max_length=500, description="the source of the group")
    words: str = Field("", max_length=200, description="that were looked for")

    @classmethod
    def read(cls, text: str) -> "Open":
        """What a button says.

        Raises:
            RequestError: it is none of ours.
        """
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            raise RequestError("This part of the catalogue is not there any more; load the page again.") from None

    def but(self, **changes: object) -> "Open":
        """The same with changes."""
        return self.model_copy(update=changes)


class Branch(NamedTuple):
    """A source, and its groups where it is open."""

    source: str
    groups: CataloguePage | None
    total: int


class Group(NamedTuple):
    """A group, the sentence that asks for it, and how well that is forecast."""

    card: GroupCard
    sentence: str
    size: SizeEstimate | None
    """None where it cannot be asked for."""


def branches(service: "AudienceService", opened: Open) -> tuple[Branch, ...]:
    """The sources, with the groups of the one that is open."""
    found = []
    for source in service.browse(size=50).names:
        if source != opened.source:
            found.append(Branch(source, None, service.browse(source, size=1).total))
            continue
        names: list[str] = []
        page = service.browse(source, size=50)
        for number in range((opened.groups + 49) // 50):
            names += (page if not number else service.browse(source, number, 50)).names
        shown = page.model_copy(update={"names": tuple(names[: opened.groups])})
        found.append(Branch(source, shown, page.total))
    return tuple(found)


def looked_up(service: "AudienceService", group: str, source: str, card: DataCard) -> Group:
    """A group with its forecast.

    Raises:
        RequestError: there is no such group.
    """
    found = service.describe_group(group, source)
    parts = Parts(items=(found.group,), action=found.action, days=card.horizon_days)
    sentence = parts.sentence(card.unit_plural)
    try:
        size = service.size(AudienceSpec(demand=sentence))
    except RequestError:
        size = None
    return Group(found, sentence, size)


def search(service: "AudienceService", words: str) -> tuple[GroupHit, ...]:
    """The groups nearest to some words; none for no words."""
    return service.search_groups(words, _FOUND) if words.strip() else ()


def tree(found: Sequence[Branch], opened: Open, hits: Sequence[GroupHit] = ()) -> str:
    """The tree; where something was looked for, the groups that were found instead."""
    if opened.words:
        return _hits(hits, opened)
    if not found:
        return notice("The data has no sources yet; 'audience prepare' reads some.", "alert")
    return f'<ul class="tree" aria-label="Catalogue">{"".join(_branch(each, opened) for each in found)}</ul>'


def _branch(branch: Branch, opened: Open) -> str:
    is_open = branch.groups is not None
    to = Open() if is_open else Open(source=branch.source, group=opened.group, of=opened.of)
    expanded, acts = str(is_open).lower(), _to(to, f"source {branch.source}")
    head = (
        f'<button type="button" class="branch" aria-expanded="{expanded}" {acts}>'
        f"<span>{escape(branch.source)}</span><small>{count(branch.total)} groups</small></button>"
    )
    if branch.groups is None:
        return f"<li>{head}</li>"
    leaves = "".join(_leaf(name, branch.source, opened) for name in branch.groups.names)
    left = branch.total - len(branch.groups.names)
    if left > 0:
        more = opened.but(groups=min(_MOST, opened.groups + MORE))
        label = f"Show {count(min(left, MORE))} more of {count(branch.total)}"
        leaves += f'<li><button type="button" class="more" {_to(more, f"more {opened.groups}")}>{label}</button></li>'
    return f"<li>{head}<ul>{leaves}</ul></li>"


def _leaf(name: str, source: str, opened: Open, beside: str = "") -> str:
    here = (name, source) == (opened.group, opened.of)
    current = ' aria-current="true"' if here else ""
    to = opened.but(group=name, of=source)
    return (
        f'<li><button type="button" class="leaf"{current} {_to(to, f"group {source} {name}")}>'
        f"<span>{escape(name)}</span>{beside}</button></li>"
    )


def _hits(hits: Sequence[GroupHit], opened: Open) -> str:
    if not hits:
        return f'<p class="quiet" role="status">Nothing in the data is near “{escape(opened.words)}”.</p>'
    leaves = "".join(_leaf(each.group, each.source, opened, f"<small>{escape(each.source)}</small>") for each in hits)
    back = f'<button type="button" class="more" {_to(Open(), "back")}>Show the whole catalogue</button>'
    told = f"Nearest to “{escape(opened.words)}”, best first"
    return f'<p class="quiet" role="status">{told}</p><ul class="tree found" aria-label="Found">{leaves}</ul>{back}'


def _to(opened: Open, key: str) -> str:
    of = escape(opened.model_dump_json(exclude_defaults=True))
    return f'data-act="browse" data-key="{escape(key)}" data-of="{of}"'


def nothing_chosen() -> str:
    """What stands beside the tree before a group is chosen."""
    return (
        "<section><h3>What do people do?</h3><p class='quiet'>Choose a group: you see who did it lately, how often "
        "they come back for it, and how well it can be forecast.</p></section>"
    )


def group_card(found: Group, data: DataCard, units: Units) -> str:
    """What is known of a group, and the way to ask for those who will do it."""
    card = found.card
    figures = (_users(card, data, units), _interval(card, units), *_forecast(found.size, data, units))
    items = "".join(f"<li>{escape(each)}</li>" for each in card.items)
    left = card.item_count - len(card.items)
    more = f"<li class='quiet'>and {count(left)} more</li>" if left > 0 else ""
    ask = urlencode({"ask": found.sentence})
    link = f'<a class="go" href="/?{escape(ask)}">Ask for it</a><p class="quiet">{escape(found.sentence)}</p>'
    return (
        f'<section class="group" aria-label="{escape(card.group)}"><h3>{escape(card.group)}</h3>'
        f'<p class="quiet">{escape(card.source)}: what {escape(units.many)} {escape(verb(card.action))}</p>'
        f'{tiles(figures)}<div class="asking">{link}</div>'
        f"<h4>{_things(card.item_count)}</h4><ul class='items'>{items}{more}</ul></section>"
    )


def _things(number: int) -> str:
    return "1 item" if number == 1 else f"{count(number)} items, the commonest first"


def _users(card: GroupCard, data: DataCard, units: Units) -> tuple[str, str, str]:
    share = "" if card.users is None or not data.population else f", {percent(card.users / data.population)} of all"
    return units.number(card.users), units.many, f"did it in the last {ACTIVE_DAYS} days{share}"


def _interval(card: GroupCard, units: Units) -> tuple[str, str, str]:
    if card.interval_days is None:
        return "–", "until they come back", f"fewer than {units.fewest} {units.many} did it on two days"
    days = f"{card.interval_days:g}"
    return f"{days} {'day' if days == '1' else 'days'}", "until they come back", "half of the gaps are shorter"


def _forecast(size: SizeEstimate | None, data: DataCard, units: Units) -> tuple[tuple[str, str, str], ...]:
    if size is None or size.all_responders is None:
        few = f"fewer than {units.fewest} {units.many} to forecast"
        return (("–", f"expected in {data.horizon_days} days", few),)
    told = f"{span(size.all_responders)}, in 8 of 10 cases"
    expected = (count(size.all_responders.mid), f"expected in {data.horizon_days} days", told)
    if size.lift is None:
        return (expected,)
    detail = f"among the {percent(size.cut)} who are most likely to"
    return (expected, (f"{times(size.lift)} ×", "as many as by chance", detail))
