"""Who may be reached: asked at the moment users leave, of the data as it is then.

A saved audience is a snapshot. Since it was saved, users may have withdrawn their consent, asked to be erased, or been
held out of another audience. So whatever leaves (a file, a list for a platform, batches for a destination) and whatever
becomes a new audience (save, combine, refresh) goes through here:

- users of the present data alone: the newest that was prepared, opened now, whatever the service opened earlier;
- nobody on the list of those who were erased;
- nobody in the control group that lasts;
- nobody who is held out of this audience, or of the newest version of another whose horizon is not over on the day
  that the present data counts as now;
- no contact of any of them, nor of somebody without consent, however it is written: two ids with one e-mail are one
  person.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

import polars as pl

from encoders.data.contacts import KINDS, WITHHELD, ContactFormat
from encoders.data.erasing import Forgotten
from encoders.data.events import HORIZON_DAYS, Dataset
from encoders.errors import DataError
from encoders.text.demand import read_demand
from encoders.workspace import Workspace
from tools.audiences.changes import shown_aside
from tools.audiences.disclosure import Disclosure, number_text
from tools.operation_types import VERSION
from tools.storage.holdouts import ControlGroup
from tools.storage.registry import Registry
from tools.types import LeftOut, SavedAudience

_NAMED = 3
_CONTROL = "are in the control group that lasts, who are never contacted"

Contact = tuple[str, str]
"""A kind and the form that all spellings of one contact share."""


@dataclass(frozen=True)
class ReachableUsers:
    """Who of an audience may leave, and whose contacts may not."""

    users: tuple[str, ...]
    """Sorted."""
    held_out: frozenset[str]
    """Of this audience, without those in the control group."""
    left_out: tuple[tuple[str, int, str], ...]
    """Reason, number of users and what is said about them; each user has the first reason that holds."""
    barred: frozenset[Contact]
    """Contacts of people who must not be reached, whoever else has them."""
    contacts: dict[str, dict[str, str]]
    """Per user who may leave, each contact as it stands in the data."""
    withheld: dict[str, frozenset[str]]
    """Per user who may leave, the kinds of contacts they had that are also those of somebody who is not in the data."""
    format: ContactFormat


@dataclass(frozen=True)
class EligibleMembers:
    """Who of some users may be in a new audience."""

    users: frozenset[str]
    notes: tuple[str, ...]
    """With the counts as they are, to be kept; see ``shown_notes``."""


class Reachability:
    """Who of one tenant's audiences may be reached, by the data as it is when this is made."""

    def __init__(self, workspace: Workspace, registry: Registry, control: ControlGroup) -> None:
        """Open the present data and the list of those who were erased.

        Args:
            workspace: where both are.
            registry: the audiences of one tenant.
            control: who is never reached, whatever the audience.

        Raises:
            DataError: there is no prepared data, so nobody can say who may be reached.
            WorkspaceError: the list cannot be read.
        """
        self._registry, self._control = registry, control
        self._data = Dataset.current(Workspace(workspace.path))
        self._forgotten = Forgotten(workspace)
        self.format = ContactFormat(self._data.card.phone_country, frozenset(self._data.card.hashed_contacts))

    def digest(self, saved: SavedAudience) -> str:
        """Stands for all that decides who of a version may leave; empty where nobody can say what that is.

        Ask for it before ``leaving``: what changes in between is then seen as a change later.

        Raises:
            DataError: the users or contacts of the present data are damaged.
        """
        if not (data := self._data.reach_digest()):
            return ""
        elsewhere = sorted((each.id, each.version) for each in self._running(saved.id))
        facts = [VERSION, data, self._forgotten.digest, saved.id, saved.version, elsewhere]
        if self._control.share:
            facts.append(self._control.digest)
        return sha256(json.dumps(facts).encode()).hexdigest()

    def leaving(self, saved: SavedAudience) -> ReachableUsers:
        """Who of a version may leave.

        Raises:
            DataError: the users or contacts of the present data cannot be read, or nobody can say whose contacts are
                also those of somebody without consent.
        """
        if self.has_contacts and not self._data.contacts_compared:
            raise DataError(
                "This data was prepared by an earlier version, which let contacts leave that somebody without consent "
                "has as well; run 'audience prepare' again, then export."
            )
        members, own = (frozenset(each) for each in self._registry.members(saved.id, saved.version))
        elsewhere = self._held_elsewhere(saved.id)
        control = self._control.among(members)
        rest, left_out = members - (own - control), []
        for reason, found, words in (
            ("forgotten", self._forgotten.among(rest), "were erased"),
            ("not in the data", self._absent(rest), "are no longer in the data, or have not given consent"),
            ("control group", control, _CONTROL),
            ("held out elsewhere", rest & elsewhere.users, f"are held out of {elsewhere.names(rest)}"),
        ):
            if taken := rest & found:
                left_out.append((reason, len(taken), words))
            rest -= taken
        everybody = self._control.among(self._data.user_ids()) if self.has_contacts else frozenset()
        held_out = own | control | elsewhere.users | everybody  # whose contacts others may have
        contacts = self._contacts(rest | held_out)
        barred = self._same(contacts[user] for user in held_out & contacts.keys())
        mine = {user: contacts[user] for user in rest & contacts.keys()}
        if self._forgotten:
            barred |= {each for each in self._same(mine.values()) if self._forgotten.has_contact(*each)}
        return ReachableUsers(
            users=tuple(sorted(rest)),
            held_out=own - control,
            left_out=tuple(left_out),
            barred=frozenset(barred),
            contacts=mine,
            withheld={user: each for user, each in self._withheld().items() if user in rest},
            format=self.format,
        )

    def controls(self, saved: SavedAudience) -> tuple[str, ...]:
        """Who is held out of a version, sorted; without those who were erased or are no longer in the data."""
        members, own = (frozenset(each) for each in self._registry.members(saved.id, saved.version))
        own |= self._control.among(members)
        return tuple(sorted(own - self._forgotten.among(own) - self._absent(own)))

    def earlier(self, saved: SavedAudience) -> tuple[str, ...]:
        """Users of the versions before this one who are still in the data and were not erased, sorted."""
        versions = range(1, saved.version)
        users = {user for version in versions for user in self._registry.members(saved.id, version)[0]}
        return tuple(sorted(users - self._forgotten.among(users) - self._absent(users)))

    def kept(self, users: Collection[str], name: str) -> EligibleMembers:
        """Who of some users may be in a new audience called ``name``, and what to say about the others.

        Users who are held out elsewhere are in it, because they belong to it; its files leave them out.
        """
        wanted = frozenset(users)
        gone = self._forgotten.among(wanted) | self._absent(wanted)
        notes = []
        if never := (wanted - gone) & self._control.among(wanted):
            notes.append(f"{len(never):,} {_CONTROL}; they count among those held out.")
        if gone:
            notes.append(f"{len(gone):,} were left out: no longer in the data, without consent, or erased.")
        elsewhere = self._held_elsewhere(self._registry.id_of(name))
        if taken := (wanted - gone - never) & elsewhere.users:
            held = f"are held out of {elsewhere.names(taken)}"
            notes.append(f"{len(taken):,} {held}; files of this audience leave them out.")
        return EligibleMembers(wanted - gone, tuple(notes))

    # --- inside -----------------------------------------------------------------------------------

    def _absent(self, users: Iterable[str]) -> set[str]:
        """Those who are not in the present data."""
        wanted = set(users)
        return wanted - self._data.among(wanted)

    def _contacts(self, users: Collection[str]) -> dict[str, dict[str, str]]:
        """The contacts of some users as they stand in the data; nothing where it has none."""
        table = self._data.contacts
        if table is None:
            return {}
        table = table.filter(pl.col("user_id").cast(pl.String).is_in(sorted(users)))
        kinds = [kind for kind in KINDS if kind in table.columns]
        rows = table.select(pl.col("user_id", *kinds).cast(pl.String)).unique("user_id", keep="first")
        return {row.pop("user_id"): {kind: row[kind] for kind in kinds if row[kind]} for row in rows.to_dicts()}

    def _withheld(self) -> dict[str, frozenset[str]]:
        """Which kinds of contacts were taken from whom when the data was prepared."""
        table = self._data.contacts
        if table is None or WITHHELD not in table.columns:
            return {}
        rows = table.select(pl.col("user_id", WITHHELD).cast(pl.String)).drop_nulls()
        return {user: frozenset(kinds.split()) for user, kinds in rows.iter_rows()}

    def _same(self, contacts: Iterable[dict[str, str]]) -> set[Contact]:
        """Contacts in the form that all their spellings share."""
        found = ((kind, self.format.same(kind, written)) for each in contacts for kind, written in each.items())
        return {(kind, same) for kind, same in found if same}

    @property
    def has_contacts(self) -> tuple[str, ...]:
        """The kinds of contacts that the present data has."""
        columns = self._data.contact_columns
        return tuple(kind for kind in KINDS if kind in columns)

    def _running(self, audience: str | None) -> list[SavedAudience]:
        """The newest versions of other audiences whose holdouts are still being measured."""
        today = self._data.card.default_as_of
        return [each for each in self._registry.list() if each.holdout and each.id != audience and today < _end(each)]

    def _held_elsewhere(self, audience: str | None) -> "_Elsewhere":
        running = self._running(audience)
        held = {each.id: frozenset(self._registry.members(each.id, each.version)[1]) for each in running}
        return _Elsewhere(tuple((each.name, _end(each), held[each.id]) for each in running))


