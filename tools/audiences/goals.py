"""What an audience is for: a size, a precision, or money; and the cut that reaches it.

With a cost for every contact and a value for every responder, somebody is worth contacting as long as their chance
times the value is more than the cost. Users are ranked by their chances, so the profit grows up to that cut and then
falls.
"""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from encoders.calibration.overdispersion import Vector, responders
from tools.types import Count, Interval

Money = Annotated[float | None, Field(gt=0, le=1e12, strict=True)]


class Goal(BaseModel):
    """What the marketer wants to reach; money is in any one currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: int | None = Field(None, ge=1, strict=True, description="so many users")
    precision: float | None = Field(
        None, gt=0, le=1, strict=True, description="at least this share of them shall respond"
    )
    budget: Money = Field(None, description="what contacting them may cost at most")
    cost: Money = Field(None, description="of contacting one user")
    value: Money = Field(None, description="of one responder")

    @property
    def money_or_share(self) -> bool:
        """Whether it asks for more than a number of users."""
        return self.cost is not None or self.precision is not None

    @model_validator(mode="after")
    def _money_needs_a_cost(self) -> "Goal":
        if (self.budget or self.value) and self.cost is None:
            raise ValueError("a budget or a value needs the cost of a contact")
        return self


class GoalReached(BaseModel):
    """The cut for a goal, and what it brings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal: Goal
    cut: float = Field(description="share of the eligible users")
    users: Count
    responders: Interval | None = Field(description="null where fewer than the minimum size are eligible")
    cost: float | None = Field(None, description="of contacting them")
    profit: Interval | None = Field(None, description="value of the responders less the cost")
    reached: bool = Field(description="False: not even the best users are good enough; the cut is the nearest there is")


def reach_goal(goal: Goal, ranked: Vector, spread: float, smallest: int) -> GoalReached:
    """The cut that reaches a goal.

    Args:
        goal: what is wanted; of several wishes the strictest decides.
        ranked: probabilities of the eligible users, highest first; none where they are fewer than ``smallest``.
        spread: how far the number of responders may be off beyond chance.
        smallest: so many users are kept where there are so many.
    """
    eligible = len(ranked)
    if not eligible:
        return GoalReached(goal=goal, cut=1.0, users=None, responders=None, reached=False)
    limits = [eligible if goal.users is None else goal.users]
    if goal.precision is not None:
        means = np.cumsum(ranked) / np.arange(1, eligible + 1)
        limits.append(int((means >= goal.precision).sum()))
    if goal.cost is not None and goal.budget is not None:
        limits.append(int(min(eligible, goal.budget / goal.cost + 1e-9)))
    if goal.cost is not None and goal.value is not None:
        limits.append(int((ranked * goal.value > goal.cost).sum()))
    wanted = min(limits)
    users = min(eligible, max(wanted, min(smallest, eligible)))
    low, mid, high = responders(ranked[:users], spread)
    cost = None if goal.cost is None else users * goal.cost
    profit = None
    if cost is not None and goal.value is not None:
        profit = Interval(low=low * goal.value - cost, mid=mid * goal.value - cost, high=high * goal.value - cost)
    return GoalReached(
        goal=goal,
        cut=users / eligible,
        users=users,
        responders=Interval(low=low, mid=mid, high=high),
        cost=cost,
        profit=profit,
        reached=wanted >= users,
    )
