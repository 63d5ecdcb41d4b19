"""What labels cost: an estimate beforehand, and a budget that is never passed."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.labelling.ledger import LabelRequest, Spent
from agent.models.usage import Prices

LIKELY_WRITTEN = 60
"""Tokens of a usual answer, for the estimate."""

_MILLION = 1_000_000


def dollars(prices: Prices, read: float, written: float) -> float:
    """What tokens cost."""
    return (read * prices.input + written * prices.output) / _MILLION


def cost(prices: Prices, spent: Spent, longest: LabelRequest | None) -> float:
    """What was spent at most: a call whose tokens nobody told counts like the longest there is."""
    told = dollars(prices, spent.input_tokens, spent.output_tokens)
    return told + spent.untold * (worst(prices, longest) if longest else 0.0)


def worst(prices: Prices, request: LabelRequest) -> float:
    """What one call can cost at most."""
    return dollars(prices, request.most_read, request.most_written)


@dataclass(frozen=True)
class CostEstimate:
    """What is left to be asked, before anything is sent."""

    calls: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    """None where no prices are set."""


def estimate(left: Sequence[LabelRequest], prices: Prices | None) -> CostEstimate:
    """The likely number of tokens and their price."""
    read, written = sum(each.likely_read for each in left), LIKELY_WRITTEN * len(left)
    return CostEstimate(len(left), read, written, dollars(prices, read, written) if prices else None)


class LabelBudget:
    """Lets a call go out only if it cannot pass the budget, whatever the calls under way come to."""

    def __init__(self, limit: float | None, prices: Prices | None, already: float = 0.0) -> None:
        """Spend at most ``limit`` dollars, ``already`` of them gone; None for as much as it takes."""
        self.limit, self.prices, self.spent, self._reserved = limit, prices, already, 0.0
        self.stopped = False

    def reserve(self, request: LabelRequest) -> bool:
        """Whether the call may go out; if so its worst case is set aside."""
        if self.limit is None or self.prices is None:
            return True
        price = worst(self.prices, request)
        if self.spent + self._reserved + price > self.limit:
            self.stopped = True
            return False
        self._reserved += price
        return True

    def settle(self, request: LabelRequest, tokens: tuple[int, int] | None, paid: bool = True) -> None:
        """Put what a call took in the place of what was set aside for it."""
        if self.prices is None:
            return
        price = worst(self.prices, request)
        if self.limit is not None:
            self._reserved -= price
        self.spent += dollars(self.prices, *tokens) if tokens else price * paid
