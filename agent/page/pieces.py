"""Pieces of HTML that several places share: tables, figures with what they mean, facts, states."""

from collections.abc import Collection, Iterable, Sequence
from html import escape

from agent.page.cards import notice, together


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """A table whose first cells say what their rows are about.

    Args:
        head: of each column; an empty one is only heard: 'Actions'.
        rows: cells of HTML.
        numbers: columns, from 0, whose cells are numbers.
    """

    def kind(place: int) -> str:
        return ' class="number"' if place in numbers else ""

    heads = "".join(
        f'<th scope="col"{kind(place)}>{escape(each) or "<span class=unseen>Actions</span>"}</th>'
        for place, each in enumerate(head)
    )
    named = [f' data-label="{escape(each)}"' if each else "" for each in head]
    """For narrow screens, where the heads are not above the cells."""
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td{kind(place)}{named[place]}>{cell}</td>" for place, cell in enumerate(others, start=1))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def tiles(figures: Iterable[tuple[str, str, str]]) -> str:
    """Figures side by side, each with its name and a detail, as plain texts."""
    boxes = "".join(
        f'<div><span class="figure">{escape(figure)}</span><strong>{escape(name)}</strong>'
        f"<small>{escape(together(detail))}</small></div>"
        for figure, name, detail in figures
    )
    return f'<div class="tiles">{boxes}</div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names, as plain texts, with what is to be said of each, as HTML; those with nothing are left out."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{told}</dd>" for name, told in rows if told)
    return f'<dl class="facts">{lines}</dl>'


def button(label: str, act: str, of: str = "", key: str = "", name: str = "", kind: str = "") -> str:
    """A button of ``agent.page.place.acting``.

    Args:
        label: what it shows.
        act: what a click brings.
        of: to what.
        key: which button gets the focus again where all is drawn anew; empty for that of the same act.
        name: what it is called by a screen reader, where the label alone says too little.
        kind: its class, such as 'danger'.
    """
    more = [f'data-key="{escape(key)}"'] * bool(key) + [f'aria-label="{escape(name)}"'] * bool(name)
    more += [f'class="{kind}"'] * bool(kind)
    return (
        f'<button type="button" data-act="{act}" data-of="{escape(of)}" {" ".join(more)}>{escape(label)}</button>'
    )  # fmt: skip


def waiting(text: str) -> str:
    """What stands there until something is known."""
    return (
        f'<section aria-busy="true">{notice(text)}'
        '<div class="bones" aria-hidden="true"><i></i><i></i><i></i></div></section>'
    )


def failed(text: str) -> str:
    """What stands there where something cannot be shown."""
    return f"<section><h3>This cannot be shown</h3>{notice(text, 'alert')}</section>"


def done(text: str, acts: str = "") -> str:
    """What was done, with buttons, as HTML, that take it back or go on."""
    return f'<div class="notice done" role="status"><p>{escape(text)}</p>{acts}</div>'
