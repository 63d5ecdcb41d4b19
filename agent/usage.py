"""What the language model of a conversation has cost and how it behaved; the limits that stop it are here.

A small model that has lost its way answers the same thing for ever, or answers nothing usable and takes minutes over
it. So its calls are counted, a turn and a conversation may have only so many, and one that fails or repeats itself
turn after turn is not asked again in that conversation. The rules go on without it.
"""

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.steps import Step
from encoders.errors import ChatModelError
from prompts.loader import reply

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

CALLS_A_TURN = 6
"""Requests to the server in one turn: a first try, one repair, and what was refused or failed and was sent again."""

CALLS_A_CONVERSATION = 120
FAILED_TURNS = 3
"""So many turns in a row without a usable step, and the model is not asked again in this conversation."""

SAME_STEPS = 3
"""So many times in a row the same step for different messages: a loop."""

_CHANGES_NOTHING = {"ask", "propose", "answer", "decline"}
"""Steps that make no sense twice. "A bit broader" does."""

_MILLION = 1_000_000


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Kept):
    """Dollars per million tokens."""

    input: float
    output: float


class Usage(_Kept):
    """What a conversation has asked of its language model; every request counts, also one that failed."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    untold: int = Field(0, description="calls whose answer, if there was one, did not tell its tokens")
    dollars: float | None = Field(None, description="None where no prices are set")

    def plus(self, told: "UsageMetadata | None") -> Self:
        """One more call, with the tokens it was told to have taken."""
        changed: dict[str, int] = {"calls": self.calls + 1, "untold": self.untold + (told is None)}
        if told is not None:
            changed["input_tokens"] = self.input_tokens + told["input_tokens"]
            changed["output_tokens"] = self.output_tokens + told["output_tokens"]
        return self.model_copy(update=changed)

    def priced(self, prices: Prices | None) -> Self:
        """The same in money, where prices are set."""
        if prices is None:
            return self
        dollars = (self.input_tokens * prices.input + self.output_tokens * prices.output) / _MILLION
        return self.model_copy(update={"dollars": dollars})


class Conduct(_Kept):
    """The language model in one conversation, as its memory keeps it."""

    usage: Usage = Usage()
    failed: int = Field(0, description="turns in a row that ended without a usable step")
    last: str = Field("", description="its last step, as JSON")
    said_to: str = Field("", description="the message that was the answer to")
    times: int = Field(0, description="how often in a row it gave that step")

    def stopped(self) -> str:
        """Why the model is not asked any more; empty while it is."""
        if self.usage.calls >= CALLS_A_CONVERSATION:
            return reply("stopped_calls", calls=CALLS_A_CONVERSATION)
        return reply("stopped_failed", turns=FAILED_TURNS) if self.failed >= FAILED_TURNS else ""

    def loops(self, step: Step, text: str) -> bool:
        """Whether ``step`` is once more what the model has been saying to other messages."""
        same = step.action in _CHANGES_NOTHING and _written(step) == self.last and text != self.said_to
        return same and self.times + 1 >= SAME_STEPS

    def after(self, usage: Usage, step: Step | None, text: str) -> Self:
        """The conduct after a turn; ``step`` is what the model gave for ``text``, None where it failed."""
        if step is None:
            return self.model_copy(update={"usage": usage, "failed": self.failed + 1})
        written = _written(step)
        times = self.times + 1 if written == self.last else 1
        return type(self)(usage=usage, last=written, said_to=text, times=times)


class Meter:
    """Counts the calls of one turn on top of those of the conversation."""

    def __init__(self, usage: Usage) -> None:
        """Go on from ``usage``."""
        self.usage = usage
        self._last = min(usage.calls + CALLS_A_TURN, CALLS_A_CONVERSATION)

    @property
    def spent(self) -> bool:
        """Whether no call is left."""
        return self.usage.calls >= self._last

    def check(self) -> None:
        """Make sure that a call is left.

        Raises:
            ChatModelError: none is.
        """
        if self.spent:
            raise ChatModelError("It used up the calls that one turn may have.")

    def count(self, told: "UsageMetadata | None") -> None:
        """Note a call that was made."""
        self.usage = self.usage.plus(told)


def read_prices(text: str) -> Prices | None:
    """Prices as the settings write them, such as 0.15/0.60; None for an empty text.

    Raises:
        ChatModelError: they are written otherwise.
    """
    if not text.strip():
        return None
    try:
        prices = [float(each) for each in text.split("/")]
        if len(prices) != 2 or not all(0 <= each < float("inf") for each in prices):
            raise ValueError
    except ValueError:
        raise ChatModelError(
            f"AUDIENCE_CHAT_PRICES is '{text}'; write dollars per million tokens read and written, such as 0.15/0.60."
        ) from None
    return Prices(input=prices[0], output=prices[1])


def usage_line(usage: Usage | None) -> str:
    """The usage of a conversation in one line; empty where no language model was asked."""
    if usage is None or not usage.calls:
        return ""
    counts = [reply("one_call") if usage.calls == 1 else reply("calls", calls=f"{usage.calls:,}")]
    if usage.untold < usage.calls:
        counts.append(reply("usage_tokens", read=f"{usage.input_tokens:,}", written=f"{usage.output_tokens:,}"))
    if usage.untold:
        counts.append(reply("usage_untold", calls=f"{usage.untold:,}"))
    if usage.dollars is not None and usage.untold < usage.calls:
        dollars = f"{usage.dollars:.4f}" if usage.dollars < 1 else f"{usage.dollars:,.2f}"
        counts.append(reply("usage_dollars", dollars=dollars))
    return reply("usage", counts=", ".join(counts))


def _written(step: Step) -> str:
    return step.model_dump_json(exclude_none=True)
