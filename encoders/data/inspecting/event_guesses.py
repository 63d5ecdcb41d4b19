"""The entries of a source: who, when, with what, for how much, and what makes a row one of its own."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import polars as pl

from encoders.data import columns as col
from encoders.data.inspecting.facts import Column, TimeReading
from encoders.data.inspecting.guesses import Guess, counted, share, undecided

_NEVER_ITEM = ("person_name", "address", "email", "phone", "status", "currency", "consent", "refusal", "place", "url")
_NOT_IN_TEMPLATES = set("{}:!")
_SURE_USER, _SURE_TIME, _SURE_ITEM = 1.6, 1.3, 1.8
_CLOSE = 0.4
"""A second reading is told where its score is so near to the first one's."""
_DECIDES = 0.98
_MOST_EVENTS = 60
_TIE = 0.005


def ranked(scores: dict[str, float]) -> list[str]:
    """Names by their score, the best first."""
    return sorted(scores, key=lambda name: -scores[name])


def runner_up(scores: dict[str, float], chosen: str) -> list[str]:
    """A remark on the next best column, where it is close."""
    others = [name for name in ranked(scores) if name != chosen and scores[name] > scores[chosen] - _CLOSE]
    return [f'next best: "{others[0]}"'] if others else []


# --- Who ---


def user_scores(columns: Sequence[Column], known: pl.Series | None = None, listed: bool = False) -> dict[str, float]:
    """How much each column looks like the ids of users.

    Args:
        columns: of the table.
        known: the ids of the users table, where there is one.
        listed: this is the users table, which has a row for each.
    """
    scores = {}
    for column in columns:
        if column.distinct < 2 or column.says("birth", "person_name", "address", "phone", "consent", "refusal"):
            continue
        if column.emails > 0.5:
            scores[column.name] = 0.9 * column.filled
            continue
        score = 1.0 * column.filled + 2.0 * column.says("user") + 0.8 * column.says("id")
        score += 1.2 * (column.says("weak_user") and not column.says("user"))
        score -= 1.5 * (column.says("order", "line", "item", "category", "time") and not column.says("user"))
        score -= 1.5 * column.says("amount", "quantity", "status", "place", "event", "brand")
        score -= 1.0 * (column.wordy > 0.7) + 1.5 * bool(column.times)
        score += (1.0 if listed else -0.6) * column.unique
        if known is not None and not column.identity.drop_nulls().is_empty():
            score += 2.5 * float(column.identity.drop_nulls().unique().is_in(known.implode()).mean() or 0)  # type: ignore[arg-type]
        scores[column.name] = score
    return scores


def user_guess(
    columns: Sequence[Column], known: pl.Series | None = None, listed: bool = False
) -> tuple[Guess, Column | None]:
    """The column of users' ids; see ``user_scores``."""
    scores, by_name = user_scores(columns, known, listed), {column.name: column for column in columns}
    order = ranked(scores)
    sure = [name for name in order if scores[name] >= _SURE_USER]
    mails = [name for name in order if by_name[name].emails > 0.5]
    if not sure and not mails:
        return undecided("user_id", [f'"{name}"' for name in order[:3]], ["no column clearly tells users apart"]), None
    chosen = by_name[(sure or mails)[0]]
    remarks = runner_up(scores, chosen.name)
    if not sure:
        remarks.append(
            "only an e-mail address tells users apart here; it then stands for the user in every table and file, so a "
            "column with a number or a hash of it is better"
        )
    if known is not None:
        ids = chosen.identity.drop_nulls().unique()
        there = int(ids.is_in(known.implode()).sum())
        remarks.append(f"{share(there, len(ids))} of its users in the sample are in the sample of the users table")
    return counted(chosen, "user_id", chosen.name, chosen.identity.is_not_null(), remarks), chosen


# --- When ---


