"""The glossary of the company and the knowledge that comes along, as HTML, and the form of an entry read."""

from collections.abc import Sequence
from html import escape

from agent.page.cards import count, notice
from agent.page.pieces import button, done, table
from encoders.errors import RequestError
from tools.audiences.knowledge import KnowledgeEntry, KnowledgePage, ThingMeant

SHOWN = 20
"""Entries that come along on one page."""


def lines(text: str) -> tuple[str, ...]:
    """What stands in the lines of a text, each once, blanks around them left out."""
    return tuple(dict.fromkeys(each.strip() for each in text.splitlines() if each.strip()))


def entry_of(name: str, says: str, things: str, when: str, kind: str = "") -> KnowledgeEntry:
    """The entry that a form describes: a phrase, or a thing, in each line."""
    return KnowledgeEntry(name=name.strip(), kind=kind, says=lines(says), things=lines(things), when=when.strip())


def as_seen(text: str) -> KnowledgeEntry:
    """An entry as a button or the form holds it.

    Raises:
        RequestError: it is none.
    """
    try:
        return KnowledgeEntry.model_validate_json(text)
    except ValueError:
        raise RequestError("This entry is not there any more; load the page again.") from None


def own_entries(entries: Sequence[KnowledgeEntry], asked: str = "") -> str:
    """The glossary as a table; ``asked`` is the entry whose removal waits for a yes."""
    if not entries:
        return (
            "<section><h3>Your words</h3><p class='quiet'>Nothing yet. Add what your people say and what it stands for "
            "here, such as “VIP lunch” for sushi and sparkling wine: every request then understands it.</p></section>"
        )
    heads = ("Entry", "What people say", "What it stands for", "")
    rows = table(heads, (_own(each, each.name == asked) for each in entries))
    return f"<section><h3>Your words <small>{count(len(entries))}</small></h3>{rows}</section>"


def _own(entry: KnowledgeEntry, asked: bool) -> tuple[str, ...]:
    name, key = entry.name, f"remove {entry.name}"
    if asked:
        told = "Requests are read without it from then on. You can put it back right after."
        acts = f"<p>Remove “{escape(name)}”? {told}</p>"
        acts += button("Remove", "remove", name, f"yes {name}", kind="danger") + button("Keep it", "keep", name, key)
    else:
        acts = button("Change", "change", name, name=f"Change {name}")
        acts += button("Remove", "ask", name, key, f"Remove {name}")
    remark = f"<small>{escape(entry.when)}</small>" if entry.when else ""
    says, things = (escape(", ".join(texts)) for texts in (entry.says, entry.things))
    return f"{escape(name)}{remark}", says, things, f'<div class="acts">{acts}</div>'


def form_head(before: KnowledgeEntry | None) -> str:
    """What stands over the form."""
    title = f"Change “{escape(before.name)}”" if before else "Add an entry"
    return f"<h3>{title}</h3>"


def stands_for(found: Sequence[ThingMeant] | None, saved: str = "") -> str:
    """What an entry means in the data, thing by thing.

    Args:
        found: None where that is not known yet.
        saved: the name of the entry, where it was just written.
    """
    told = done(f"Saved. Requests are read with “{saved}” from now on.") if saved else ""
    if found is None:
        return f"{told}{notice('The reader of requests is still learning; what it stands for shows up afterwards.')}"
    rows = "".join(f"<li><b>{escape(each.thing)}</b> <span>{_meant(each)}</span></li>" for each in found)
    return f'{told}<p class="quiet">In this data it stands for:</p><ul class="stands">{rows}</ul>'


def _meant(each: ThingMeant) -> str:
    return escape(", ".join(each.groups)) if each.groups else "nothing; the data has no such thing"


def removed(entry: KnowledgeEntry) -> str:
    """What is said after an entry was removed, with the way back."""
    back = button("Put it back", "put back", entry.model_dump_json())
    return done(f"“{entry.name}” was removed.", back)


def along(page: KnowledgePage, words: str, shown: int) -> str:
    """Entries that come along, ``shown`` of them, and the button for more."""
    if not page.total:
        return (
            f'<p class="quiet" role="status">No entry has “{escape(words)}”. Add one of your own.</p>'
            if words.strip()
            else '<p class="quiet" role="status">No entry that comes along fits this data.</p>'
        )
    rows = "".join(_along(each) for each in page.entries)
    left = page.total - len(page.entries)
    more = ""
    if left > 0:
        more = button(f"Show {count(min(left, SHOWN))} more", "more", str(shown + SHOWN), "more", kind="more")
    told = "1 entry" if page.total == 1 else f"{count(page.total)} entries"
    return f'<p class="quiet" role="status">{told}</p><ul class="entries">{rows}</ul>{more}'


def _along(entry: KnowledgeEntry) -> str:
    kind = " · ".join(each for each in (entry.kind, entry.when) if each)
    says, things = (escape(", ".join(texts)) for texts in (entry.says, entry.things))
    return (
        f"<li><details><summary><span>{escape(entry.name)}</span><small>{escape(kind)}</small></summary>"
        f"<p><b>Said as</b> {says}</p><p><b>Stands for</b> {things}</p></details></li>"
    )
