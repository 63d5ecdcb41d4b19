"""What can be counted of one column of a sample: how it is filled, and what its values can be read as."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property, lru_cache

import polars as pl

from encoders.data import columns as col
from encoders.data.contacts import PLAIN, ContactFormat, normal_email, normal_phone
from encoders.data.dates import LAYOUTS, PLAUSIBLE, in_other_unit
from encoders.data.inspecting import names
from encoders.data.source_tables import LINE
from encoders.data.spec import UNIX, SourceSpec

MOST_CONTACTS = 500
"""So many values are read as contacts: phone numbers take long."""
_TRIED = 300
"""So many values are tried in every layout of times; what reads most of them is tried on all."""
_SHAPES = 30
_SHORTEST_TIME = 6
_READS = 0.5
_SOME_TIME = datetime(2026, 7, 14, 15, 24, 36)
_NUMBERS = 0.8
_DECIMALS = (None, ",", ".")


@lru_cache(maxsize=1_000)
def source_of(column: str, layout: str) -> SourceSpec:
    """A source of which nothing matters but its time."""
    return SourceSpec(
        name="sample", action="sample", files=("sample",), user_id=column, time=column, time_format=layout,
        item="{item}",
    )  # fmt: skip


@dataclass(frozen=True)
class TimeReading:
    """A layout, and the times that prepare would read with it."""

    layout: str
    times: pl.Series

    @cached_property
    def fits(self) -> pl.Series:
        """Which of them are times that can be right."""
        return self.times.dt.date().is_between(*PLAUSIBLE, closed="left").fill_null(False)


@dataclass(frozen=True)
class Column:
    """One column of a sample."""

    name: str
    frame: pl.DataFrame
    """The whole sample."""

    def says(self, *things: str) -> bool:
        """Whether its name has a word for one of some things."""
        return any(names.says(self.name, thing) for thing in things)

    @cached_property
    def kind(self) -> pl.DataType:
        """Its type; text in a CSV file."""
        return self.frame.schema[self.name]

    @cached_property
    def lines(self) -> pl.Series:
        """Where its rows stand."""
        return self.frame[LINE]

    @cached_property
    def written(self) -> pl.Series:
        """Its values as one line of text each; null where nothing is known."""
        return self.read(col.known(col.plain(self.name)))

    @cached_property
    def values(self) -> pl.Series:
        """Its different values."""
        return self.written.drop_nulls().unique(maintain_order=True)

    def read(self, expression: pl.Expr) -> pl.Series:
        """What an expression of ``encoders.data.columns`` makes of it."""
        return self.frame.select(expression.alias("read"))["read"]

    @cached_property
    def filled(self) -> float:
        """Share of rows with a value."""
        return 1 - self.written.null_count() / max(1, len(self.written))

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.values)

    @cached_property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return not self.written.null_count() and self.distinct == len(self.written)

    @cached_property
    def wordy(self) -> float:
        """Share of the different values that are words rather than codes or numbers."""
        some = self.values.head(MOST_CONTACTS)
        letters = some.str.count_matches(r"\p{L}") / some.str.len_chars()
        code = some.str.contains(r"^[\p{Lu}\d_./-]*\d[\p{Lu}\d_./-]*$|^[0-9a-fA-F-]{12,}$|^https?:|@")
        vowels = some.str.contains(r"(?i)[aeiouyäöüáéíóúàèìòùâêîôû]")
        return _share((letters >= 0.5) & vowels & ~code & ~some.str.contains(r"^\S*\d{3,}\S*$"))

    @cached_property
    def is_number(self) -> bool:
        """Whether it is mostly numbers, in one way of writing them."""
        if _share(self.values.head(_TRIED).str.contains(r"\d")) < _READS:
            return False
        return max(self.numbers(each).is_not_null().sum() for each in _DECIMALS) >= _NUMBERS * (
            len(self.written) - self.written.null_count()
        )

    def numbers(self, decimal: str | None) -> pl.Series:
        """Its values as numbers, read as ``prepare`` reads them."""
        return self.read(pl.when(col.known(col.words(self.name)).is_not_null()).then(col.number(self.name, decimal)))

    @cached_property
    def identity(self) -> pl.Series:
        """Its values as ids of users, read as ``prepare`` reads them."""
        return self.read(col.identity(self.name, self.kind)[0])

    @cached_property
    def times(self) -> list[TimeReading]:
        """How it can be read as times, what reads most first; none where nothing reads half of the values."""
        if self.kind.is_temporal():
            return [self.time("iso")] if self.kind != pl.Time else []
        if self.distinct == 0 or self.kind == pl.Boolean:
            return []
        tried = self.values.head(_TRIED).alias(self.name).to_frame()
        good = [layout for layout in self._layouts(tried) if _share(_times(tried, self.name, layout).fits) >= _READS]
        read = [self.time(layout) for layout in good]
        return sorted(read, key=lambda reading: -int(reading.fits.sum()))

    def _layouts(self, tried: pl.DataFrame) -> Iterator[str]:
        yield from ["iso"] if _share(tried[self.name].str.contains(r"^\d{4}")) >= _READS else []
        digits = _share(tried[self.name].str.contains(r"^\d{9,20}(\.\d+)?$"))
        yield from UNIX if digits >= _READS else ()
        shapes = {_shape(value) for value in tried[self.name].head(_SHAPES) if len(value) >= _SHORTEST_TIME}
        yield from (layout for layout in LAYOUTS if digits < _READS and _shape_of(layout) in shapes)

    def time(self, layout: str) -> TimeReading:
        """Its values as times in a layout."""
        return _times(self.frame, self.name, layout)

    @cached_property
    def has_clock(self) -> bool:
        """Whether its times tell more than a day."""
        read = self.times[0].times.drop_nulls() if self.times else pl.Series([], dtype=pl.Datetime("us"))
        return bool((read != read.dt.truncate("1d")).any()) if len(read) else False

    def contacts(self, kind: str, form: ContactFormat = PLAIN) -> float:
        """Share of its values that are contacts of a kind, as an export reads them."""
        return self._of_some(lambda value: form.same(kind, value) is not None)

    @cached_property
    def emails(self) -> float:
        """Share of its values that are e-mail addresses."""
        return self._of_some(lambda value: normal_email(value) is not None)

    @cached_property
    def hashes(self) -> float:
        """Share of its values that are SHA-256 hashes."""
        return self._of_some(lambda value: PLAIN.given_hash(value) is not None)

    def phones(self, country: str) -> list[str | None]:
        """Some of its values as phone numbers that are dialled in a country."""
        return [normal_phone(value, country) for value in self.values.head(MOST_CONTACTS)]

    def _of_some(self, good: Callable[[str], bool]) -> float:
        some = self.values.head(MOST_CONTACTS).to_list()
        return sum(map(good, some)) / len(some) if some else 0.0

    def within(self, other: "Column") -> float:
        """Share of the rows whose value here is the commonest one of their value there: 1.0 where that decides it."""
        pairs = pl.DataFrame({"here": self.written, "there": other.written}).drop_nulls()
        counted = pairs.group_by("there", "here").len()
        best = counted.group_by("there").agg(pl.col("len").max())["len"].sum()
        return float(best) / pairs.height if pairs.height else 0.0


def _times(frame: pl.DataFrame, name: str, layout: str) -> TimeReading:
    source, kind = source_of(name, layout), frame.schema[name]
    try:
        read = frame.select(pl.when(~in_other_unit(source, kind)).then(col.time(source, kind, "UTC")).alias("time"))[
            "time"
        ]
    except pl.exceptions.PolarsError:
        read = pl.Series("time", [None] * frame.height, pl.Datetime("us"))
    return TimeReading(layout, read)


def _shape(text: str) -> str:
    """What a text looks like: 9 for digits, A for letters, and every other sign as it is."""
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"\d+", "9", text))


@cache
def _shape_of(layout: str) -> str:
    return _shape(_SOME_TIME.strftime(layout.replace("%.f", ".12")))


def _share(good: pl.Series) -> float:
    return float(good.fill_null(False).mean() or 0.0)  # type: ignore[arg-type]


def columns_of(frame: pl.DataFrame) -> list[Column]:
    """The columns of a sample, without the one that says where rows stand."""
    return [Column(name, frame) for name in frame.columns if name != LINE]