def time_scores(columns: Sequence[Column]) -> dict[str, float]:
    """How much each column looks like the time of an event."""
    scores = {}
    for column in columns:
        if not column.times:
            continue
        score = float(column.times[0].fits.mean() or 0) + 1.0 * column.says("time")  # type: ignore[arg-type]
        score += (
            0.6 * column.says("order", "happened", "event") + 0.2 * column.has_clock + 0.6 * column.kind.is_temporal()
        )
        score -= 1.2 * column.says("other_time") + 3.0 * column.says("birth") + 1.0 * column.says("amount", "quantity")
        scores[column.name] = score - 1.0 * (column.distinct < 2) - 0.8 * column.says("address")
    return scores


def time_guesses(columns: Sequence[Column]) -> tuple[list[Guess], Column | None]:
    """The column of times and how they are written."""
    scores, by_name = time_scores(columns), {column.name: column for column in columns}
    order = [name for name in ranked(scores) if scores[name] >= _SURE_TIME]
    if not order:
        named = [column.name for column in columns if column.says("time")]
        found = [f'"{name}"' for name in dict.fromkeys([*ranked(scores), *named])][:3]
        return [undecided("time", found, ["no column says when a row happened: prepare needs a day at least"])], None
    chosen = by_name[order[0]]
    best = chosen.times[0]
    remarks = runner_up(scores, chosen.name)
    first, last = best.times.filter(best.fits).min(), best.times.filter(best.fits).max()
    remarks.append(f"the sample runs from {str(first)[:10]} to {str(last)[:10]}")
    guesses = [counted(chosen, "time", chosen.name, best.fits, remarks)]
    if not chosen.kind.is_temporal():
        guesses.append(_format_guess(chosen))
    return guesses, chosen


def _format_guess(column: Column) -> Guess:
    best, *others = column.times
    for other in others:
        tied = int(best.fits.sum()) - int(other.fits.sum()) <= _TIE * len(best.fits)
        both = best.fits & other.fits & (best.times.dt.date() != other.times.dt.date())
        if tied and both.any():
            place = both.arg_true()[0]
            choices = [f'"{each.layout}" reads it as {_long_day(each, place)}' for each in (best, other)]
            said = f"'{column.written[place]}' can be read in two ways, and no row of the sample tells which"
            return undecided("time_format", choices, [said])
    close = [other for other in others if int(other.fits.sum()) > 0.9 * int(best.fits.sum())]
    remarks = [f'next best: "{each.layout}" ({share(int(each.fits.sum()), len(each.fits))} fit)' for each in close[:1]]
    return Guess("time_format", best.layout, remarks=tuple(remarks))


def _long_day(reading: TimeReading, place: int) -> str:
    return f"{reading.times[place]:%d %B %Y}".lstrip("0")


# --- With what ---


def item_guesses(columns: Sequence[Column], taken: Sequence[Column]) -> list[Guess]:
    """The item text and the group."""
    free = [column for column in columns if column not in taken and not column.says(*_NEVER_ITEM) and not column.times]
    free = [column for column in free if column.distinct > 1 and column.emails < 0.1 and not column.is_number]
    free = [column for column in free if not set(column.name) & _NOT_IN_TEMPLATES]
    scores = {}
    for column in (each for each in free if each.wordy >= 0.5):
        score = (
            1.5 * column.says("item") + 0.9 * column.says("called") + column.wordy + min(column.distinct / 30, 1) * 0.5
        )
        score -= 1.2 * column.says("category", "event") + 1.0 * column.says("brand") + 0.8 * (column.says("user"))
        scores[column.name] = score
    by_name = {column.name: column for column in columns}
    sure = [name for name in ranked(scores) if scores[name] >= _SURE_ITEM]
    item = by_name[sure[0]] if sure else None
    levels = _levels(free, item)
    event = next((each for each in free if each.says("event") and each.distinct <= _MOST_EVENTS), None)
    if item is None and levels:
        item, levels = levels[-1], levels[:-1]
    if item is None and event is None:
        codes = [column.name for column in columns if column not in taken and column.says("item", "category", "url")]
        said = "no column says in words what a row was about; requests are matched with this text"
        some = [*ranked(scores), *codes] or [each.name for each in columns if each not in taken]
        return [undecided("item", [f'"{{{name}}}"' for name in dict.fromkeys(some)][:3], [said])]
    parts = [*([event] if event and event is not item else []), *levels]
    if item is None or item is event:
        parts, item = levels, item or event
    assert item is not None
    template = ", ".join(f"{{{each.name}}}" for each in parts) + (": " if parts else "") + f"{{{item.name}}}"
    guesses = [_text_guess(columns[0], "item", template, _next_item(scores, item))]
    if levels:
        lowest = levels[-1]
        upper = [level for level in levels[:-1] if level.within(lowest) < _DECIDES]
        group = "".join(f"{{{each.name}}}: " for each in upper[-1:]) + f"{{{lowest.name}}}"
        guesses.append(_text_guess(columns[0], "group", group, []))
    return guesses