@dataclass(frozen=True)
class _Elsewhere:
    """Holdouts of other audiences that are still being measured."""

    running: tuple[tuple[str, date, frozenset[str]], ...]

    @property
    def users(self) -> frozenset[str]:
        return frozenset().union(*(held for _, _, held in self.running))

    def names(self, users: Collection[str]) -> str:
        """The audiences that some users are held out of, in words."""
        found = [f"'{name}' until {end}" for name, end, held in self.running if held & frozenset(users)]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return ", ".join(found[:_NAMED]) + more


def _end(saved: SavedAudience) -> date:
    """The day on which the horizon of an audience is over."""
    days = read_demand(saved.spec.demand).horizon_days if saved.spec else HORIZON_DAYS
    return saved.as_of + timedelta(days=days)


def told(left_out: Sequence[tuple[str, int, str]], saved: SavedAudience, disclosure: Disclosure) -> tuple[LeftOut, ...]:
    """Who was left out of a version, as a caller may read it."""
    found = []
    for reason, exact, words in left_out:
        users = shown_aside(exact, disclosure, saved, reason)
        detail = f"{number_text(users, disclosure.minimum)} {words}"
        found.append(LeftOut.model_validate({"reason": reason, "users": users, "detail": detail}))
    return tuple(found)


def sentence(left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """Who was left out, in one sentence; none where nobody was."""
    return (f"Left out: {'; '.join(each.detail for each in left_out)}.",) if left_out else ()
