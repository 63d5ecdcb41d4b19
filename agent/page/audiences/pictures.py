"""Small pictures of saved audiences: versions over time, a forecast and what came, several laid over each other."""

from collections.abc import Sequence
from html import escape

from agent.page.cards import Units, count, day, span
from tools.library_types import Region, VersionChange
from tools.types import Interval

_HEIGHT, _STEP, _BAR = 92, 64, 26
_MOST_DRAWN = 12
"""Versions of the picture, the latest of them; the table beside it has them all."""


def versions_picture(history: Sequence[VersionChange], units: Units) -> str:
    """Who stayed and who came in each version, and below the line who left; nothing where there is one version."""
    drawn = [each for each in history if each.users is not None][-_MOST_DRAWN:]
    if len(drawn) < 2:
        return ""
    most = max(each.users or 0 for each in drawn) or 1
    fewest = max([each.left or 0 for each in drawn] or [0])
    scale = _HEIGHT / (most + fewest)
    line = most * scale
    bars = "".join(_version_bar(each, number, line, scale) for number, each in enumerate(drawn))
    wide = _STEP * len(drawn)
    told = "; ".join(_version_told(each, units) for each in drawn)
    return (
        f'<svg class="versions" viewBox="0 0 {wide} {_HEIGHT + 34}" width="{wide}" height="{_HEIGHT + 34}" role="img" '
        f'aria-label="{escape(told)}"><line x1="0" x2="{wide}" y1="{line + 16:.1f}" y2="{line + 16:.1f}"/>{bars}</svg>'
        '<p class="legend" aria-hidden="true"><span class="stayed">stayed</span><span class="came">came</span>'
        '<span class="left">left</span></p>'
    )


def _version_bar(one: VersionChange, number: int, line: float, scale: float) -> str:
    came, left = one.came or 0, one.left or 0
    users = one.users or 0
    x, top = number * _STEP + (_STEP - _BAR) / 2, line + 16
    parts = [_rect("stayed", x, top - (users - came) * scale, (users - came) * scale)]
    parts.append(_rect("came", x, top - users * scale, came * scale))
    parts.append(_rect("left", x, top + 1, left * scale))
    middle = x + _BAR / 2
    parts.append(f'<text x="{middle}" y="{top - users * scale - 4:.1f}">{count(users)}</text>')
    parts.append(f'<text x="{middle}" y="{_HEIGHT + 32}">v{one.version}</text>')
    return "".join(parts)


def _rect(kind: str, x: float, y: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y:.1f}" width="{_BAR}" height="{height:.1f}"/>' if height > 0 else ""


def _version_told(one: VersionChange, units: Units) -> str:
    moved = "" if one.stayed is None else f", {units.number(one.came)} came, {units.number(one.left)} left"
    return f"version {one.version} as of {day(one.as_of)}: {units.number(one.users)}{moved}"


def forecast_picture(forecast: Interval, responders: int | None) -> str:
    """The range of a forecast as a bar with its middle, and what came as a mark on the same scale."""
    end = 1.15 * max(forecast.high, responders or 0, 1)
    low, mid, high = (round(100 * each / end, 1) for each in (forecast.low, forecast.mid, forecast.high))
    came = "" if responders is None else f'<b style="left:{100 * responders / end:.1f}%"></b>'
    said = f"expected {span(forecast)}" + ("" if responders is None else f", {count(responders)} did it")
    kept = responders is None or forecast.low <= responders <= forecast.high
    return (
        f'<div class="range{"" if kept else " missed"}" role="img" aria-label="{said}">'
        f'<i style="left:{low}%;width:{high - low:.1f}%"></i><u style="left:{mid}%"></u>{came}</div>'
    )


def regions_table(regions: Sequence[Region], names: Sequence[str], units: Units) -> str:
    """Who is in which of the audiences and in no other, the largest group first: a dot where they are in, and a bar."""
    most = max([each.users or 0 for each in regions] or [1]) or 1
    rows = sorted(regions, key=lambda each: (-(each.users if each.users is not None else 0.5), -len(each.inside)))
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    body = "".join(_region(each, names, most, units) for each in rows)
    return (
        f'<table class="regions"><caption>{escape(units.many.capitalize())} in these audiences and in no other of them'
        f'</caption><thead><tr>{heads}<th scope="col">{escape(units.many.capitalize())}</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _region(one: Region, names: Sequence[str], most: int, units: Units) -> str:
    dots = "".join(
        f'<td class="dot{" in" if name in one.inside else ""}"><span aria-hidden="true"></span>'
        f'<span class="unseen">{"in" if name in one.inside else "not in"} {escape(name)}</span></td>'
        for name in names
    )
    share = round(100 * (one.users or 0) / most, 1)
    number = "none" if one.users == 0 else units.number(one.users)
    return (
        f'<tr>{dots}<td class="many"><span class="bar" aria-hidden="true"><i style="width:{share}%"></i></span>'
        f"<span>{number}</span></td></tr>"
    )
