"""What an audience is for: a size, a precision, or money; and the cut that reaches it.

With a cost for every contact and a value for every responder, somebody is worth contacting as long as their chance
times the value is more than the cost. Users are ranked by their chances, so the profit grows up to that cut and then
falls.
"""

import numpy as np

from encoders.overdispersion import Vector, responders
from tools.operation_types import Goal, GoalReached
from tools.types import Interval


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
