"""What the language model of a conversation has cost and how it behaved; the limits that stop it are here.

A small model that has lost its way answers the same thing for ever, or answers nothing usable and takes minutes over
it. So its calls are counted, a turn and a conversation may have only so many, and one that fails or repeats itself
turn after turn is not asked again in that conversation. The rules go on without it.
"""

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.steps import Step
from encoders.errors import ChatModelError
from encoders.settings import Settings
from prompts.loader import reply

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

CALLS_A_CONVERSATION = 240
FAILED_TURNS = 3
"""So many turns in a row without a usable step, and the model is not asked again in this conversation."""

SAME_STEPS = 3
"""So many times in a row the same step for different messages: a loop."""

_CHANGES_NOTHING = {"ask", "propose", "answer", "decline"}
"""Steps that make no sense twice. "A bit broader" does."""

_MILLION = 1_000_000

_NEARLY = 0.75
"""From this share of the tokens or seconds of a turn on, the model is told to finish."""


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

    def and_of(self, other: Self) -> Self:
        """Both together, not priced."""
        return self.model_copy(
            update={
                "calls": self.calls + other.calls,
                "input_tokens": self.input_tokens + other.input_tokens,
                "output_tokens": self.output_tokens + other.output_tokens,
                "untold": self.untold + other.untold,
                "dollars": None,
            }
        )

    def priced(self, prices: Prices | None) -> Self:
        """The same in money, where prices are set."""
        if prices is None:
            return self
        dollars = (self.input_tokens * prices.input + self.output_tokens * prices.output) / _MILLION
        return self.model_copy(update={"dollars": dollars})


class ModelConduct(_Kept):
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


class Budget(NamedTuple):
    """What one turn may take of a language model; requests that were refused or failed count too."""

    calls: int
    tokens: int
    """Read and written, as servers tell."""
    seconds: float
    """After which no further request is sent."""

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        """The budget of the settings."""
        return cls(settings.chat_calls, settings.chat_tokens, settings.chat_seconds)


class Meter:
    """Counts what one turn takes on top of the rest of the conversation."""

    def __init__(self, usage: Usage, budget: Budget) -> None:
        """Go on from ``usage``, with ``budget`` for this turn; the time runs from now."""
        self.usage, self._budget = usage, budget
        self._tokens = usage.input_tokens + usage.output_tokens
        self._last = min(usage.calls + budget.calls, CALLS_A_CONVERSATION)
        self._began = monotonic()

    @property
    def spent(self) -> str:
        """What is used up: 'calls', 'tokens', 'seconds' or nothing."""
        if self.usage.calls >= self._last:
            return "calls"
        if self._shares[0] >= 1:
            return "tokens"
        return "seconds" if self._shares[1] >= 1 else ""

    @property
    def nearly_spent(self) -> bool:
        """Whether the next call has to be the last one."""
        return self._last - self.usage.calls <= 1 or max(self._shares) >= _NEARLY

    @property
    def _shares(self) -> tuple[float, float]:
        """The shares of the tokens and of the seconds that are used."""
        tokens = self.usage.input_tokens + self.usage.output_tokens - self._tokens
        return tokens / self._budget.tokens, (monotonic() - self._began) / self._budget.seconds

    def check(self) -> None:
        """Make sure that a call is left.

        Raises:
            ChatModelError: none is.
        """
        if self.spent:
            raise ChatModelError(f"It used up the {self.spent} that one turn may have.")

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


def money(dollars: float) -> str:
    """Dollars, with four places below one."""
    return f"{dollars:.4f}" if dollars < 1 else f"{dollars:,.2f}"


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
        counts.append(reply("usage_dollars", dollars=money(usage.dollars)))
    return reply("usage", counts=", ".join(counts))


def _written(step: Step) -> str:
    return step.model_dump_json(exclude_none=True)
