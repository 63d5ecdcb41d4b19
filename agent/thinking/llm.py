"""Asks a chat model for the next step: one JSON object, one repair, and the rules where the model fails."""

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent.calling import Caller
from agent.checking import Searching, check_step, permitted_texts
from agent.context import Context
from agent.guard import check
from agent.steps import Step, StepError, parse_step
from agent.thinking.decision import Decision
from agent.thinking.rules import RuleThinker
from agent.usage import Conduct, Meter
from encoders.errors import ChatModelError
from prompts.loader import fill, reply

ANSWERS = 2
"""Answers of a model that are read in one turn: a first one and one repair."""


class ModelThinker:
    """A language model; one that fails costs its answer, never the conversation."""

    def __init__(self, model: BaseChatModel, name: str, search: Searching) -> None:
        """Ask ``model``, called ``name`` for people; ``search`` gives the groups near some words, best first."""
        self.name, self._search = name, search
        self._caller, self._rules = Caller(model), RuleThinker(name, search)

    def decide(self, context: Context, conduct: Conduct) -> Decision:
        """Ask the model; where it cannot be asked or gives nothing usable, the rules decide and say so."""
        if reason := conduct.stopped():
            stopped = reply("stopped", model=self.name, reason=reason)
            return self._rules.decide(context, conduct)._replace(fell_back=stopped)
        meter = Meter(conduct.usage)
        try:
            given, step, notes = self._ask(context, conduct, meter)
            return Decision(step, notes, conduct.after(meter.usage, given, context.text))
        except (ChatModelError, StepError) as error:
            reason = _sentence(error)
            fallback = reply("fell_back", model=self.name, reason=reply("unusable") if check(reason) else reason)
        after = conduct.after(meter.usage, None, context.text)
        return self._rules.decide(context, after)._replace(fell_back=fallback)

    def _ask(self, context: Context, conduct: Conduct, meter: Meter) -> tuple[Step, Step, tuple[str, ...]]:
        """The model's step as it gave it and as it was checked, with what has to be said about the rest.

        Raises:
            ChatModelError: no answer came.
            StepError: neither the answer nor its repair can be used.
        """
        messages: list[BaseMessage] = [
            SystemMessage(fill("system", unit_plural=context.unit_plural)),
            HumanMessage(fill("decide", context=_fenced(context))),
        ]
        problem = StepError()
        for _ in range(ANSWERS):
            answer = self._caller.answer(messages, meter)
            try:
                given = parse_step(answer)
                if conduct.loops(given, context.text):
                    raise StepError(reply("repeats_itself"))
                return given, *check_step(permitted_texts(given), context, self._search)
            except StepError as error:
                problem = error
                messages += [AIMessage(answer), HumanMessage(fill("repair", problem=_sentence(error)))]
        raise problem


def _sentence(error: Exception) -> str:
    return f"{str(error)[:200].rstrip('.')}."


def _fenced(context: Context) -> str:
    """The context as JSON that cannot close the fence it stands in, whatever an item is called."""
    return context.brief().replace("`", "\\u0060")