def _next_item(scores: dict[str, float], item: Column) -> list[str]:
    """A remark on the next best text, where it is close and the best one is named as a text at all."""
    return runner_up(scores, item.name) if item.says("item", "called") and item.name in scores else []


def _levels(free: Sequence[Column], item: Column | None) -> list[Column]:
    """Columns of categories, the widest first; each decides those before it, and the item decides all of them."""
    named = [column for column in free if column.says("category") and column is not item and column.wordy >= 0.5]
    named = [column for column in named if not column.says("weak_user", "user")]
    named.sort(key=lambda column: column.distinct)
    levels: list[Column] = []
    for column in reversed(named):
        below = levels[0] if levels else item
        if below is None or (column.distinct < below.distinct and column.within(below) >= _DECIDES):
            levels.insert(0, column)
    return levels


def _text_guess(any_column: Column, entry: str, template: str, remarks: Sequence[str]) -> Guess:
    """A template with texts that prepare makes of it."""
    texts = any_column.frame.select(col.text(template).alias("text"))["text"]
    whole = Column("text", pl.DataFrame({"text": texts}).with_columns(any_column.lines))
    return counted(whole, entry, template, texts.is_not_null(), remarks)


# --- For how much ---


def value_guesses(columns: Sequence[Column], taken: Sequence[Column], order: pl.Series | None) -> list[Guess]:
    """The column of money and its decimal mark; none where nothing is money.

    Args:
        columns: of the table.
        taken: what has a meaning already.
        order: what rows of one order share.
    """
    scores = {}
    for column in columns:
        if column in taken or not column.is_number or not column.says("amount", "sum") or column.distinct < 2:
            continue
        if column.says("quantity", "id", "line", "currency", "other_time") or column.says("no_amount"):
            continue
        score = column.filled * (1.0 + 0.4 * column.says("sum")) + 0.8 * column.says("line_amount")
        score -= 0.5 * (column.says("unit_price") and not column.says("sum", "line_amount"))
        scores[column.name] = score - 0.8 * _of_whole_order(column, order)
    if not scores:
        return []
    name = ranked(scores)[0]
    column = next(each for each in columns if each.name == name)
    decimal = _decimal(column)
    mark = decimal.value if decimal and not decimal.undecided else None
    read, blank = column.numbers(mark), column.written.is_null()
    remarks = runner_up(scores, name)
    if column.says("unit_price") and not column.says("sum", "line_amount"):
        count = next((each.name for each in columns if each.says("quantity")), None)
        remarks += (
            [f'this is the price of one; "{count}" says how many: a column with their product is better']
            if count
            else []
        )
    if order is not None and _of_whole_order(column, order):
        remarks.append("this is the sum of a whole order, and counts once for each of its rows")
    negative = int((read < 0).sum())
    guesses = [counted(column, "value", name, read.is_not_null() | blank, remarks), *([decimal] if decimal else [])]
    if negative * 2 > len(read) - blank.sum():
        guesses.append(Guess("returns", "none", remarks=("most values are negative, so that they are no returns",)))
    elif negative:
        said = f'{negative:,} values are negative and become returns; returns = "none" takes them as they are'
        guesses.append(Guess("returns", "negative", remarks=(said,)))
    return guesses


