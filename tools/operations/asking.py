"""Operations that look at the data and at audiences as they would be: the docstring of each is what callers read."""

from typing import TYPE_CHECKING

from tools.effect_types import HoldoutPlan, UpliftReport
from tools.library_types import AudienceHistory, AudienceUses, DeletedAudiences
from tools.operation_types import (
    VERSION,
    AudiencePage,
    CampaignOutcome,
    Capabilities,
    CataloguePage,
    CombinedUsers,
    DestinationCard,
    Drift,
    Goal,
    GoalReached,
    GroupCard,
    LedgerPage,
    ModelCard,
    RefreshDay,
    audience_page,
)
from tools.operations import inputs
from tools.types import (
    Comparison,
    DataCard,
    Explanation,
    GroupHit,
    ItemHit,
    ProfileRow,
    SampleUser,
    SavedAudience,
    SimilarUsers,
    SizeEstimate,
    SkewReport,
    TunedSummary,
)

if TYPE_CHECKING:
    from tools.service import AudienceService


def capabilities(service: "AudienceService") -> Capabilities:
    """Which version, model and data answer here, and what may be asked of them."""
    from tools.delivery.destinations import platforms

    card = service.describe_data()
    return Capabilities(
        version=VERSION,
        model_version=card.model_version,
        data_version=card.data_version,
        as_of=card.as_of,
        minimum_size=service.settings.minimum_size,
        formats=("csv", "parquet"),
        platforms=tuple(platforms()),
    )


def describe_data(service: "AudienceService") -> DataCard:
    """What the data has: sources, attributes with their values, common item groups, dates.

    Begin here. Filters may only name these attributes and values. The answer says what one user is called (a
    household, say), how many there are, and the as-of date: nothing later is known.
    """
    return service.describe_data()


def search_items(service: "AudienceService", words: inputs.Words, limit: inputs.Hits = 10) -> tuple[ItemHit, ...]:
    """Items of the data that are near some words, best first, with how many users and events they had lately.

    Use it to see whether, and under which names, the data knows what somebody wants to promote.
    """
    return service.search_items(words, limit)


def search_groups(service: "AudienceService", words: inputs.Words, limit: inputs.Hits = 8) -> tuple[GroupHit, ...]:
    """Groups of items (product categories, say) that are near some words, best first, with their best items.

    Use it before you write a demand: words that several groups fit are worth a question to the person.
    """
    return service.search_groups(words, limit)


def browse(
    service: "AudienceService", of: inputs.CatalogueName = "", page: inputs.Page = 0, limit: inputs.Hits = 12
) -> CataloguePage:
    """Names in the catalogue: sources, groups of a source, items of a group."""
    return service.browse(of, page, limit)


def describe_group(service: "AudienceService", group: inputs.GroupName) -> GroupCard:
    """Items, users, and days until they come back, of a group."""
    return service.describe_group(group)


def size(service: "AudienceService", spec: inputs.Spec) -> SizeEstimate:
    """Users and expected responders of an audience, and other cuts.

    Expectations come with their 80 % interval. Check 'reads_as', the item groups that the sentence was understood as,
    and pass 'warnings' on. Nothing is saved.
    """
    return service.size(spec)


def reach_goal(service: "AudienceService", spec: inputs.Spec, goal: Goal) -> GoalReached:
    """The cut that reaches a goal (so many users, a share of responders, or money), and what it brings.

    Put the 'cut' of the answer into the spec to work with that audience. The cut of the spec itself is not read.
    """
    return service.reach_goal(spec, goal)


def holdout_plan(service: "AudienceService", spec: inputs.Spec, shares: inputs.Holdouts = ()) -> HoldoutPlan:
    """How small an effect the outcome of an audience will show, by the share that is held out.

    Ask before 'save', and tell the person: with 10 % held out an uplift of so many points will be seen, with 25 % a
    smaller one. Nothing is saved.
    """
    return service.holdout_plan(spec, shares)


def preview(service: "AudienceService", spec: inputs.Spec, count: inputs.Users = 5) -> tuple[SampleUser, ...]:
    """A few users from the top to the bottom of an audience, masked, with the past events that put them there.

    Audiences below the minimum size are not shown.
    """
    return service.preview(spec, count)


def profile(service: "AudienceService", spec: inputs.Spec, limit: inputs.Hits = 12) -> tuple[ProfileRow, ...]:
    """What sets an audience apart from everyone (index 100: alike)."""
    return service.profile(spec, limit)


def skew(service: "AudienceService", spec: inputs.Spec) -> SkewReport:
    """Whom an audience takes more often than others, by each attribute of the data.

    The verdict 'below' means that a value is selected less than four fifths as often as the one selected most:
    say so to the person before the audience is saved.
    """
    return service.skew(spec)


def explain(service: "AudienceService", user_id: inputs.UserId, spec: inputs.Spec) -> Explanation:
    """Why one user is in an audience, or why not, from the user's own past events."""
    return service.explain(user_id, spec)


