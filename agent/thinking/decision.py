"""What every way of thinking gives back, and what it is asked through."""

from typing import NamedTuple, Protocol

from agent.context import Context
from agent.models.usage import ModelConduct
from agent.steps import Step


class Decision(NamedTuple):
    """The next step, checked against the data."""

    step: Step
    notes: tuple[str, ...]
    """What has to be said about what was dropped from it."""
    conduct: ModelConduct
    """How the language model has behaved so far."""
    fell_back: str = ""
    """One sentence where a language model failed and the rules decided."""
    context: Context | None = None
    """What the step is carried out in the light of, where that is not what the rules found."""


class Thinker(Protocol):
    """Decides the next step; ``name`` is what people see."""

    name: str

    def decide(self, context: Context, conduct: ModelConduct) -> Decision:
        """Decide what to do about the message in ``context``.

        Args:
            context: what was said, how the talk stands, and what the data has to do with it.
            conduct: what the language model has used and how it behaved in this conversation.
        """
        ...