def _of_whole_order(column: Column, order: pl.Series | None) -> bool:
    """Whether all rows of an order have one value, or all but one have none."""
    if order is None:
        return False
    rows = pl.DataFrame({"order": order, "value": column.written}).drop_nulls("order")
    several = rows.group_by("order").agg(
        pl.len().alias("rows"), pl.col("value").drop_nulls().n_unique().alias("values")
    )
    several = several.filter(pl.col("rows") > 1)
    return several.height > 1 and float((several["values"] <= 1).mean() or 0) >= _DECIDES  # type: ignore[arg-type]


def _decimal(column: Column) -> Guess | None:
    """The decimal mark; None where numbers are plain."""
    fits = {mark: int(column.numbers(mark).is_not_null().sum()) for mark in (None, ",", ".")}
    best = max(fits.values())
    written = column.values.head(1_000)
    thousands = written.str.contains(r"\d[.,]\d{3}\D*$").sum()
    others = written.str.contains(r"[.,]\d{1,2}\D*$|[.,]\d{4,}\D*$").sum()
    marks = {mark for mark in ".," if written.str.contains(mark, literal=True).any()}
    if thousands and not others and len(marks) == 1 and not column.kind.is_numeric():
        shown = written.filter(written.str.contains(r"\d[.,]\d{3}\D*$"))[0]
        said = f"'{shown}' is a thousand and more with one mark, and little more than a whole with the other"
        return undecided("decimal", ['"," where 1.234,50 is written', '"." where 1,234.50 is'], [said])
    if fits[None] == best:
        return None
    mark = "," if fits[","] >= fits["."] else "."
    return Guess("decimal", mark, fits[mark], len(column.written) - column.written.null_count())


# --- What makes a row one of its own ---


def order_column(columns: Sequence[Column], taken: Sequence[Column]) -> Column | None:
    """The column whose values rows of one order share."""
    found = [
        each
        for each in columns
        if each not in taken
        and each.says("order")
        and not each.times
        and not each.says("amount", "line", "item", "status")
    ]
    found = [each for each in found if each.distinct > 1 and each.filled > 0.9 and each.wordy < 0.7]
    return max(found, key=lambda each: (each.says("id"), each.distinct), default=None)


def row_key_guess(columns: Sequence[Column], taken: Sequence[Column], order: Column | None) -> Guess | None:
    """Columns that tell rows apart; None where none are sure to, and whole rows are compared."""
    height = columns[0].frame.height
    for key in _keys(columns, taken, order):
        whole = pl.DataFrame([each.written.alias(str(place)) for place, each in enumerate(key)]).drop_nulls()
        if whole.height == height and whole.n_unique() == height:
            examples = [", ".join(row) for row in whole.head(3).rows()]
            return Guess("row_key", [each.name for each in key], height, height, tuple(examples))
    return None


def _keys(columns: Sequence[Column], taken: Sequence[Column], order: Column | None) -> Iterator[tuple[Column, ...]]:
    free = [each for each in columns if each not in taken and each.filled == 1 and not each.times and each.wordy < 0.7]
    singles = [
        each for each in free if each.says("id") and each.unique and not each.says("lone_index", "amount", "phone")
    ]
    yield from ((each,) for each in singles if not each.says("user", "weak_user"))
    if order is not None:
        if order.unique:
            yield (order,)
        lines = [each for each in free if each.says("line") and each is not order and not each.says("amount")]
        codes = [each for each in free if each.says("item", "id") and each is not order and each not in lines]
        codes = [each for each in codes if not each.says("user", "amount", "quantity", "unit_price", "category")]
        yield from ((order, each) for each in (*lines, *codes))
        yield from ((order, *pair) for pair in combinations([*lines, *codes][:4], 2))
