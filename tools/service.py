"""AudienceService: everything an agent, a page or a protocol may do with audiences.

Counting is an exact scan over all users, never a top-k of the index.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import date
from functools import cached_property, reduce
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.errors import RequestError, TooSmallError
from encoders.forecast import Forecast, Forecaster
from encoders.history.events import ACTIVE_DAYS
from encoders.meaning import common_vector, sentence_vector
from encoders.settings import Settings
from encoders.workspace import Workspace
from tools.campaign_types import Refreshed
from tools.conditions import Conditions
from tools.describe import describe
from tools.export import export_audience
from tools.goals import Goal, GoalReached, reach_goal
from tools.indexing import open_forecaster, read_index
from tools.outcomes import Outcomes
from tools.people import People
from tools.platforms import platform_named
from tools.profile import profile_rows
from tools.reach import curve_point
from tools.refreshing import compared, refresh_day
from tools.registry import Registry
from tools.search import Search
from tools.selection import Selection, select
from tools.sizing import size_estimate
from tools.skew import skew_report
from tools.tuned import TunedDemands
from tools.types import (
    AudienceSpec,
    Comparison,
    DataCard,
    Explanation,
    ExportFile,
    GroupHit,
    Interval,
    ItemHit,
    Overlap,
    ProfileRow,
    SampleUser,
    SavedAudience,
    SizeEstimate,
    SkewReport,
    TunedSummary,
)
from tools.uploads import keep_upload, uploaded
from tools.wording import definition

LONGEST_REQUEST = 2000
MOST_HELD_OUT = 0.5
"""Share of an audience that may be kept back at most: more would measure an effect on hardly anybody."""

_MOST_HITS = 50


class AudienceService:
    """One data set, one model, one as-of date; safe to use from several threads."""

    def __init__(self, settings: Settings, workspace: Workspace, forecaster: Forecaster) -> None:
        """Serve a forecaster; use ``open`` unless one is at hand."""
        self.settings = settings
        self._workspace = workspace
        self._forecaster = forecaster
        self._conditions = Conditions(forecaster)
        self._search = Search(forecaster)
        self._people = People(forecaster)
        self._registry = Registry(workspace.registry)
        self._tuned = TunedDemands(workspace, forecaster)

    @classmethod
    def open(cls, settings: Settings, as_of: date | None = None) -> "AudienceService":
        """Load the workspace named in the settings.

        Raises:
            AudienceError: there is no data or model yet; the text says which command makes it.
        """
        workspace = Workspace(settings.workspace)
        forecaster = open_forecaster(workspace, settings, as_of)
        return cls(settings, workspace, forecaster.index_with(read_index(workspace, settings, forecaster)))

    def close(self) -> None:
        """Let go of the registry."""
        self._registry.close()

    @property
    def forecaster(self) -> Forecaster:
        """What scores the users, for measuring; whoever wants audiences asks the service."""
        return self._forecaster

    # --- the data ---------------------------------------------------------------------------------

    def describe_data(self) -> DataCard:
        """What the data has: sources, attributes with their values, common groups, dates and versions."""
        return self._card

    def search_items(self, words: str, limit: int = 10) -> tuple[ItemHit, ...]:
        """Items of the data near some words, best first."""
        return self._search.items(_checked(words), min(limit, _MOST_HITS))

    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        """Groups of items near some words, best first."""
        return self._search.group_hits(_checked(words), min(limit, _MOST_HITS))

    # --- an audience as it would be ---------------------------------------------------------------

    def size(self, spec: AudienceSpec) -> SizeEstimate:
        """Count an audience, with the expected responders, their interval and the reach curve.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        return size_estimate(spec, self._select(spec), self._forecaster, self.settings.minimum_size)

    def reach_goal(self, spec: AudienceSpec, goal: Goal) -> GoalReached:
        """The cut that reaches a goal, and what it brings.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        selection = self._select(spec)
        return reach_goal(goal, selection.ranked_probabilities, selection.forecast.spread, self.settings.minimum_size)

    def preview(self, spec: AudienceSpec, count: int = 5) -> tuple[SampleUser, ...]:
        """A few users from the top to the bottom of the audience, masked, with their evidence.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        places = np.unique(np.linspace(0, len(selection.members) - 1, max(1, min(count, 20))).astype(int))
        return tuple(self._people.sample(selection.forecast, int(selection.members[place])) for place in places)

    def profile(self, spec: AudienceSpec, limit: int = 12) -> tuple[ProfileRow, ...]:
        """What is more common in the audience than among everyone, most first.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        inside = self._inside(selection)
        main = self._forecaster.dataset.card.main_source
        groups = [group if source == main else f"{source}: {group}" for source, group in self._search.groups]
        return profile_rows(inside, self._population, self._conditions.attributes, self._did_lately, groups, limit)

    def skew(self, spec: AudienceSpec) -> SkewReport:
        """Whom the audience takes more often than others, by each attribute.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        return skew_report(self._inside(selection), self._population, self._conditions.attributes)

    def explain(self, user_id: str, spec: AudienceSpec) -> Explanation:
        """Why one user is in the audience, or why not, from her own events.

        Raises:
            RequestError: there is no such user before the as-of date.
        """
        row = self._forecaster.scene.histories.row_of.get(user_id.strip())
        unit = self._card.unit
        if row is None:
            raise RequestError(f"There is no {unit} '{user_id[:60]}' with events before {self._as_of}.")
        selection = self._select(spec)
        probability = float(selection.forecast.probabilities[row])
        inside = bool(np.isin(row, selection.members))
        reasons = [] if inside else self._reasons_out(spec, selection.forecast, row)
        found = self._forecaster.reasons(selection.forecast, row)
        below = float((selection.ranked_probabilities < probability).mean()) if len(selection.ranked) else 0.0
        verdict = "is in the audience" if inside else "is not in the audience"
        text = f"{unit.capitalize()} {user_id} {verdict}"
        text += "." if inside else f": {'; '.join(reasons)}."
        return Explanation(
            user_id=user_id,
            probability=probability,
            percentile=below,
            in_audience=inside,
            reasons=tuple(reasons),
            evidence=self._people.evidence(found),
            text=f"{text} {self._people.why(found)}",
        )

    def demand_vector(self, demand: str) -> npt.NDArray[np.float32]:
        """What a sentence wants, as a unit vector in the space of the item texts, [D]."""
        return sentence_vector(self._forecaster, _checked(demand))

    def common_vector(self, spec: AudienceSpec) -> npt.NDArray[np.float32]:
        """What the users of an audience do more than everyone, in the same space.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        return common_vector(self._forecaster, self._large_enough(self._select(spec)).members)

    def compare(self, audiences: Sequence[AudienceSpec | str]) -> Comparison:
        """The overlap of every pair; a string is the id or name of a saved audience.

        Raises:
            RequestError: fewer than two audiences, or one that is not there.
        """
        if len(audiences) < 2:
            raise RequestError("Comparing needs at least two audiences.")
        named = [self._named_members(each) for each in audiences]
        overlaps = []
        for (name_a, a), (name_b, b) in combinations(named, 2):
            both, either = len(a & b), len(a | b)
            jaccard = both / either if either else 0.0
            overlaps.append(
                Overlap(a=name_a, b=name_b, users_a=len(a), users_b=len(b), both=both, either=either, jaccard=jaccard)
            )
        return Comparison(overlaps=tuple(overlaps))

    # --- demands fitted to users ------------------------------------------------------------------

    def tune(self, name: str, demand: str | None, seeds: Sequence[str] | str) -> TunedSummary:
        """Fit a demand to users who are known to be meant; an earlier one of that name is replaced.

        Args:
            name: what ``AudienceSpec.like`` will call it.
            demand: the sentence to begin with; None to look for users like the ``seeds`` whatever that is.
            seeds: ids of users, or the id or name of a saved audience. Ids without a history are passed over.

        Raises:
            RequestError: fewer than five have a history, or there is no such audience.
        """
        users = self._named_members(seeds)[1] if isinstance(seeds, str) else seeds
        return self._tuned.tune(name, None if demand is None else _checked(demand), sorted(users))

    def tuned(self, name: str) -> TunedSummary:
        """What is kept under the name of a tuned demand.

        Raises:
            RequestError: there is none of that name.
            ModelError: it was tuned with another model.
        """
        return self._tuned.summary(name)

    # --- audiences that are kept ------------------------------------------------------------------

    def save(
        self, spec: AudienceSpec, name: str, approved_by: str, key: str = "", holdout: float | None = None
    ) -> SavedAudience:
        """Save an audience as a snapshot with its holdout; the same ``key`` saves once.

        Args:
            spec: who is in it.
            name: what it is called; a name that exists gets its next version.
            approved_by: the person who said yes.
            key: idempotency key.
            holdout: share of its users that is kept back, 0 to one half; None for the share in the settings.

        Raises:
            RequestError: the name or the approval is missing, or the share is none.
        """
        return self._save_spec(spec, name, approved_by, key, self._holdout_share(holdout))

    def combine(
        self,
        operation: Literal["and", "or", "not"],
        audiences: Sequence[str],
        name: str,
        approved_by: str,
        key: str = "",
    ) -> SavedAudience:
        """Save a new audience from saved ones: in all of them, in any of them, or in the first and in no other.

        The same ``key`` saves once.

        Raises:
            RequestError: fewer than two audiences, or one that is not there.
        """
        names, joined = self._joined(operation, audiences)
        words = {"and": " and also ", "or": " or ", "not": " but not "}[operation].join(f"'{each}'" for each in names)
        return self._save(name, None, words, joined, approved_by, key, self.settings.holdout)

    def combined_users(self, operation: Literal["and", "or", "not"], audiences: Sequence[str]) -> int:
        """How many users ``combine`` would save; raises like it."""
        return len(self._joined(operation, audiences)[1])

    def list_audiences(self) -> tuple[SavedAudience, ...]:
        """The newest version of every saved audience, by name."""
        return self._registry.list()

    def export(
        self, audience: str, format: Literal["csv", "parquet"] = "csv", key: str = "", platform: str = ""
    ) -> ExportFile:
        """Write a saved audience without its holdout to a file, with hashed contacts where there are any.

        Args:
            audience: its name or id.
            format: platforms take CSV alone.
            key: idempotency key.
            platform: 'google', 'meta', 'tiktok' or 'linkedin' for the list as that platform expects it.

        Raises:
            TooSmallError: fewer users than the minimum would be in the file.
            RequestError: there is no such audience or platform, or the platform would turn the list down.
        """
        saved, destination = self._registry.get(audience), platform_named(platform) if platform else None
        if destination and format != "csv":
            raise RequestError(f"{destination.name} takes CSV files alone; export as CSV.")
        members, held_out = self._registry.members(saved.id, saved.version)
        self._check_size(len(members) - len(held_out))
        file = export_audience(
            self._workspace, saved, members, held_out, format, destination, self.settings.minimum_size
        )
        details = {"format": format, "rows": file.rows, "sha256": file.sha256}
        if destination:
            details["platform"] = destination.name
        self._registry.record(saved.approved_by, "export", saved.id, saved.version, details, key)
        return file

    # --- what became of them ----------------------------------------------------------------------

    @property
    def outcomes(self) -> Outcomes:
        """How saved audiences did, from files and from the data itself."""
        return Outcomes(self._registry, self._forecaster, self._tuned)

    def keep_upload(self, path: Path) -> str:
        """Take in a file somebody brought; ``uploaded`` finds it by the name that comes back."""
        return keep_upload(self._workspace, path)

    def uploaded(self, name: str) -> Path:
        """A file that was taken in."""
        return uploaded(self._workspace, name)

    def refresh_day(self, audience: str, as_of: date | None = None) -> date:
        """The day a saved audience would be refreshed at; None: the day that counts as now.

        Raises:
            RequestError: it cannot be refreshed then; the text says why.
        """
        return refresh_day(self._registry.get(audience), self._as_of, as_of, self._forecaster.dataset.card)

    def refresh(self, audience: str, approved_by: str, as_of: date | None = None, key: str = "") -> Refreshed:
        """Save the same spec as of a later day, as the next version; who stays, stays on her side of the holdout.

        Raises:
            RequestError: there is no such audience, or the day is not after its own or after the end of the data.
            AudienceError: there is no model for that day; the text says which command makes one.
        """
        done = self._registry.saved_with(key)
        before = self._registry.get(done.id, done.version - 1) if done else self._registry.get(audience)
        day = done.as_of if done else self.refresh_day(audience, as_of)
        if day == self._as_of:
            return self._refresh(before, approved_by, key)
        with closing(AudienceService.open(self.settings, day)) as later:
            return later._refresh(before, approved_by, key)

    # --- inside -----------------------------------------------------------------------------------

    @cached_property
    def _card(self) -> DataCard:
        return describe(self._forecaster, self._conditions, self._search)

    @property
    def _as_of(self) -> date:
        return self._forecaster.scene.histories.past.as_of

    @property
    def _population(self) -> npt.NDArray[np.bool_]:
        return self._forecaster.scene.histories.in_population

    @cached_property
    def _did_lately(self) -> sp.csr_matrix:
        return self._search.by_group(self._forecaster.done_within(ACTIVE_DAYS))

    def _select(self, spec: AudienceSpec) -> Selection:
        forecast = self._tuned.forecast(spec) if spec.like else self._forecaster.forecast(spec.demand)
        return select(forecast, spec, self._conditions, self.settings.minimum_size)

    def _inside(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """[N], who is in the audience."""
        inside = np.zeros(len(self._population), bool)
        inside[selection.members] = True
        return inside

    def _large_enough(self, selection: Selection) -> Selection:
        self._check_size(len(selection.members))
        return selection

    def _check_size(self, users: int) -> None:
        minimum = self.settings.minimum_size
        if users < minimum:
            raise TooSmallError(
                f"This audience has {users} {self._card.unit_plural}; below {minimum} its members are not shown or "
                "exported, to protect single people. Make it broader."
            )

    def _named_members(self, audience: AudienceSpec | str) -> tuple[str, set[str]]:
        if isinstance(audience, str):
            saved = self._registry.get(audience)
            return saved.name, set(self._registry.members(saved.id, saved.version)[0])
        users = self._forecaster.scene.histories.user_ids
        return audience.demand, {users[row] for row in self._select(audience).members}

    def _holdout_share(self, share: float | None) -> float:
        if share is None:
            return self.settings.holdout
        if not 0 <= share <= MOST_HELD_OUT:
            raise RequestError(f"A share of 0 to {MOST_HELD_OUT:.0%} can be kept back, not {share:.0%}.")
        return share

    def _save_spec(
        self, spec: AudienceSpec, name: str, approved_by: str, key: str, share: float, refreshes: bool = False
    ) -> SavedAudience:
        selection = self._select(spec)
        forecast = curve_point(selection.cut, selection.ranked_probabilities, selection.forecast.spread).responders
        fixed = spec.model_copy(update={"cut": selection.cut})
        users = self._forecaster.scene.histories.user_ids
        words = definition(fixed, selection.conditions) + (f"; tuned as '{spec.like}'" if spec.like else "")
        members = {users[row] for row in selection.members}
        return self._save(name, fixed, words, members, approved_by, key, share, forecast, refreshes)

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
    ) -> SavedAudience:
        return self._registry.save_version(
            name,
            spec=spec,
            definition=words,
            members=members,
            holdout_share=holdout,
            as_of=self._as_of,
            model_version=self._card.model_version,
            data_version=self._card.data_version,
            approved_by=approved_by,
            key=key,
            forecast=forecast,
            refreshes=refreshes,
        )

    def _joined(self, operation: Literal["and", "or", "not"], audiences: Sequence[str]) -> tuple[list[str], set[str]]:
        if len(audiences) < 2:
            raise RequestError("Combining needs at least two saved audiences.")
        named = [self._named_members(each) for each in audiences]
        sets = [members for _, members in named]
        joined = {
            "and": lambda: reduce(set.intersection, sets),
            "or": lambda: reduce(set.union, sets),
            "not": lambda: sets[0].difference(*sets[1:]),
        }[operation]()
        return [name for name, _ in named], joined

    def _refresh(self, before: SavedAudience, approved_by: str, key: str) -> Refreshed:
        assert before.spec is not None
        was, held_out = self._registry.members(before.id, before.version)
        share = len(held_out) / len(was) if was else self.settings.holdout
        saved = self._save_spec(before.spec, before.name, approved_by, key, share, refreshes=True)
        now, row_of = set(self._registry.members(saved.id, saved.version)[0]), self._forecaster.scene.histories.row_of
        forecast = self._select(before.spec).forecast
        enough = min(len(was), len(now)) >= self.settings.minimum_size

        def sample(users: Sequence[str]) -> tuple[SampleUser, ...]:
            return tuple(self._people.sample(forecast, row_of[user]) for user in users if user in row_of)

        return compared(before, set(was), saved, now, sample if enough else None)

    def _reasons_out(self, spec: AudienceSpec, forecast: Forecast, row: int) -> list[str]:
        reasons = [] if self._population[row] else [f"not active in the {ACTIVE_DAYS} days before {self._as_of}"]
        conditions = self._conditions.masks(spec, forecast)
        reasons += [f"does not meet the condition: {words}" for words, mask in conditions if not mask[row]]
        return reasons or ["the probability is below the cut"]


def _checked(words: str) -> str:
    words = " ".join(words.split())
    if not words:
        raise RequestError("Say what to look for; the words are empty.")
    return words[:LONGEST_REQUEST]
