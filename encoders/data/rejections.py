"""Rows of one's own tables that are left out: each counted under exactly one reason, the first ones shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from encoders.data.source_tables import FILE, LINE, has_lines
from encoders.errors import DataError

EXAMPLES = 3
"""So many rejected rows are remembered for each reason."""
_CODE = "__code__"
_SHOWN = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Check:
    """A condition that makes a row unusable, and what to show of it."""

    bad: pl.Expr
    reason: str
    column: str
    shown: pl.Expr
    remedy: str = ""
    """What whoever owns the table can do about it, in words."""
    is_fault: bool = True
    """False where a row is left out although nothing is wrong with it."""


@dataclass(frozen=True)
class Rejection:
    """One row that was left out, for showing."""

    source: str
    reason: str
    file: str
    line: int
    column: str
    value: str | None
    remedy: str = ""

    def __str__(self) -> str:
        """Say where it is and what is wrong."""
        place = f", column '{self.column}'" if self.column else ""
        counted = "line" if has_lines(self.file) else "row"
        return f"{self.file}, {counted} {self.line}{place}: {self.reason} ({self.value!r})"


@dataclass
class Tally:
    """Counts rejected rows over all tables."""

    strict: bool
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[Rejection] = field(default_factory=list)

    def sift(self, frame: pl.LazyFrame, source: str, checks: list[Check]) -> pl.LazyFrame:
        """The rows of ``frame`` that pass every check; the others are counted by the first one they fail.

        Raises:
            DataError: (strict) a row is unusable.
        """
        code = pl.coalesce(pl.when(check.bad).then(number) for number, check in enumerate(checks))
        judged = frame.with_columns(code.alias(_CODE))
        counts = dict(judged.group_by(_CODE).len().collect(engine="streaming").drop_nulls().sort(_CODE).iter_rows())
        for number, rows in counts.items():
            key = f"{source}: {checks[number].reason}"
            self.counts[key] = self.counts.get(key, 0) + rows
            self._remember(judged.filter(pl.col(_CODE) == number), source, checks[number])
        if self.strict:
            self._stop(checks, source)
        return judged.filter(pl.col(_CODE).is_null()).drop(_CODE)

    def add(self, counts: Mapping[str, int]) -> None:
        """Count rows that were left out before, by source and reason."""
        for key, rows in counts.items():
            self.counts[key] = self.counts.get(key, 0) + rows

    def merge(self, other: "Tally") -> None:
        """Count what another one has counted, and remember the first rows of each reason."""
        self.add(other.counts)
        for each in other.examples:
            if sum((one.source, one.reason) == (each.source, each.reason) for one in self.examples) < EXAMPLES:
                self.examples.append(each)

    def reasons(self, source: str) -> str:
        """Everything that was left out of a source, by reason, each with an example and the remedy; in one line."""
        told = []
        for key, rows in self.counts.items():
            name, _, reason = key.rpartition(": ")
            if name == source:
                shown = next((one for one in self.examples if (one.source, one.reason) == (name, reason)), None)
                remedy = f"; {shown.remedy}" if shown and shown.remedy else ""
                told.append(f"{rows:,} for {reason}{f', such as {shown}{remedy}' if shown else ''}")
        return ". ".join(told)

    def _remember(self, rows: pl.LazyFrame, source: str, check: Check) -> None:
        first = (
            rows.select(FILE, LINE, check.shown.cast(pl.String).str.slice(0, _SHOWN)).sort(FILE, LINE).head(EXAMPLES)
        )
        for file, line, value in first.collect(engine="streaming").iter_rows():
            self.examples.append(Rejection(source, check.reason, file, line, check.column, value, check.remedy))

    def _stop(self, checks: Iterable[Check], source: str) -> None:
        reasons = {check.reason for check in checks if check.is_fault}
        faults = [one for one in self.examples if one.source == source and one.reason in reasons]
        if faults:
            first = min(faults, key=lambda one: one.line)
            remedy = f"; {first.remedy}" if first.remedy else ""
            raise DataError(f"{first}{remedy}; mend it, or prepare without --strict to leave such rows out.")
