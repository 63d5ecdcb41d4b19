"""The figures of ``cost.py``, and the page they are shown on."""

from collections.abc import Iterable

from pydantic import BaseModel


class Training(BaseModel):
    """From prepared data to a model folder, item texts embedded anew."""

    seconds: float
    cpu_seconds: float
    peak_gigabytes: float
    """Of the whole process, the text encoder included."""


class Encoding(BaseModel):
    """Users into vectors, one way."""

    way: str
    users: int
    seconds: float


class Scoring(BaseModel):
    """One sentence against all users."""

    users: int
    seconds: float
    pass_seconds: float
    """A numpy sum over every array that scoring reads."""
    bytes_read: int
    """Of those arrays."""
    user_bytes: int
    """Of those that grow with the users."""


class Incremental(BaseModel):
    """The index of one day, made from nothing, and brought to the next day."""

    users: int
    encoded_again: int
    seconds_full: float
    seconds_again: float


class Cost(BaseModel):
    """Everything, from one run."""

    cores: int
    threads: int
    training: Training
    encodings: list[Encoding]
    """The user tower first."""
    reading_seconds: float
    """Of one sentence: its vectors, and how near they are to every item; the same for any number of users."""
    scorings: list[Scoring]
    incremental: Incremental


def page(cost: Cost) -> str:
    """All figures, as docs/cost.md."""
    training, incremental = cost.training, cost.incremental
    tower, counting, *texts = cost.encodings
    lines = [
        "# What it costs",
        "",
        f"Written by `python -m benchmarks.cost`: Complete Journey data, {cost.cores} cores, {cost.threads} threads, "
        "one run. Times are medians of several rounds after one that does not count.",
        "",
        "## Training",
        "",
        f"From prepared data to a calibrated model, item texts embedded anew: {training.seconds:.0f} seconds, "
        f"{training.cpu_seconds:.0f} CPU seconds, {training.peak_gigabytes:.1f} GB at most.",
        "",
        "## Encoding users",
        "",
        *_table(
            ("way", "users", "users per second", "the user tower is faster by"),
            ((e.way, f"{e.users:,}", f"{_rate(e):,.0f}", f"{_rate(tower) / _rate(e):,.1f} x") for e in cost.encodings),
        ),
        "",
        f"Counting the events and the tower together: {tower.users / (tower.seconds + counting.seconds):,.0f} users "
        f"per second, {_at_least(tower, counting, texts):,.0f} times as many as the faster of the text encoders. "
        "It is not given the counting, although somebody has to write its texts.",
        "",
        "## Scoring one sentence",
        "",
        "Every user, exactly, with trained weights; the users are those of the data, drawn with replacement. The pass "
        "is a numpy sum, on one core, over every array that scoring reads: counts, user vectors, activity, main "
        "directions and what goes together. Scoring begins where the sentence's nearness to all items is known, which "
        f"takes {1000 * cost.reading_seconds:.0f} ms, however many the users.",
        "",
        *_table(
            ("users", "seconds", "one pass", "ratio", "bytes per user", "gigabytes"),
            (
                (
                    f"{each.users:,}",
                    f"{each.seconds:.4f}",
                    f"{each.pass_seconds:.4f}",
                    f"{each.seconds / each.pass_seconds:.1f}",
                    f"{each.user_bytes / each.users:,.0f}",
                    f"{each.bytes_read / 1e9:.2f}",
                )
                for each in cost.scorings
            ),
        ),
        "",
        "## The events of another day",
        "",
        f"Indexing everybody, reading what they did included: {incremental.seconds_full:.1f} seconds. Bringing that "
        f"index to the day after: {incremental.seconds_again:.1f} seconds, {incremental.encoded_again:,} of "
        f"{incremental.users:,} users encoded again.",
        "",
    ]
    return "\n".join(lines)


def _rate(encoding: Encoding) -> float:
    return encoding.users / encoding.seconds


def _at_least(tower: Encoding, counting: Encoding, texts: list[Encoding]) -> float:
    together = tower.users / (tower.seconds + counting.seconds)
    return together / max(_rate(text) for text in texts)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (heading, *rows)]
    return [lines[0], f"|{'---|' * len(heading)}", *lines[1:]]
