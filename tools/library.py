"""The library of saved audiences: what each was and where it is in use, side by side, and how they are put away."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Literal

import numpy as np

from encoders.errors import NotAllowedError, RequestError
from tools.access.callers import Scope
from tools.audiences.changes import moves, refresh_question
from tools.audiences.disclosure import Mask
from tools.audiences.profile import Profile
from tools.delivery.destinations import Platform, platforms
from tools.delivery.exports import matched_by
from tools.delivery.uses import Uses
from tools.erasure.erasure import delete_audience
from tools.library_types import AudienceUses, DeletedAudience, Region, VersionChange
from tools.saved_audiences import SavedAudiences, in_use
from tools.storage.put_away import PutAway
from tools.types import ExportPlan, ProfileRow, SavedAudience

MOST_COMPARED = 3
"""Audiences that are laid over each other: four have fifteen parts, which no picture makes plain."""
_MOVES = 3
"""Counts that the history shows of each version but the first."""


class AudienceLibrary(SavedAudiences):
    """What a caller may do with the library as a whole."""

    # --- one audience ------------------------------------------------------------------------------

    def history(self, audience: str) -> tuple[VersionChange, ...]:
        """The versions of a saved audience, the first one first, each with who came and left since the one before.

        Raises:
            NotThereError: there is none of that name.
        """
        versions = self._registry.history(audience)
        self._asks(*(refresh_question(each) for each in versions[1:]), counts=_MOVES)
        found, before = [], None
        for saved in versions:
            shown = self._shown(saved)
            now = set(self._registry.members(saved.id, saved.version)[0])
            stayed = came = left = None
            if before is not None:
                users = (before[0], shown.users)
                moved = moves((before[1], now), users, self._disclosure, refresh_question(saved))
                stayed, came, left = moved.stayed, moved.came, moved.left
            same = {name: getattr(shown, name) for name in _SAME}
            found.append(VersionChange(**same, stayed=stayed, came=came, left=left))
            before = shown.users, now
        return tuple(found)

    def uses(self, audience: str) -> AudienceUses:
        """Where a saved audience is in use: who was sent it, who uses it, and which others are made with it.

        Raises:
            NotThereError: there is none of that name.
        """
        return self.all_uses().of(self._registry.get(audience).id)

    def all_uses(self) -> Uses:
        """The same for every saved audience, looked up at once."""
        return Uses(self._registry, self._tenant.workspace.exports, self._exact)

    def planned_export(
        self, audience: str, format: Literal["csv", "parquet"] = "csv", platform: str = ""
    ) -> ExportPlan:
        """What ``export`` would write, and who would not be in it and why; nothing is written. Raises like it."""
        in_use(self._registry.get(audience))
        return self._exports.planned(audience, format, platform)

    def check_destination(self, platform: str) -> None:
        """Look whether a list for a destination could be made of this data at all.

        Raises:
            RequestError: there is no such destination, or the data has none of the contacts that it matches people by.
        """
        destination = self.destinations.named(platform)
        if isinstance(destination, Platform):
            matched_by(destination, self._reaching().has_contacts)

    def served_platforms(self) -> tuple[str, ...]:
        """The keys of the ad platforms that a list could be made for of this data."""
        kinds = set(self._reaching().has_contacts)
        return tuple(key for key, platform in platforms().items() if kinds & platform.contact_columns.keys())

    def refresh_days(self, audience: str) -> tuple[date, date]:
        """The day that a refresh would propose, and the last day that the data reaches to.

        Raises:
            RequestError: it cannot be refreshed; the text says why.
        """
        last = self._forecaster.dataset.card.last + timedelta(days=1)
        proposed = self._population.as_of if self._registry.get(audience).as_of < self._population.as_of else last
        return self.refresh_day(audience, proposed), last

    # --- several of them ---------------------------------------------------------------------------

    def regions(self, audiences: Sequence[str]) -> tuple[Region, ...]:
        """Two or three saved audiences laid over each other: how many users are in which of them, and in no other.

        Raises:
            NotAllowedError: the caller is below admin, who would learn small groups from the differences.
            RequestError: there are fewer or more, or one is not there.
        """
        members = self._laid_over(audiences)
        found = []
        for number in range(len(members), 0, -1):
            for inside in combinations(members, number):
                users = frozenset.intersection(*(members[each] for each in inside))
                users -= frozenset[str]().union(*(members[each] for each in members if each not in inside))
                found.append(Region(inside=inside, users=len(users) if not users else self._disclosure.count(users)))
        return tuple(found)

    def apart(self, audiences: Sequence[str], limit: int = 6) -> dict[str, tuple[ProfileRow, ...]]:
        """What is more common in each of two or three saved audiences than in all of them together, by its name.

        An index of 100 is as common as in all of them together; those below the minimum size have no rows.

        Raises:
            NotAllowedError: the caller is below admin.
            RequestError: there are fewer or more, or one is not there.
        """
        masks = {name: self._mask(users) for name, users in self._laid_over(audiences).items()}
        everyone, population = np.logical_or.reduce(list(masks.values())), self._population
        found = {}
        for name, mask in masks.items():
            few = self._disclosure.count(int(mask.sum())) is None
            profile = Profile(mask, everyone, self._disclosure, ("apart", name))
            args = population.conditions.attributes, population.did_lately, population.groups
            found[name] = () if few else profile.rows(*args, limit)
        return found

    # --- put away and brought back -----------------------------------------------------------------

    def archive(self, audience: str, approved_by: str) -> SavedAudience:
        """Put a saved audience away: it is neither listed, refreshed nor exported until it is taken back.

        Its holdout is held out as before, and its forecast stays in the ledger.

        Raises:
            NotThereError: there is none of that name.
        """
        return self._shown(self._put_away.archive(audience, approved_by))

    def take_back(self, audience: str, approved_by: str) -> SavedAudience:
        """Have an archived audience listed, refreshed and exported again.

        Raises:
            NotThereError: there is none of that name.
        """
        return self._shown(self._put_away.take_back(audience, approved_by))

    def delete(self, audience: str, for_good: bool = False) -> SavedAudience:
        """Delete a saved audience with all its versions, and its files; its audit lines stay, without members.

        For ``undo_days`` of the settings, ``restore`` brings it back without its files; meanwhile nothing finds it,
        its name is free, and its holdout is held out no more. Users who are erased are erased from it as well.

        Args:
            audience: its name or id; of one that was deleted before, its id.
            for_good: it cannot be brought back.

        Returns:
            Its newest version as it was.

        Raises:
            NotThereError: there is none of that name.
        """
        days = 0 if for_good else self.settings.undo_days
        return self._shown(delete_audience(self._tenant.workspace, self._registry, audience, self._caller.name, days))

    def restore(self, audience: str, approved_by: str, name: str = "") -> SavedAudience:
        """Bring a deleted audience back, by its id, with all its versions and outcomes, but without its files.

        Args:
            audience: its id.
            approved_by: the person who said yes.
            name: what it is called from now on; empty for the name it had.

        Raises:
            NotThereError: it was not deleted, or too long ago.
            RequestError: another audience is called so by now.
        """
        return self._shown(self._put_away.restore(audience, approved_by, name))

    def deleted(self) -> tuple[DeletedAudience, ...]:
        """The audiences that can be brought back, the last deleted first."""
        return self._put_away.deleted()

    # --- inside ------------------------------------------------------------------------------------

    @property
    def _put_away(self) -> PutAway:
        return PutAway(self._registry, self.settings.undo_days)

    def _laid_over(self, audiences: Sequence[str]) -> dict[str, frozenset[str]]:
        """Who is in each of some audiences, by its name."""
        if not self._caller.may(Scope.ADMIN):
            raise NotAllowedError("Laying audiences over each other needs a token with the scope 'admin'.")
        saved = {each.name: each for each in map(self._registry.get, audiences)}
        if not 2 <= len(saved) <= MOST_COMPARED:
            raise RequestError(f"Choose 2 to {MOST_COMPARED} different audiences to compare, not {len(saved)}.")
        return {name: frozenset(self._registry.members(one.id, one.version)[0]) for name, one in saved.items()}

    def _mask(self, users: frozenset[str]) -> Mask:
        """Those of them who are in the data that is served."""
        row_of, mask = self._population.row_of, np.zeros(len(self._population.user_ids), dtype=bool)
        mask[[row_of[user] for user in users if user in row_of]] = True
        return mask


_SAME = ("version", "as_of", "created", "approved_by", "definition", "users", "holdout", "forecast")
