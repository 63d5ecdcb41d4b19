"""Audiences as they would be: counted, shown and explained, with nothing kept but tuned demands.

Counting is an exact scan over all users, never a top-k of the index.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.data.events import ACTIVE_DAYS
from encoders.errors import NotAllowedError, RequestError, TooSmallError
from encoders.predictor import Forecast
from encoders.score import common_vector, sentence_vector
from encoders.settings import Settings
from encoders.workspace import Progress, silent
from tools.access.callers import OWNER, Caller, Scope
from tools.audiences.changes import saved_question
from tools.audiences.conditions import Members
from tools.audiences.disclosure import UNKNOWN, Question, number_text
from tools.audiences.population import Population
from tools.audiences.profile import Profile, skew_report
from tools.audiences.sizing import MOST_READ, Selection, is_shown, reach_goal, select, size_estimate
from tools.operation_types import CataloguePage, Goal, GoalReached, GroupCard
from tools.stopping import go_on_unless_stopped
from tools.storage.nearest import neighbours
from tools.tenants import Tenant
from tools.types import (
    AudienceSpec,
    Comparison,
    DataCard,
    Explanation,
    GroupHit,
    ItemHit,
    LifeCycle,
    Overlap,
    ProfileRow,
    SampleUser,
    SimilarUsers,
    SizeEstimate,
    SkewReport,
    TunedSummary,
)

LONGEST_REQUEST = 2000

_MOST_HITS = 50


class NamedAudience(NamedTuple):
    """An audience that was named, and who is in it."""

    name: str
    users: set[str]
    question: Question
    """Who they are, in canonical words."""


class AudienceQueries:
    """What may be asked about audiences, by one caller; every count is shown as ``tools.audiences.disclosure`` says."""

    def __init__(self, settings: Settings, population: Population, tenant: Tenant, caller: Caller = OWNER) -> None:
        """Look at a population, for a caller who sees the audiences of their own tenant alone."""
        self.settings = settings
        self._population, self._forecaster = population, population.forecaster
        self._tenant, self._registry, self._tuned = tenant, tenant.registry, tenant.tuned
        self._caller = caller
        self._disclosure = population.exact if caller.may(Scope.ADMIN) else population.protected

    def describe_data(self) -> DataCard:
        """What the data has: sources, attributes with their values, common groups, dates and versions."""
        return self._population.card_for(self._disclosure)

    def search_items(self, words: str, limit: int = 10) -> tuple[ItemHit, ...]:
        """Items of the data near some words, best first."""
        return self._population.search.items(checked_words(words), min(limit, _MOST_HITS), self._disclosure)

    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        """Groups of items near some words, best first."""
        return self._population.search.group_hits(checked_words(words), min(limit, _MOST_HITS), self._disclosure)

    def browse(self, of: str = "", page: int = 0, size: int = 12, source: str = "") -> CataloguePage:
        """One page of names in the catalogue: the sources, the groups of a source, or the items of a group.

        Where several sources have a group of that name, ``source`` says which is meant.

        Raises:
            RequestError: the data has neither such a source nor such a group.
        """
        return self._population.catalogue.browse(of, page, min(max(size, 1), _MOST_HITS), source)

    def describe_group(self, group: str, source: str = "") -> GroupCard:
        """What is known of a group: its common items, who did it lately, and how often people come back for it.

        Where several sources have a group of that name, ``source`` says which is meant.

        Raises:
            RequestError: the data has no such group.
        """
        return self._population.catalogue.describe(group, self._disclosure, source)

    # --- an audience as it would be ---------------------------------------------------------------

    def size(self, spec: AudienceSpec) -> SizeEstimate:
        """Count an audience, with the expected responders, their interval and the reach curve.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        spec = self.stated(spec)
        self._population.leave_out_erased(self._tenant.workspace)
        self._asks_what_is_usual(spec.life_cycle)
        if spec.like or spec.memberships:  # what one tenant calls by a name is another thing to the next
            selection, sentence = self._select(spec), self._population.sentence(spec, self._disclosure)
            size = size_estimate(spec, selection, self._forecaster, self._disclosure, sentence)
            asked: tuple[Question, ...] = (selection.asked, *selection.counts)
        else:
            size, asked = self._population.size(spec, self._disclosure)
        self._asks(*asked)
        return size.model_copy(update={"warnings": (*size.warnings, *self._unknown(spec))})

    def reads_as(self, spec: AudienceSpec) -> tuple[str, ...]:
        """The groups that the sentence of an audience means, best first; of its users nothing is said."""
        groups = self._forecaster.snapshot.vocabulary.groups
        forecast = self._tuned.forecast(spec) if spec.like else self._forecaster.forecast(self.stated(spec).demand)
        return tuple(dict.fromkeys(groups[item] for item in forecast.items))[:MOST_READ]

    def stated(self, spec: AudienceSpec) -> AudienceSpec:
        """The same audience, with what its sentence says beside the demand as conditions.

        Everything that takes an audience reads its sentence so (``tools.sentences.sentence.read``); what is
        saved is kept as it was read.

        Raises:
            RequestError: the sentence says nothing that anybody will do.
        """
        return self._population.stated(spec)

    def meaning(self, stage: LifeCycle) -> str:
        """What a stage of the life cycle stands for in this data: its thresholds, in words.

        Raises:
            RequestError: the data has no such thing, or too little of it to say what is usual.
        """
        self._asks_what_is_usual([stage])
        return self._population.conditions.meaning(stage, self._disclosure)

    def reach_goal(self, spec: AudienceSpec, goal: Goal) -> GoalReached:
        """The cut that reaches a goal, and what it brings.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        spec = self.stated(spec)
        selection = self._select(spec)
        self._asks(selection.asked)
        return reach_goal(goal, selection.shown, selection.spread, self._disclosure.smallest)

    def preview(self, spec: AudienceSpec, count: int = 5) -> tuple[SampleUser, ...]:
        """A few users from the top to the bottom of the audience, masked, with their evidence.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(self.stated(spec)))
        places = np.unique(np.linspace(0, len(selection.members) - 1, max(1, min(count, 20))).astype(int))
        return tuple(
            self._population.people.sample(selection.forecast, int(selection.members[place]), self._digits)
            for place in places
        )

    def profile(self, spec: AudienceSpec, limit: int = 12) -> tuple[ProfileRow, ...]:
        """What is more common in the audience than among everyone, most first.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        limit = max(1, limit)
        selection = self._large_enough(self._select(self.stated(spec)), limit)
        everyone = self._population
        profile = Profile(selection.inside, everyone.active, self._disclosure, selection.question)
        return profile.rows(everyone.conditions.attributes, everyone.did_lately, everyone.groups, limit)

    def skew(self, spec: AudienceSpec) -> SkewReport:
        """Whom the audience takes more often than others, by each attribute.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(self.stated(spec)), len(self._population.card.fields))
        return skew_report(
            selection.inside,
            self._population.active,
            self._population.conditions.attributes,
            self._disclosure,
            selection.question,
        )

    def explain(self, user_id: str, spec: AudienceSpec) -> Explanation:
        """Why one user is in the audience, from their own events; to the owner and admins also, why one is not.

        Args:
            user_id: a mask, as ``preview`` shows it; from the owner and admins an id as well.
            spec: the audience.

        Raises:
            TooSmallError: the audience is below the minimum size.
            RequestError: there is no such user before the as-of date; below admin, none of that mask in the audience.
        """
        spec = self.stated(spec)
        selection = self._large_enough(self._select(spec))
        row, people = self._row_of(user_id), self._population.people
        unit, admin = self._population.card.unit, self._caller.may(Scope.ADMIN)
        within = row is not None and bool(selection.inside[row])
        if row is None or not (within or admin):
            there = f"with events before {self._population.as_of}" if admin else "in this audience"
            raise RequestError(f"There is no {unit} '{user_id[:60]}' {there}.")
        probability = float(selection.forecast.probabilities[row])
        reasons = [] if within else self._reasons_out(spec, selection.forecast, row)
        found = self._forecaster.reasons(selection.forecast, row)
        ranked = selection.forecast.probabilities[selection.ranked]
        verdict = "is in the audience" if within else "is not in the audience"
        shown = self._population.user_ids[row] if admin and self.settings.show_ids else people.masked(row)
        text = f"{unit.capitalize()} {shown} {verdict}"
        text += "." if within else f": {'; '.join(reasons)}."
        return Explanation(
            user_id=shown,
            probability=self._disclosure.share(probability),
            percentile=self._disclosure.share(float((ranked < probability).mean())),
            in_audience=within,
            reasons=tuple(reasons),
            evidence=people.evidence(found),
            text=f"{text} {people.why(found)}",
        )

    def similar(self, user_id: str, spec: AudienceSpec, count: int = 5) -> SimilarUsers:
        """Users of an audience who are most like one of its users, by the cosine of their vectors.

        Args:
            user_id: a mask, as ``preview`` shows it; from the owner and admins an id as well.
            spec: the audience.
            count: how many, 20 at most.

        Raises:
            TooSmallError: the audience is below the minimum size.
            RequestError: there is no such user in the audience.
        """
        spec = self.stated(spec)
        selection = self._large_enough(self._select(spec))
        row, people = self._row_of(user_id), self._population.people
        if row is None or not selection.inside[row]:
            raise RequestError(f"There is no {self._population.card.unit} '{user_id[:60]}' in this audience.")
        exact = [each for each in spec.filters if each.op != "is unknown"]
        near, found_by = neighbours(
            self._tenant.workspace,
            self.settings,
            self._forecaster,
            row,
            selection.inside,
            exact,
            max(1, min(count, 20)),
        )
        vectors = self._forecaster.user_vectors
        return SimilarUsers(
            user_id=people.masked(row),
            users=tuple(people.sample(selection.forecast, int(each), self._digits) for each in near),
            similarities=tuple(round(float(each), 2) for each in vectors[near] @ vectors[row]),
            found_by=found_by,
        )

    def demand_vector(self, demand: str) -> npt.NDArray[np.float32]:
        """What a sentence wants, as a unit vector in the space of the item texts, [D]."""
        return sentence_vector(self._forecaster, checked_words(demand))

    def common_vector(self, spec: AudienceSpec) -> npt.NDArray[np.float32]:
        """What the users of an audience do more than everyone, in the same space.

        Raises:
            NotAllowedError: the caller is below admin, for a vector has room for more than a count tells.
            TooSmallError: the audience is below the minimum size.
        """
        if not self._caller.may(Scope.ADMIN):
            raise NotAllowedError("The vector of an audience needs a token with the scope 'admin'.")
        return common_vector(self._forecaster, self._large_enough(self._select(self.stated(spec))).members)

    def compare(self, audiences: Sequence[AudienceSpec | str]) -> Comparison:
        """The overlap of every pair; a string is the id or name of a saved audience.

        Raises:
            RequestError: fewer than two audiences, or one that is not there.
        """
        if len(audiences) < 2:
            raise RequestError("Comparing needs at least two audiences.")
        named = [self._named_members(each) for each in audiences]
        return Comparison(overlaps=tuple(self._overlap(a, b) for a, b in combinations(named, 2)))

    # --- demands fitted to users ------------------------------------------------------------------

    def tune(
        self, name: str, demand: str | None, seeds: Sequence[str] | str, progress: Progress = silent
    ) -> TunedSummary:
        """Fit a demand to users who are known to be meant; an earlier one of that name is replaced.

        Args:
            name: what ``AudienceSpec.like`` will call it.
            demand: the sentence to begin with; None to look for users like the ``seeds`` whatever that is.
            seeds: ids of users, or the id or name of a saved audience. Ids without a history are passed over.
            progress: called as the work goes on; nothing is replaced where it raises.

        Raises:
            RequestError: fewer than five have a history, or there is no such audience.
        """
        if isinstance(seeds, str):
            users, named = sorted(self._named_members(seeds).users), dict[str, str]()
        else:
            users, named = self._ids(seeds)
        found = self._tuned.tune(name, None if demand is None else checked_words(demand), users, progress, named)
        return self._rounded(found)

    def tuned(self, name: str) -> TunedSummary:
        """What is kept under the name of a tuned demand.

        Raises:
            RequestError: there is none of that name.
            ModelError: it was tuned with another model.
        """
        return self._rounded(self._tuned.summary(name))

    # --- inside -----------------------------------------------------------------------------------

    def _select(self, spec: AudienceSpec) -> Selection:
        go_on_unless_stopped()
        self._population.leave_out_erased(self._tenant.workspace)
        self._asks_what_is_usual(spec.life_cycle)
        forecast = self._tuned.forecast(spec) if spec.like else self._forecaster.forecast(spec.demand)
        return select(forecast, spec, self._population.conditions, self._disclosure, self._members)

    def _members(self, audience: str) -> Members:
        """Who is in the newest version of a saved audience."""
        saved = self._registry.get(audience)
        return Members(f"{saved.id} {saved.version}", frozenset(self._registry.members(saved.id, saved.version)[0]))

    def _unknown(self, spec: AudienceSpec) -> tuple[str, ...]:
        """How many are left out for want of a value, where a condition says which value they must not have."""
        unknown = {each.field.casefold(): each for each in self.describe_data().fields}
        units, found = self._population.card.unit_plural, []
        for each in spec.filters:
            card = unknown.get(each.field.casefold())
            if each.op == "is not" and card is not None and card.unknown != 0:
                many = number_text(card.unknown, self._disclosure.minimum)
                found.append(f"The {card.field} of {many} {units} is unknown; they are left out, too.")
        return tuple(found)

    def _asks_what_is_usual(self, stages: Sequence[LifeCycle]) -> None:
        """Count the stages of the life cycle that are asked about: thresholds tell, and so does that there are none."""
        if stages:
            self._asks(*(("usual", each.model_dump_json()) for each in stages))

    def _asks(self, *questions: Question, counts: int = 1) -> None:
        """Count what a caller below admin asks about groups of users.

        Args:
            questions: who they are, in canonical words, and what is asked about them.
            counts: how many counts, in which one user may stand again and again, the answer shows to each.

        Raises:
            TooManyCallsError: they were too many within a day.
        """
        if not self._disclosure.exact:
            asked = [self._population.protected.fingerprint(*each) for each in questions]
            self._tenant.allowance.ask(self._caller.name, asked, counts)

    @property
    def _digits(self) -> int | None:
        """Digits of the probability of one user."""
        return None if self._caller.may(Scope.ADMIN) else 2

    def _row_of(self, named: str) -> int | None:
        """The row of a user by the mask, from the owner and admins by the id as well; None where there is none."""
        self._population.leave_out_erased(self._tenant.workspace)
        known = self._population.row_of.get(named.strip()) if self._caller.may(Scope.ADMIN) else None
        row = self._population.people.row_of(named) if known is None else known
        return None if row is None or self._population.conditions.gone[row] else row

    def _ids(self, named: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Ids of users as the caller may name them, and how the caller named each."""
        if self._caller.may(Scope.ADMIN):
            return sorted(named), {}
        known = [each for each in named if self._row_of(each) is not None]
        ids = {each: f"{UNKNOWN}{each}" for each in named} | self._population.people.unmasked(known)
        return sorted(ids.values()), {user: mask for mask, user in ids.items()}

    def _rounded(self, tuned: TunedSummary) -> TunedSummary:
        if self._disclosure.exact:
            return tuned
        shown = {name: self._disclosure.share(getattr(tuned, name)) for name in ("auc_before", "auc_after")}
        seeds = self._disclosure.count(tuned.seeds or 0, "seeds", tuned.name, tuned.demand)
        return tuned.model_copy(update=shown | {"seeds": seeds})

    def _large_enough(self, selection: Selection, counts: int = 1) -> Selection:
        self._asks(selection.question, counts=counts)
        minimum = self._disclosure.minimum
        if not is_shown(selection, self._disclosure):
            raise TooSmallError(
                f"This audience has {number_text(None, minimum)} {self._population.card.unit_plural}; so few are not "
                "shown or exported, to protect single people. Make it broader."
            )
        return selection

    def _named_members(self, audience: AudienceSpec | str) -> NamedAudience:
        if isinstance(audience, str):
            saved = self._registry.get(audience)
            members = set(self._registry.members(saved.id, saved.version)[0])
            return NamedAudience(saved.name, members, saved_question(saved))
        users, selection = self._population.user_ids, self._select(self.stated(audience))
        return NamedAudience(audience.demand, {users[row] for row in selection.members}, selection.question)

    def _overlap(self, a: NamedAudience, b: NamedAudience) -> Overlap:
        disclosure = self._disclosure
        users_a, users_b = (disclosure.count(each.users, *each.question) for each in (a, b))
        together = tuple(sorted({a.question, b.question}))
        question = together[0] if len(together) == 1 else ("both", *together[0], "and", *together[1])
        self._asks(*{a.question, b.question, question})
        found = disclosure.common(a.users & b.users, (users_a, users_b), *question)
        users_a, users_b = found.users
        return Overlap(
            a=a.name, b=b.name, users_a=users_a, users_b=users_b, both=found.both, either=found.either,
            jaccard=found.share,
        )  # fmt: skip

    def _reasons_out(self, spec: AudienceSpec, forecast: Forecast, row: int) -> list[str]:
        inactive = f"not active in the {ACTIVE_DAYS} days before {self._population.as_of}"
        reasons = [] if self._population.active[row] else [inactive]
        conditions = self._population.conditions.of(spec, forecast, self._members, self._disclosure)
        reasons += [f"does not meet the condition: {each.words}" for each in conditions if not each.mask[row]]
        return reasons or ["the probability is below the cut"]


def checked_words(words: str) -> str:
    """Words to look for, on one line and not too long; raises RequestError where there are none."""
    words = " ".join(words.split())
    if not words:
        raise RequestError("Say what to look for; the words are empty.")
    return words[:LONGEST_REQUEST]
