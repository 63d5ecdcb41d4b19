"""A language model that looks before it decides: LangChain's tool-calling agent, and the rules where it fails."""

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ToolCallLimitMiddleware, ToolErrorMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_stream_writer
from langgraph.graph.state import CompiledStateGraph

from agent.calling import Caller
from agent.context import Context, OpenQuestion
from agent.guard import check
from agent.steps import Step, StepError
from agent.thinking.briefing import brief, cached, instructions
from agent.thinking.checks import Checker
from agent.thinking.decision import Decision
from agent.thinking.offers import final_calls
from agent.thinking.rules import RuleThinker
from agent.thinking.toolbox import Toolbox
from agent.thinking.turn import Turn
from agent.usage import Budget, Conduct, Meter
from agent.weighing import weigh_answers
from encoders.errors import AudienceError, ChatModelError
from prompts.loader import reply

if TYPE_CHECKING:
    from tools.service import AudienceService

LOOKS = 30
"""Tools that one turn may call; further calls are answered with that."""

_STEPS = 500
"""Nodes of the agent that one turn may run; the budget ends a turn long before."""


class ModelThinker:
    """A language model; one that fails costs its answer, never the conversation."""

    def __init__(self, model: BaseChatModel, name: str, service: "AudienceService", budget: Budget) -> None:
        """Ask ``model``, called ``name`` for people, which looks at ``service`` within ``budget`` a turn."""
        self.name, self._model, self._service, self._budget = name, model, service, budget
        self._card = service.describe_data()
        self._instructions = instructions(self._card)
        self._caller, self._rules = Caller(model), RuleThinker(name, service.search_groups)

    def decide(self, context: Context, conduct: Conduct) -> Decision:
        """Let the model look and decide; where it cannot be asked or gives nothing usable, the rules do and say so."""
        if reason := conduct.stopped():
            stopped = reply("stopped", model=self.name, reason=reason)
            return self._rules.decide(context, conduct)._replace(fell_back=stopped)
        meter = Meter(conduct.usage, self._budget)
        try:
            turn = self._take(context, conduct, meter)
            if turn.step is None:
                raise StepError("it did not end its turn")
            after = conduct.after(meter.usage, turn.given, context.text)
            return Decision(turn.step, turn.notes, after, context=self._seen(turn.step, context))
        except (ChatModelError, StepError) as error:
            reason = _sentence(error)
            fallback = reply("fell_back", model=self.name, reason=reply("unusable") if check(reason) else reason)
        after = conduct.after(meter.usage, None, context.text)
        return self._rules.decide(context, after)._replace(fell_back=fallback)

    def _seen(self, step: Step, context: Context) -> Context:
        """The context without what the rules guessed; with the sizes of what the model offers to choose from."""
        offered = step.options if step.action == "ask" and step.topic == "meaning" else None
        weighed = weigh_answers(self._service, context, offered or ())
        question = OpenQuestion(topic="meaning", question=step.question or "", options=weighed, change=0.0)
        return context.model_copy(update={"searches": (), "open_questions": (question,) if weighed else ()})

    def _take(self, context: Context, conduct: Conduct, meter: Meter) -> Turn:
        """Run one turn to its end.

        Raises:
            ChatModelError: an answer did not come, or the budget is used up.
            StepError: neither what it ended with nor the repair can be used.
        """
        checker = Checker(self._service, context)
        toolbox = Toolbox(self._service, self._card, context, checker)
        told = brief(context, self._card, self._service)
        said = (context.text, *(each.text for each in context.answers), context.request)
        known = (self._instructions, told)
        turn = Turn(self._caller, meter, toolbox, checker, conduct, known, said, get_stream_writer())
        middleware: list[AgentMiddleware[Any, None, Any]] = [
            turn, ToolErrorMiddleware(_told), ToolCallLimitMiddleware(run_limit=LOOKS),
        ]  # fmt: skip
        agent = create_agent(
            self._model,
            [*toolbox.tools(), *final_calls()],
            system_prompt=cached(self._instructions, self._model),
            middleware=middleware,
            checkpointer=False,
        )
        copy_context().run(_alone, agent, told)
        return turn


def _alone(agent: CompiledStateGraph[Any, Any, Any, Any], told: str) -> None:
    """Run the agent as a graph of its own: no checkpoints, streams or settings of the conversation's graph reach it."""
    var_child_runnable_config.set(None)
    agent.invoke({"messages": [HumanMessage(told)]}, {"recursion_limit": _STEPS})


def _told(error: Exception, _: Any) -> str | None:
    """The one sentence of an error that a model can mend; anything else is a bug and propagates."""
    return str(error) if isinstance(error, AudienceError) else None


def _sentence(error: Exception) -> str:
    return f"{str(error)[:200].rstrip('.')}."
