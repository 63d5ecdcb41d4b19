"""A spec proposed for some tables: which holds the events, which the users, and what their columns mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from encoders.data.inspecting.event_guesses import (
    item_guesses,
    order_column,
    row_key_guess,
    time_guesses,
    time_scores,
    user_guess,
    user_scores,
    value_guesses,
)
from encoders.data.inspecting.facts import Column, columns_of
from encoders.data.inspecting.guesses import Guess
from encoders.data.inspecting.names import says, without_accents
from encoders.data.inspecting.samples import Sample
from encoders.data.inspecting.user_guesses import attribute_guesses, consent_guesses, contact_guesses
from encoders.data.spec import template_columns
from encoders.errors import DataError

Role = Literal["events", "users", "neither"]
_MOST_STATUSES = 6
_TOLD_STATUSES = 3
_ACTIONS = (
    ("order", "purchases", "buy", "buy {items}"),
    ("rating", "ratings", "rate", "rate {items}"),
    ("play", "plays", "play", "play {items}"),
    ("mailing", "mailings", "react to", "react to {items}"),
    ("visit", "visits", "look at", "look at {items}"),
)
"""What users do, by a word in the name of the table or of a column: name, action and wording of the source."""


@dataclass(frozen=True)
class TableGuess:
    """What one table most likely is, and its entries."""

    sample: Sample
    role: Role
    guesses: tuple[Guess, ...] = ()
    name: str = ""
    action: str = ""
    wording: str = ""
    remarks: tuple[str, ...] = ()

    def value(self, entry: str) -> object:
        """What is guessed for an entry; None where nothing is."""
        return next((each.value for each in self.guesses if each.entry == entry), None)


@dataclass(frozen=True)
class Proposal:
    """A whole spec, with what is known of each of its entries."""

    name: str
    unit: str
    unit_plural: str
    sources: tuple[TableGuess, ...]
    users: TableGuess | None
    left_out: tuple[TableGuess, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def tables(self) -> tuple[TableGuess, ...]:
        """The tables that are in the spec."""
        return (*([self.users] if self.users else []), *self.sources)

    @property
    def open(self) -> list[tuple[TableGuess, Guess]]:
        """What somebody has to choose."""
        return [(table, guess) for table in self.tables for guess in table.guesses if guess.undecided]


def propose(samples: Sequence[Sample]) -> Proposal:
    """Propose a spec for some tables.

    Raises:
        DataError: none of them holds events.
    """
    read = [(sample, columns_of(sample.frame)) for sample in samples]
    roles = [_role(sample, columns) for sample, columns in read]
    if "events" not in roles:
        named = ", ".join(f"'{sample.name}'" for sample in samples)
        raise DataError(
            f"No table of {named} looks like events, rows that say who did what and when; name the file with them too."
        )
    listed = [each for each, role in zip(read, roles, strict=True) if role == "users"]
    happened = [each for each, role in zip(read, roles, strict=True) if role == "events"]
    users = _users(listed[0]) if listed else None
    known = _ids(users) if users else None
    sources = [_source(sample, columns, known) for sample, columns in happened]
    if users is None:
        users = _users_of_events(happened[0], sources[0])
    left = [TableGuess(sample, "neither") for (sample, _), role in zip(read, roles, strict=True) if role == "neither"]
    left += [TableGuess(sample, "users") for sample, _ in listed[1:]]
    sources.sort(key=lambda table: table.name != "purchases")
    sources = _named_apart(sources)
    unit, units = _unit(sources[0])
    return Proposal(_dataset_name(sources[0]), unit, units, tuple(sources), users, tuple(left))


def _role(sample: Sample, columns: Sequence[Column]) -> Role:
    """Whether a table holds events or users."""
    times = [name for name, score in time_scores(columns).items() if score >= 1.3]
    who = user_scores(columns)
    user = next((each for each in columns if who and each.name == max(who, key=lambda name: who[name])), None)
    users: float = sum(
        any(each.says(thing) for each in columns) for thing in ("consent", "refusal", "email", "phone", "birth")
    )
    users += 2.0 * says(sample.name, "people_file") + any(each.says("person_name") for each in columns)
    single = any(each.unique and (each.says("user") or _is_bare_id(each)) for each in columns)
    events = 1.0 * bool(times) + sum(
        any(each.says(thing) for each in columns) for thing in ("item", "order", "event", "amount", "quantity", "line")
    )
    events += any(_is_action(sample.name, thing) for thing, *_ in _ACTIONS)
    repeated = user is not None and not user.unique and user.distinct > 1 and who[user.name] > 1
    users, events = users + 2.5 * single, events + 2.0 * repeated
    if not (single or repeated or user) or max(users, events) < 2:
        return "neither"
    return "users" if single and users > events else "events"


def _is_bare_id(column: Column) -> bool:
    return without_accents(column.name) in ("id", "key", "uuid")


def _is_action(name: str, thing: str) -> bool:
    return says(name, thing)


def _users(table: tuple[Sample, list[Column]]) -> TableGuess:
    """The table of users."""
    sample, columns = table
    bare = [each for each in columns if each.unique and _is_bare_id(each)]
    single = [each for each in columns if each.unique and each.says("user") and not each.emails]
    first = bare[:1] if bare and not any(each.says("id") for each in single if not _foreign(each)) else []
    guess, user = user_guess(first or single or columns, listed=True)
    return TableGuess(sample, "users", (guess, *_about_users(columns, user)))


def _foreign(column: Column) -> bool:
    """Whether a column is the id of something that users belong to, such as an account."""
    return without_accents(column.name).startswith(("account", "household", "company"))


def _about_users(
    columns: Sequence[Column], user: Column | None, taken: Sequence[Column] = (), once: bool = True
) -> list[Guess]:
    """Consent, contacts and attributes; ``once`` where every row is a user of its own."""
    used = [*taken, *([user] if user is not None else [])]
    consent = consent_guesses(columns, None if once else user)
    used += [each for each in columns if each.name in [guess.value for guess in consent if guess.entry == "consent"]]
    contacts = contact_guesses(columns, used)
    reached = [guess.value for guess in contacts if guess.entry.startswith("contacts.")]
    used += [each for each in columns if each.name in reached]
    return [*consent, *contacts, *attribute_guesses(columns, used, None if once else user)]


def _ids(users: TableGuess) -> pl.Series | None:
    name = users.value("user_id")
    column = next((each for each in columns_of(users.sample.frame) if each.name == name), None)
    return None if column is None else column.identity.drop_nulls()


def _source(sample: Sample, columns: list[Column], known: pl.Series | None) -> TableGuess:
    """A table of events."""
    who, user = user_guess(columns, known)
    when, time = time_guesses(columns)
    taken = [each for each in (user, time) if each is not None]
    items = item_guesses(columns, taken)
    used = {name for guess in items if not guess.undecided for name in template_columns(str(guess.value))}
    taken += [each for each in columns if each.name in used]
    order = order_column(columns, taken)
    values = value_guesses(columns, taken, _orders(order, user, time))
    paid = [each for each in columns if values and each.name == values[0].value]
    key = row_key_guess(columns, [*taken, *paid], order)
    name, action, wording = _action(sample, columns)
    guesses = (who, *when, *items, *values, *([key] if key else []))
    return TableGuess(
        sample, "events", guesses, name, action, wording, (*_repeats(sample, key), *_status_remarks(columns, taken))
    )


def _orders(order: Column | None, user: Column | None, time: Column | None) -> pl.Series | None:
    """What rows of one order share: its number, or else the user and the time."""
    if order is not None:
        return order.written
    if user is None or time is None:
        return None
    both = pl.DataFrame([user.written.alias("user"), time.written.alias("time")])
    return both.select(pl.concat_str("user", "time", separator=" ").alias("order"))["order"]


def _repeats(sample: Sample, key: Guess | None) -> list[str]:
    """What is said of rows that are equal in all columns, where nothing else tells rows apart."""
    rows = sample.frame.select(sample.columns)
    equal = rows.height - rows.unique().height
    if key is not None or not equal:
        return []
    return [f"{equal:,} rows are equal to another one and count as the same; row_key = [] counts each of them"]


def _status_remarks(columns: Sequence[Column], taken: Sequence[Column]) -> list[str]:
    """What is said of columns by which rows may have to be left out: nothing filters by them."""
    told = []
    for column in columns:
        if (
            column in taken
            or not column.says("status")
            or not 1 < column.distinct <= _MOST_STATUSES
            or column.is_number
        ):
            continue
        counts = column.written.drop_nulls().value_counts(sort=True).head(_TOLD_STATUSES).iter_rows()
        values = ", ".join(f"'{value}' ({rows:,})" for value, rows in counts)
        told.append(f'rows of every "{column.name}" count: {values}; leave out what never happened before you prepare')
    return told


def _action(sample: Sample, columns: Sequence[Column]) -> tuple[str, str, str]:
    for thing, name, action, wording in _ACTIONS:
        if says(sample.name, thing):
            return name, action, wording
    for thing, name, action, wording in _ACTIONS:
        if any(each.says(thing) and not each.says("email") for each in columns):
            return name, action, wording
    if any(each.says("amount") for each in columns):
        return _ACTIONS[0][1:]
    plain = re.sub(r"[^a-z0-9]+", " ", without_accents(sample.name)).strip() or "events"
    return plain, "do", "do {items}"


def _users_of_events(table: tuple[Sample, list[Column]], source: TableGuess) -> TableGuess | None:
    """What a table of events says of its users, read from it once more; None where it says nothing."""
    sample, columns = table
    user = next((each for each in columns if each.name == source.value("user_id")), None)
    if user is None:
        return None
    used = {user.name, source.value("time"), source.value("value"), *(source.value("row_key") or ())}  # type: ignore[misc]
    for entry in ("item", "group"):
        template = source.value(entry)
        used |= set(template_columns(str(template))) if template else set()
    found = _about_users(columns, user, [each for each in columns if each.name in used], once=False)
    if not found:
        return None
    who = next(guess for guess in source.guesses if guess.entry == "user_id")
    said = "the table of events says this of its users; the first row of a user counts, the others are 'listed twice'"
    return TableGuess(
        sample, "users", (Guess("user_id", who.value, who.fits, who.rows, who.examples), *found), remarks=(said,)
    )


def _named_apart(sources: list[TableGuess]) -> list[TableGuess]:
    """Sources that each have a name of their own."""
    seen: list[str] = []
    told = []
    for table in sources:
        name = table.name
        if name in seen:
            name = re.sub(r"[^a-z0-9]+", " ", without_accents(table.sample.name)).strip() or name
        while name in seen:
            name = f"{name} 2"
        seen.append(name)
        told.append(
            TableGuess(table.sample, table.role, table.guesses, name, table.action, table.wording, table.remarks)
        )
    return told


def _unit(source: TableGuess) -> tuple[str, str]:
    name = str(source.value("user_id"))
    if says(name, "household"):
        return "household", "households"
    if re.search("cust|client|kund|kunnr|cliente|buyer|acheteur", without_accents(name)):
        return "customer", "customers"
    return (
        ("member", "members")
        if re.search("member|mitglied|adherent|socio", without_accents(name))
        else ("user", "users")
    )


def _dataset_name(source: TableGuess) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", without_accents(source.sample.name)).strip("-")
    return plain or "my-data"


def pattern_of(files: Sequence[Path], base: Path) -> list[str]:
    """Files as a spec names them, as seen from a folder: one pattern, where it matches these and no others."""
    told = [_seen_from(path, base) for path in files]
    folders = {path.parent for path in files}
    if len(files) < 2 or len(folders) > 1:
        return told
    first, *others = [path.name for path in files]
    start = next((at for at, sign in enumerate(first) if any(each[at : at + 1] != sign for each in others)), len(first))
    start = len(first[:start].rstrip("0123456789"))
    ends = [path.name[start:] for path in files]
    end = re.sub(r"^[^.]*", "", ends[0])
    pattern = f"{first[:start]}*{end}"
    folder = folders.pop()
    matched = {path.resolve() for path in folder.glob(pattern)}
    return [_seen_from(folder / pattern, base)] if matched == {path.resolve() for path in files} else told


def _seen_from(path: Path, base: Path) -> str:
    whole, root = path.absolute(), base.absolute()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.as_posix()
