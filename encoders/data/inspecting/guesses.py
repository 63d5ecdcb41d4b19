"""What is said of one entry of a spec: its value, how many rows fit it, and what else it could be."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from encoders.data.inspecting.facts import Column
from encoders.data.spec import CHOOSE

_EXAMPLES = 3
_LONGEST = 40
_EMAIL = re.compile(r"([\w!#$%&'*+/=?^`{|}~.-])[\w!#$%&'*+/=?^`{|}~.-]*@([\w-])[\w.-]*\.(\w+)")
_LONG_NUMBER = re.compile(r"(?<!\w)(\+?\d{2})[\d\s()./-]{5,}(\d{2})(?!\w)")


@dataclass(frozen=True)
class Guess:
    """One entry of a spec as a sample suggests it."""

    entry: str
    """As the spec calls it, such as ``time``."""
    value: Any
    """What to write there; ``CHOOSE`` where nobody can tell."""
    fits: int | None = None
    """Rows of the sample that fit; None where that cannot be counted."""
    rows: int = 0
    examples: tuple[str, ...] = ()
    misfits: tuple[tuple[str, int], ...] = ()
    """Some values that do not fit, each with the line it stands on."""
    remarks: tuple[str, ...] = ()
    """What whoever reads the spec should know."""
    choices: tuple[str, ...] = field(default=())
    """Of an entry that nobody can tell: what it could be."""

    @property
    def undecided(self) -> bool:
        """Whether somebody has to choose."""
        return bool(self.value == CHOOSE)

    def told(self) -> str:
        """How well it fits, in one line."""
        parts = []
        if self.fits is not None:
            parts.append(f"{share(self.fits, self.rows)} of {self.rows:,} rows fit")
        if self.examples:
            parts.append(", ".join(f"'{each}'" for each in self.examples))
        text = ": ".join(parts)
        if self.misfits:
            value, line = self.misfits[0]
            text += f"; {self.rows - (self.fits or 0):,} do not, such as '{value}' (line {line})"
        elif self.fits is not None and self.fits < self.rows:
            text += f"; {self.rows - self.fits:,} are blank"
        return text


def share(part: int, whole: int) -> str:
    """A share in percent; 100 % and 0 % are exact."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < part < whole:
        percent = min(99.9, max(0.1, percent))
    return f"{percent:.1f} %".replace(".0 %", " %")


def shown(value: str) -> str:
    """A value for showing: cut where it is long, and without the middle of what could be somebody's contact."""
    value = _EMAIL.sub(r"\1•••@\2•••.\3", value)
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def masked(value: str) -> str:
    """A contact for showing: enough to see how it is written, too little to reach anybody."""
    hidden = shown(value)
    if "@" in hidden and "•" in hidden:
        return hidden
    hidden = _LONG_NUMBER.sub(lambda found: f"{found[1]} ••• {found[2]}", value)
    return hidden if "•" in hidden else f"{value[:2]}•••"


def counted(
    column: Column,
    entry: str,
    value: Any,
    good: pl.Series,
    remarks: Sequence[str] = (),
    secret: bool = False,
    **more: Any,
) -> Guess:
    """A guess about a column with the rows that fit, examples of these, and values that do not.

    Args:
        column: whose values are shown.
        entry: of the spec.
        value: what it says there.
        good: for every row, whether it fits.
        remarks: what else there is to know.
        secret: its values are contacts.
        more: further fields of the guess.
    """
    good = good.fill_null(False)
    show = masked if secret else shown
    examples = column.written.filter(good).drop_nulls().unique(maintain_order=True).head(_EXAMPLES).to_list()
    bad = pl.DataFrame({"value": column.written, "line": column.lines}).filter(~good & column.written.is_not_null())
    misfits = [(show(value), line) for value, line in bad.unique("value", maintain_order=True).head(_EXAMPLES).rows()]
    examples = list(dict.fromkeys(map(show, examples)))
    return Guess(entry, value, int(good.sum()), len(good), tuple(examples), tuple(misfits), tuple(remarks), **more)


def undecided(entry: str, choices: Sequence[str], remarks: Sequence[str] = ()) -> Guess:
    """An entry that somebody has to choose."""
    return Guess(entry, CHOOSE, remarks=tuple(remarks), choices=tuple(choices))