def similar(
    service: "AudienceService", user_id: inputs.UserId, spec: inputs.Spec, count: inputs.Users = 5
) -> SimilarUsers:
    """Users of an audience who do most what one of its users does, masked, with the events that put them there.

    Take the user from 'preview'. Audiences below the minimum size are not shown.
    """
    return service.similar(user_id, spec, count)


def compare(service: "AudienceService", audiences: inputs.Specs) -> Comparison:
    """How far audiences overlap, pair by pair."""
    return service.compare(audiences)


def combined_users(
    service: "AudienceService", operation: inputs.Combining, audiences: inputs.SavedNames
) -> CombinedUsers:
    """How many users 'combine' would save; null for fewer than the minimum size."""
    return CombinedUsers(users=service.combined_users(operation, audiences))


def tuned(service: "AudienceService", name: inputs.TunedName) -> TunedSummary:
    """What is kept under the name of a tuned demand; a spec uses it with 'like' and with this 'demand'."""
    return service.tuned(name)


def list_audiences(service: "AudienceService", limit: inputs.Limit = 20, cursor: inputs.Cursor = "") -> AudiencePage:
    """The newest version of every audience in use, by name.

    'next_cursor' gives the next page; it is empty on the last.
    """
    return audience_page(service.list_audiences(), limit, cursor)


def saved(service: "AudienceService", audience: inputs.AudienceName, version: inputs.Version = None) -> SavedAudience:
    """A saved audience, in its newest version unless another is asked for."""
    return service.saved(audience, version)


def saved_version(
    service: "AudienceService", audience: inputs.AudienceName, version: inputs.OneVersion
) -> SavedAudience:
    """One version of a saved audience; it never changes."""
    return service.saved(audience, version)


def history(service: "AudienceService", audience: inputs.AudienceName) -> AudienceHistory:
    """Every version of a saved audience, the first one first, with who came and left since the one before."""
    return AudienceHistory(versions=service.history(audience))


def uses(service: "AudienceService", audience: inputs.AudienceName) -> AudienceUses:
    """Where a saved audience is in use: files, destinations, other agents, and audiences that are made with it.

    Look before you delete or archive one.
    """
    return service.uses(audience)


def deleted_audiences(service: "AudienceService") -> DeletedAudiences:
    """The audiences that were deleted and can still be brought back with 'restore'."""
    return DeletedAudiences(audiences=service.deleted())


def outcome(
    service: "AudienceService", audience: inputs.AudienceName, version: inputs.Version = None
) -> CampaignOutcome | None:
    """How a saved audience did, as recorded last: responders, uplift over the holdout, and the forecast beside it.

    Null where nothing was recorded; 'record_outcome' does that.
    """
    return service.outcomes.last(audience, version)


def ledger(service: "AudienceService", limit: inputs.Limit = 20, cursor: inputs.Cursor = "") -> LedgerPage:
    """What was forecast for saved audiences, what then happened by the events, and how many of the forecasts held.

    The forecasts of all versions, a page at a time: open until the data reaches past their horizon, then kept or
    missed. Use it where somebody asks how good the forecasts were. 'next_cursor' gives the next page; it is empty on
    the last. It takes a while where the data is new.
    """
    return service.ledger.page(limit, cursor)


def uplift(
    service: "AudienceService",
    audience: inputs.OneAudience = None,
    value: inputs.Worth = None,
    cost: inputs.Worth = None,
) -> UpliftReport:
    """Who changes because of us: would an audience come anyway, may it be moved, or is that unknown.

    Told from all campaigns with a holdout whose outcome was recorded, by forecast, by who had done it before, and by
    kind of demand; 'more_campaigns' says how many more would decide. With the value of a responder and the cost of a
    contact it says where to cut by the profit that comes because of us, once there is evidence. Say 'unknown' as it is.
    """
    return service.uplift(audience, value, cost)


def model_card(service: "AudienceService", model: inputs.ModelVersion = "") -> ModelCard:
    """What a model was made from and what was measured when it was, as a card in Markdown; and which models there are.

    Use it where somebody asks how good the forecasts are and what they rest on. 'ledger' says how they did since.
    """
    return service.model_card(model)


def refresh_day(service: "AudienceService", audience: inputs.AudienceName, as_of: inputs.Day = None) -> RefreshDay:
    """The day 'refresh' would save a saved audience at; an error says why it cannot be refreshed."""
    return RefreshDay(day=service.refresh_day(audience, as_of))


def drift(service: "AudienceService", audience: inputs.AudienceName) -> Drift:
    """Check whether a saved audience is still what was saved: who would come and leave, and did its forecast hold.

    'reasons' is empty where it is; otherwise say so to the person, and offer 'refresh'.
    """
    return service.drifts.check(audience)


def destinations(service: "AudienceService") -> tuple[DestinationCard, ...]:
    """Where 'export' can send or write an audience for: ad platforms, systems and tables of one's own, plugins."""
    return service.destinations.list()
