"""Audiences that are kept: saved with their holdout, combined, exported, measured and refreshed."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from functools import partial, reduce
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from encoders.errors import NotAllowedError, RequestError
from encoders.features.counts import did_any
from encoders.workspace import Progress, Workspace
from tools.access.callers import OWNER, Scope
from tools.access.gate import call_details
from tools.access.names import Names
from tools.audiences.changes import compared, refresh_day, saved_question, shown_audience
from tools.audiences.drift import DRIFT_COUNTS, DriftChecks
from tools.audiences.ledger import ForecastLedger, kind_of
from tools.audiences.outcomes import Outcomes
from tools.audiences.power import plan
from tools.audiences.sizing import Selection, curve_point
from tools.audiences.uplift import Asked, Uplift
from tools.delivery.destinations import Destinations
from tools.delivery.outbox import Outbox, announce_drift, announce_saved
from tools.delivery.reaching import Reachability
from tools.delivery.sending import Deployments, Exports
from tools.effect_types import HoldoutPlan, UpliftReport
from tools.erasure.erasure import delete_conversation, delete_export, erase
from tools.operation_types import MOST_HELD_OUT, Receipt, Refreshed
from tools.queries import AudienceQueries
from tools.sentences.sentence import write
from tools.stopping import go_on_unless_stopped
from tools.storage.exposures import Exposures
from tools.storage.holdouts import ControlGroup, MemberFacts
from tools.storage.registry import NOTHING_KNOWN
from tools.types import AudienceSpec, ExportFile, Interval, LeftOut, SampleUser, SavedAudience
from tools.uploads import keep_upload, uploaded

_UPLIFT_COUNTS = 5
"""Counts of an answer about effects that one user may stand in: two sides of a group, the parts, the whole, the cut."""


class SavedAudiences(AudienceQueries):
    """What a caller may do with saved audiences."""

    def save(
        self,
        spec: AudienceSpec,
        name: str,
        approved_by: str,
        key: str = "",
        holdout: float | None = None,
        as_version: int | None = None,
    ) -> SavedAudience:
        """Save an audience as a snapshot with its holdout; the same ``key`` saves once.

        Args:
            spec: who is in it.
            name: what it is called; a name that exists gets its next version.
            approved_by: the person who said yes.
            key: idempotency key.
            holdout: share of its users that is held out, 0 to one half; None for the share in the settings.
            as_version: the version that the person was told it becomes; None for whichever comes next.

        Raises:
            RequestError: the name or the approval is missing, the share is none, or it would become another version.
        """
        share = self._holdout_share(holdout)
        return self._shown(self._save_spec(self.stated(spec), name, approved_by, key, share, as_version=as_version))

    def holdout_plan(self, spec: AudienceSpec, shares: Sequence[float] = ()) -> HoldoutPlan:
        """What difference the outcome will show, by the share that is held out; nothing is saved.

        Args:
            spec: the audience.
            shares: what to hold out; none for the usual ones.

        Raises:
            RequestError: one of the shares cannot be held out, or the audience cannot be counted.
        """
        for share in shares:
            self._holdout_share(share)
        return plan(self.size(spec), self.settings.holdout, self.settings.control, shares)

    def combine(
        self,
        operation: Literal["and", "or", "not"],
        audiences: Sequence[str],
        name: str,
        approved_by: str,
        key: str = "",
        as_version: int | None = None,
    ) -> SavedAudience:
        """Save a new audience from saved ones: in all of them, in any of them, or in the first and in no other.

        Whoever is held out of one of them is held out of it, too. The same ``key`` saves once. ``as_version`` is as in
        ``save``.

        Raises:
            RequestError: fewer than two audiences, one that is not there, or it would become another version.
        """
        names, joined, held_out = self._joined(operation, audiences)
        words = {"and": " and also ", "or": " or ", "not": " but not "}[operation].join(f"'{each}'" for each in names)
        parts, share = [self._registry.get(each).id for each in audiences], self.settings.holdout
        return self._shown(
            self._save(
                name, None, words, joined, approved_by, key, share,
                inherited=held_out, parts=parts, as_version=as_version,
            )
        )  # fmt: skip

    def combined_users(self, operation: Literal["and", "or", "not"], audiences: Sequence[str]) -> int | None:
        """How many users ``combine`` would save, as counts are shown; raises like it."""
        _, joined, _ = self._joined(operation, audiences)
        first, *others = (f"{each.id} {each.version}" for each in map(self._registry.get, audiences))
        asked = [first, *sorted({*others})] if operation == "not" else sorted({first, *others})
        question = ("combined", operation, *asked)
        self._asks(question)
        kept = self._reaching().kept(joined, "")
        return self._disclosure.count(kept.users, *question)

    def rename(self, audience: str, name: str, approved_by: str) -> SavedAudience:
        """Give a saved audience another name, with an audit line; its versions, files and outcomes stay as they are.

        Raises:
            NotThereError: there is none of that name or id.
            RequestError: the new name or the approval is missing, or another audience is called so.
        """
        return self._shown(self._registry.rename(audience, name, approved_by))

    def list_audiences(self, archived: bool = False) -> tuple[SavedAudience, ...]:
        """The newest version of every saved audience, by name; those that are archived only where asked for."""
        return tuple(self._shown(each) for each in self._registry.list() if archived or each.archived is None)

    def named(self, name: str) -> SavedAudience | None:
        """The saved audience that has a name, archived or not; None where the name is free."""
        found = self._registry.id_of(name)
        return None if found is None else self.saved(found)

    def saved(self, audience: str, version: int | None = None) -> SavedAudience:
        """A saved audience (id or name), its newest version unless another is asked for.

        Raises:
            NotThereError: there is none of that name or version.
        """
        return self._shown(self._registry.get(audience, version))

    def export(
        self, audience: str, format: Literal["csv", "parquet"] = "csv", key: str = "", platform: str = ""
    ) -> ExportFile:
        """Write those of a saved audience who may be reached now to a file, with hashed contacts where there are any.

        Its holdout is not in it, nor is anybody who is not in the present data, was erased or is held out of another
        audience, nor a contact of one of them; the answer says how many and why.

        Args:
            audience: its name or id.
            format: platforms take CSV alone.
            key: idempotency key.
            platform: the name of a destination: 'google', 'meta', 'tiktok' or 'linkedin' for the list as that platform
                expects it, or one of ``destinations``, which it is sent to in batches of hashes.

        Raises:
            TooSmallError: fewer users than the minimum would be in the file.
            RequestError: there is no such audience or destination, or it would turn the list down.
            DestinationError: it cannot be used, or did not take everything; what was sent is remembered.
        """
        in_use(self._registry.get(audience))
        return self._exports.export(audience, format, key, platform)

    @property
    def destinations(self) -> Destinations:
        """Where audiences can be exported to."""
        return Destinations(self._registry.database, not Names(self.settings.host, self.settings.hosts).public)

    @property
    def webhooks(self) -> Outbox:
        """Who is told when an audience is ready, refreshed or drifts."""
        return Outbox(self._registry.database, not Names(self.settings.host, self.settings.hosts).public)

    def record_call(self, operation: str, outcome: str) -> None:
        """Write an audit line about a call of this caller, whatever came of it."""
        self._registry.record_event(self._caller.name, "call", call_details(operation, outcome))

    def exported(self, name: str) -> Path:
        """The file of an export, by its name, to be given out.

        Raises:
            NotThereError: there is none, or somebody in it may not be reached any more; the text says why.
            DamagedError: it is not what was written.
        """
        return self._exports.exported(name)

    def reachable(self, audience: str) -> tuple[int, tuple[LeftOut, ...]]:
        """How many of a saved audience may be reached now, each contact once, and who is not; raises as exports do."""
        return self._exports.reachable(audience)

    def check_may_approve(self) -> None:
        """Let the name of a person be enough of an approval.

        Raises:
            NotAllowedError: the settings ask for the person, and a token cannot say yes for them.
        """
        if self.settings.approval == "person" and self._caller != OWNER:
            raise NotAllowedError(
                "Here a person has to say yes, and a token cannot say it for them; use an MCP client that shows "
                "questions, or have the owner do it on the page."
            )

    def delete_export(self, name: str) -> None:
        """Delete the file of an export.

        Raises:
            NotThereError: there is none.
        """
        delete_export(self._tenant.workspace, self._registry, name, self._caller.name)

    def forget(self, users: Collection[str], by: str) -> Receipt:
        """Erase users from everything in the workspace, in every tenant, and leave them out of data prepared later.

        Raises:
            NotAllowedError: the caller is not the owner of the workspace.
            WorkspaceError: a place is in use; they are forgotten already, and the same call goes on.
        """
        if self._caller.tenant or not self._exact:
            raise NotAllowedError("Erasing users reaches every tenant, so it needs an admin token without a tenant.")
        return erase(self._tenant.workspace, self.settings, users, by)

    def delete_conversation(self, thread: str) -> None:
        """Delete a conversation of the page, but none of the audiences saved in it.

        Raises:
            NotAllowedError: the caller is not the owner of the workspace, whose page it was.
            NotThereError: there is none.
        """
        if self._caller.tenant or not self._exact:
            raise NotAllowedError("Conversations are the owner's, so this needs an admin token without a tenant.")
        delete_conversation(self._tenant.workspace, thread)
        self._registry.record(self._caller.name, "delete conversation", details={"conversation": thread})

    # --- what became of them ----------------------------------------------------------------------

    @property
    def outcomes(self) -> Outcomes:
        """How saved audiences did, from files and from the data itself."""
        dataset = self._forecaster.dataset
        return Outcomes(
            self._registry,
            dataset,
            self._disclosure,
            self._ids,
            lambda: (self._forecaster, self._tuned),
            self._control,
        )

    def uplift(
        self, audience: AudienceSpec | str | None = None, value: float | None = None, cost: float | None = None
    ) -> UpliftReport:
        """Who changes because of us, by all campaigns with a holdout whose outcome was recorded.

        Args:
            audience: whom to tell about, also by the name or id of a saved one; None for the campaigns alone.
            value: of a responder, for a cut by the profit that comes because of us; with ``cost``.
            cost: of a contact.

        Raises:
            RequestError: there is no such audience, or only one of value and cost is given.
        """
        if (value is None) != (cost is None):
            raise RequestError("A cut by profit needs both, the value of a responder and the cost of a contact.")
        asked = None if audience is None else self._asked_about(audience)
        self._asks(("effects",), *([asked.question] if asked else []), counts=_UPLIFT_COUNTS)
        holdout = max(self.settings.holdout, self.settings.control)
        found = Uplift(self._registry, self._disclosure, self._population.card.unit_plural)
        return found.report(asked, holdout, value, cost)

    def _asked_about(self, audience: AudienceSpec | str) -> Asked:
        unit = self._population.card.unit_plural
        if isinstance(audience, str):
            saved = self._registry.get(audience)
            people = Exposures(self._registry.database).people(saved.id, saved.version)
            people.sort(key=lambda each: -each.chance)
            chances, habitual = (np.array([each[place] for each in people]) for place in (1, 2))
            question, kind = saved_question(saved), kind_of(saved.spec, unit)
            return Asked(saved.name, kind, chances.astype(float), habitual.astype(bool), len(people), question)
        spec = self.stated(audience)
        selection = self._select(spec)
        known = self._known(spec, selection, selection.ranked)
        users, did = self._population.user_ids, known.habitual or frozenset()
        chances = selection.forecast.probabilities[selection.ranked].astype(float)
        habitual = np.array([users[row] in did for row in selection.ranked], bool)
        inside = len(selection.members)
        return Asked(spec.demand, kind_of(spec, unit), chances, habitual, inside, ("uplift", *selection.question))

    @property
    def ledger(self) -> ForecastLedger:
        """What was forecast for saved audiences, beside what then happened."""
        dataset = self._forecaster.dataset
        return ForecastLedger(self._registry, dataset, self._disclosure, self.outcomes, self._shown)

    @property
    def deployments(self) -> Deployments:
        """Where saved audiences are in use, and what other agents were answered."""
        return Deployments(self._registry)

    @property
    def drifts(self) -> DriftChecks:
        """Whether saved audiences are still what was saved."""
        asked = partial(self._asked, counts=DRIFT_COUNTS)
        return DriftChecks(self._registry, self._population, self._disclosure, asked, self.outcomes, announce_drift)

    def keep_upload(self, path: Path) -> str:
        """Take in a file somebody brought; ``uploaded`` finds it by the name that comes back."""
        return keep_upload(self._tenant.workspace, path)

    def uploaded(self, name: str) -> Path:
        """A file that was taken in."""
        return uploaded(self._tenant.workspace, name)

    def refresh_day(self, audience: str, as_of: date | None = None) -> date:
        """The day a saved audience would be refreshed at; None: the day that counts as now.

        Raises:
            RequestError: it cannot be refreshed then; the text says why.
        """
        return refresh_day(
            in_use(self._registry.get(audience)), self._population.as_of, as_of, self._forecaster.dataset.card
        )

    # --- inside -----------------------------------------------------------------------------------

    def _asked(self, spec: AudienceSpec, counts: int = 1) -> Selection:
        """The users of a spec that the caller asks about, in so many counts."""
        selection = self._select(spec)
        self._asks(selection.question, counts=counts)
        return selection

    def _shown(self, saved: SavedAudience) -> SavedAudience:
        """A saved audience as the caller may read it.

        What it says was written for whoever saved it, with the exact cut and thresholds of the life cycle where that
        was the owner; below admin it is written anew.
        """
        shown = shown_audience(saved, self._disclosure)
        if self._disclosure.exact or shown.spec is None:
            return shown
        return shown.model_copy(update={"definition": write(shown.spec, self._population.card)})

    def _holdout_share(self, share: float | None) -> float:
        if share is None:
            return self.settings.holdout
        if not 0 <= share <= MOST_HELD_OUT:
            raise RequestError(f"A share of 0 to {MOST_HELD_OUT:.0%} can be held out, not {share:.0%}.")
        return share

    def _save_spec(
        self,
        spec: AudienceSpec,
        name: str,
        approved_by: str,
        key: str,
        share: float,
        refreshes: bool = False,
        as_version: int | None = None,
    ) -> SavedAudience:
        selection = self._asked(spec)
        chances = selection.forecast.probabilities[selection.ranked]
        forecast = curve_point(selection.cut, chances, selection.forecast.spread).responders
        fixed = spec.model_copy(update={"cut": selection.cut})
        users = self._population.user_ids
        parts = [self._registry.get(each.audience) for each in spec.memberships]
        if self._registry.id_of(name) in {each.id for each in parts}:
            raise RequestError(f"'{name}' cannot be a part of itself; save it under another name.")
        held_out = {user for each in parts for user in self._registry.members(each.id, each.version)[1]}
        members, known = {users[row] for row in selection.members}, self._known(spec, selection, selection.members)
        words = self._population.sentence(fixed, self._disclosure)
        saved = self._save(
            name, fixed, words, members, approved_by, key, share, forecast, refreshes, held_out, (), as_version, known
        )
        self.outcomes.keep_meaning(saved)
        return saved

    def _known(self, spec: AudienceSpec, selection: Selection, rows: npt.NDArray[np.int64]) -> MemberFacts:
        """The forecast of each of some users, and who of them had done before what is asked for."""
        users, chances = self._population.user_ids, selection.forecast.probabilities
        demand, items = self._tuned.meant(spec) if spec.like else self._forecaster.meant(spec.demand)
        wanted = [each for each, part in zip(items, demand.parts, strict=True) if not part.negated and len(each)]
        habitual = None
        if wanted:
            done = self._forecaster.done_within(None)[rows]
            did = did_any(done, np.unique(np.concatenate(wanted)))
            habitual = frozenset(users[row] for row in rows[did])
        return MemberFacts({users[row]: float(chances[row]) for row in rows}, habitual)

    def _save(
        self,
        name: str,
        spec: AudienceSpec | None,
        words: str,
        members: set[str],
        approved_by: str,
        key: str,
        holdout: float,
        forecast: Interval | None = None,
        refreshes: bool = False,
        inherited: Collection[str] = (),
        parts: Sequence[str] = (),
        as_version: int | None = None,
        known: MemberFacts = NOTHING_KNOWN,
    ) -> SavedAudience:
        kept = self._reaching().kept(members, name)
        go_on_unless_stopped()
        return self._registry.save_version(
            name,
            spec=spec,
            definition=words,
            members=kept.users,
            holdout_share=holdout,
            as_of=self._population.as_of,
            model_version=self._population.card.model_version,
            data_version=self._population.card.data_version,
            approved_by=approved_by,
            key=key,
            forecast=forecast,
            refreshes=refreshes,
            inherited=inherited,
            notes=kept.notes,
            parts=parts,
            as_version=as_version,
            known=replace(known, control=self._control.among(kept.users)),
            emit=announce_saved(self._population.protected),
        )

    def _joined(
        self, operation: Literal["and", "or", "not"], audiences: Sequence[str]
    ) -> tuple[list[str], set[str], set[str]]:
        """The names of the parts, who is in the combination, and who is held out of any part."""
        if len(audiences) < 2:
            raise RequestError("Combining needs at least two saved audiences.")
        parts = [self._registry.get(each) for each in audiences]
        found = [self._registry.members(each.id, each.version) for each in parts]
        sets = [set(members) for members, _ in found]
        joined = {
            "and": lambda: reduce(set.intersection, sets),
            "or": lambda: reduce(set.union, sets),
            "not": lambda: sets[0].difference(*sets[1:]),
        }[operation]()
        return [each.name for each in parts], joined, {user for _, held_out in found for user in held_out}

    @property
    def _exports(self) -> Exports:
        return Exports(self._tenant.workspace, self._registry, self.destinations, self._disclosure, self._control)

    def _reaching(self) -> Reachability:
        """Who may be reached, by the data as it is now."""
        return Reachability(self._tenant.workspace, self._registry, self._control)

    @property
    def _control(self) -> ControlGroup:
        """Who is never contacted; the same users for every tenant."""
        return ControlGroup(Workspace(self._tenant.workspace.path).mask_key(), self.settings.control)

    @property
    def _exact(self) -> bool:
        """Whether the caller may read small numbers."""
        return self._caller.may(Scope.ADMIN)

    def _refresh(self, before: SavedAudience, approved_by: str, key: str, progress: Progress) -> Refreshed:
        assert before.spec is not None
        progress("Counting anew")
        self._select(before.spec)
        progress("Saving")
        was, held_out = self._registry.members(before.id, before.version)
        share = len(held_out) / len(was) if was else self.settings.holdout
        saved = self._save_spec(before.spec, before.name, approved_by, key, share, refreshes=True)
        now, row_of = set(self._registry.members(saved.id, saved.version)[0]), self._population.row_of
        forecast = self._select(before.spec).forecast
        enough = min(len(was), len(now)) >= self.settings.minimum_size and self._caller.may(Scope.PREVIEW)

        def sample(users: Sequence[str]) -> tuple[SampleUser, ...]:
            known = [row_of[user] for user in users if user in row_of]
            return tuple(self._population.people.sample(forecast, row, self._digits) for row in known)

        shown = self._shown(before), self._shown(saved)
        return compared(shown, (set(was), now), self._disclosure, sample if enough else None)


def in_use(saved: SavedAudience) -> SavedAudience:
    """A saved audience that is not archived.

    Raises:
        RequestError: it is.
    """
    if saved.archived is not None:
        raise RequestError(f"'{saved.name}' is archived; take it back first.")
    return saved
