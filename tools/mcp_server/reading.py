"""Tools that look and change nothing."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from tools.campaign_types import CampaignOutcome, Drift
from tools.destinations.known import DestinationCard
from tools.goals import Goal, GoalReached
from tools.mcp_server.arguments import AudienceName, Day, Operation, SavedNames, Spec, Version
from tools.pages import AudiencePage, RefreshDay, audience_page
from tools.service import AudienceService
from tools.types import (
    AudienceSpec,
    Comparison,
    DataCard,
    Explanation,
    GroupHit,
    ItemHit,
    ProfileRow,
    SampleUser,
    SizeEstimate,
    SkewReport,
    TunedSummary,
    named,
)

Opened = Callable[[], AudienceService]
"""Gives the service, or raises an AudienceError that says why it is not there (yet)."""
Check = Callable[[AudienceSpec], None]
"""Raises an AudienceError where an audience may not be asked for."""

Words = Annotated[str, Field(min_length=1, max_length=2000, description="Plain words, such as 'baby food'.")]

Hits = Annotated[int, Field(ge=1, le=50, description="how many at most")]


class Tools:
    """What every tool has at hand."""

    def __init__(self, opened: Opened, check: Check) -> None:
        """Nothing is opened yet."""
        self._opened = opened
        self._check = check

    def _service(self, *specs: AudienceSpec, name: str = "") -> AudienceService:
        """The service, once each of the specs, and a name to be given, is seen to be allowed."""
        for spec in (*specs, *named(name)):
            self._check(spec)
        return self._opened()


class ReadingTools(Tools):
    """Each method is a tool, under its own name."""

    def describe_data(self) -> DataCard:
        """What the data has: sources, attributes with their values, common item groups, dates.

        Begin here. Filters may only name these attributes and values. The answer says what one user is called (a
        household, say), how many there are, and the as-of date: nothing later is known.
        """
        return self._service().describe_data()

    def search_items(self, words: Words, limit: Hits = 10) -> tuple[ItemHit, ...]:
        """Items of the data that are near some words, best first, with how many users and events they had lately.

        Use it to see whether, and under which names, the data knows what somebody wants to promote.
        """
        return self._service().search_items(words, limit)

    def search_groups(self, words: Words, limit: Hits = 8) -> tuple[GroupHit, ...]:
        """Groups of items (product categories, say) that are near some words, best first, with their best items.

        Use it before you write a demand: words that several groups fit are worth a question to the person.
        """
        return self._service().search_groups(words, limit)

    def size(self, spec: Spec) -> SizeEstimate:
        """How many users an audience has, how many of them are expected to respond, and where else one could cut.

        Every expectation comes with its 80 % interval; 'reads_as' lists the item groups the sentence was understood
        as, so check them; 'warnings' is worth passing on. Nothing is saved.
        """
        return self._service(spec).size(spec)

    def reach_goal(self, spec: Spec, goal: Goal) -> GoalReached:
        """The cut that reaches a goal (so many users, a share of responders, or money), and what it brings.

        Put the 'cut' of the answer into the spec to work with that audience. The cut of the spec itself is not read.
        """
        return self._service(spec).reach_goal(spec, goal)

    def preview(
        self, spec: Spec, count: Annotated[int, Field(ge=1, le=20, description="how many users")] = 5
    ) -> tuple[SampleUser, ...]:
        """A few users from the top to the bottom of an audience, masked, with the past events that put them there.

        Audiences below the minimum size are not shown.
        """
        return self._service(spec).preview(spec, count)

    def profile(self, spec: Spec, limit: Hits = 12) -> tuple[ProfileRow, ...]:
        """What is more common in an audience than among everyone, most first; an index of 100 is like everyone."""
        return self._service(spec).profile(spec, limit)

    def skew(self, spec: Spec) -> SkewReport:
        """Whom an audience takes more often than others, by each attribute of the data.

        The verdict 'below' means that a value is selected less than four fifths as often as the one selected most:
        say so to the person before the audience is saved.
        """
        return self._service(spec).skew(spec)

    def explain(
        self,
        user_id: Annotated[str, Field(min_length=1, max_length=200, description="as 'preview' shows it")],
        spec: Spec,
    ) -> Explanation:
        """Why one user is in an audience, or why not, from the user's own past events."""
        return self._service(spec).explain(user_id, spec)

    def compare(
        self,
        audiences: Annotated[
            tuple[AudienceSpec | str, ...],
            Field(min_length=2, max_length=20, description="each a spec, or the name or id of a saved audience"),
        ],
    ) -> Comparison:
        """How far audiences overlap, for every pair of them."""
        specs = (each for each in audiences if isinstance(each, AudienceSpec))
        return self._service(*specs).compare(audiences)

    def combined_users(self, operation: Operation, audiences: SavedNames) -> int | None:
        """How many users 'combine' would save; null for fewer than the minimum size."""
        return self._service().combined_users(operation, audiences)

    def tuned(self, name: Annotated[str, Field(min_length=1, description="as given to 'tune'")]) -> TunedSummary:
        """What is kept under the name of a tuned demand; a spec uses it with 'like' and with this 'demand'."""
        return self._service().tuned(name)

    def list_audiences(
        self,
        limit: Annotated[int, Field(ge=1, le=100, description="how many on a page")] = 20,
        cursor: Annotated[str, Field(max_length=200, description="'next_cursor' of the page before")] = "",
    ) -> AudiencePage:
        """The newest version of every saved audience, by name, a page at a time."""
        return audience_page(self._service().list_audiences(), limit, cursor)

    def outcome(self, audience: AudienceName, version: Version = None) -> CampaignOutcome | None:
        """How a saved audience did, as recorded last: responders, uplift over the holdout, and the forecast beside it.

        Null where nothing was recorded; 'record_outcome' does that.
        """
        return self._service().outcomes.last(audience, version)

    def refresh_day(self, audience: AudienceName, as_of: Day = None) -> RefreshDay:
        """The day 'refresh' would save a saved audience at; an error says why it cannot be refreshed."""
        return RefreshDay(day=self._service().refresh_day(audience, as_of))

    def drift(self, audience: AudienceName) -> Drift:
        """Whether a saved audience is still what was saved: who would come and leave now, and did its forecast hold.

        'reasons' is empty where it is; otherwise say so to the person, and offer 'refresh'.
        """
        return self._service().drifts.check(audience)

    def destinations(self) -> tuple[DestinationCard, ...]:
        """Where 'export' can send or write an audience for: ad platforms, the person's own systems, plugins."""
        return self._service().destinations.list()


READING = {
    "describe_data": "Describe the data",
    "search_items": "Search items",
    "search_groups": "Search item groups",
    "size": "Size an audience",
    "reach_goal": "Find the cut for a goal",
    "preview": "Preview an audience",
    "profile": "Profile an audience",
    "skew": "Check an audience for skew",
    "explain": "Explain one user",
    "compare": "Compare audiences",
    "combined_users": "Size a combination",
    "tuned": "Show a tuned demand",
    "list_audiences": "List saved audiences",
    "outcome": "Show an outcome",
    "refresh_day": "Show the day of a refresh",
    "drift": "Check a saved audience for drift",
    "destinations": "List destinations",
}
"""Each tool with its title, in the order they are listed."""
