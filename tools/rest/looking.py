"""Audiences as they would be: the data, its words, sizes, people and reasons. Nothing here changes anything."""

from typing import Annotated, Any

from fastapi import Body, Query, Response

from tools.goals import GoalReached
from tools.platforms import platforms
from tools.rest.bodies import (
    EXAMPLE,
    Capabilities,
    Combination,
    CombinedUsers,
    Compared,
    GoalWanted,
    UserAndAudience,
)
from tools.rest.headers import IfNoneMatch, unless_known
from tools.rest.openapi import VERSION
from tools.rest.routes import Resources, Route
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
)

Spec = Annotated[AudienceSpec, Body(examples=[EXAMPLE])]
Words = Annotated[
    str, Query(min_length=1, max_length=2000, description="Plain words, such as 'baby food'.", examples=["baby food"])
]
Hits = Annotated[int, Query(ge=1, le=50, description="How many at most.")]
Count = Annotated[int, Query(ge=1, le=20, description="How many users.")]


class Looking(Resources):
    """Each method answers a route."""

    TAG = "Look"

    def capabilities(self, response: Response, if_none_match: IfNoneMatch = None) -> Any:
        """Which version, model and data answer here, and what may be asked of them."""
        service = self.face.service()
        card = service.describe_data()
        answer = Capabilities(
            version=VERSION,
            model_version=card.model_version,
            data_version=card.data_version,
            as_of=card.as_of,
            minimum_size=service.settings.minimum_size,
            formats=("csv", "parquet"),
            platforms=tuple(platforms()),
        )
        return unless_known(answer, if_none_match, response)

    def describe_data(self, response: Response, if_none_match: IfNoneMatch = None) -> Any:
        """What the data has: sources, attributes with their values, common item groups, dates.

        Begin here. Filters may only name these attributes and values. The answer says what one user is called (a
        household, say), how many there are, and the as-of date: nothing later is known.
        """
        return unless_known(self.face.service().describe_data(), if_none_match, response)

    def search_items(self, words: Words, limit: Hits = 10) -> tuple[ItemHit, ...]:
        """Items of the data that are near some words, best first, with how many users and events they had lately."""
        return self.face.service().search_items(words, limit)

    def search_groups(self, words: Words, limit: Hits = 8) -> tuple[GroupHit, ...]:
        """Groups of items (product categories, say) that are near some words, best first, with their best items."""
        return self.face.service().search_groups(words, limit)

    def size(self, spec: Spec) -> SizeEstimate:
        """How many users an audience has, how many of them are expected to respond, and where else one could cut.

        Every expectation comes with its 80 % interval; 'reads_as' lists the item groups the sentence was understood
        as, so check them; 'warnings' is worth passing on. Nothing is saved.
        """
        return self.face.service(spec).size(spec)

    def reach_goal(self, wanted: GoalWanted) -> GoalReached:
        """The cut that reaches a goal (so many users, a share of responders, or money), and what it brings."""
        return self.face.service(wanted.spec).reach_goal(wanted.spec, wanted.goal)

    def preview(self, spec: Spec, count: Count = 5) -> tuple[SampleUser, ...]:
        """A few users from the top to the bottom of an audience, masked, with the past events that put them there.

        Audiences below the minimum size are not shown.
        """
        return self.face.service(spec).preview(spec, count)

    def profile(self, spec: Spec, limit: Hits = 12) -> tuple[ProfileRow, ...]:
        """What is more common in an audience than among everyone, most first; an index of 100 is like everyone."""
        return self.face.service(spec).profile(spec, limit)

    def skew(self, spec: Spec) -> SkewReport:
        """Whom an audience takes more often than others, by each attribute of the data.

        The verdict 'below' means that a value is selected less than four fifths as often as the one selected most.
        """
        return self.face.service(spec).skew(spec)

    def explain(self, asked: UserAndAudience) -> Explanation:
        """Why one user is in an audience, or why not, from the user's own past events."""
        return self.face.service(asked.spec).explain(asked.user_id, asked.spec)

    def compare(self, compared: Compared) -> Comparison:
        """How far audiences overlap, for every pair of them."""
        specs = (each for each in compared.audiences if isinstance(each, AudienceSpec))
        return self.face.service(*specs).compare(compared.audiences)

    def combined_users(self, combination: Combination) -> CombinedUsers:
        """How many users a combination of saved audiences would have."""
        users = self.face.service().combined_users(combination.operation, combination.audiences)
        return CombinedUsers(users=users)

    ROUTES = (
        Route("GET", "/capabilities", "capabilities", "Show versions and capabilities", cached=Capabilities),
        Route("GET", "/data", "describe_data", "Describe the data", cached=DataCard),
        Route("GET", "/items", "search_items", "Search items"),
        Route("GET", "/groups", "search_groups", "Search item groups"),
        Route("POST", "/sizes", "size", "Size an audience"),
        Route("POST", "/goals", "reach_goal", "Find the cut for a goal"),
        Route("POST", "/previews", "preview", "Preview an audience"),
        Route("POST", "/profiles", "profile", "Profile an audience"),
        Route("POST", "/skews", "skew", "Check an audience for skew"),
        Route("POST", "/explanations", "explain", "Explain one user"),
        Route("POST", "/comparisons", "compare", "Compare audiences"),
        Route("POST", "/combinations/sizes", "combined_users", "Size a combination"),
    )
