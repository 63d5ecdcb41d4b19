"""Deciding with a language model: one turn of looking at the data with tools, and the step it ends with."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    ToolCallLimitMiddleware,
    ToolErrorMiddleware,
    hook_config,
)
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_stream_writer
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent.context import Context, Decision, OpenQuestion
from agent.guard.verdict import check
from agent.models.calls import ModelCaller
from agent.models.usage import Budget, Meter, ModelConduct
from agent.reading.wording import listed, plain
from agent.replies import counted
from agent.steps import Step, StepError
from agent.thinking.checks import Checker, understood_numbers
from agent.thinking.rules import RuleThinker
from agent.thinking.toolbox import ENDS, Toolbox, final_calls, read_end, sized
from agent.thinking.weighing import weigh_answers
from encoders.errors import AudienceError, ChatModelError
from encoders.text.words import LONGEST_HORIZON
from prompts.loader import fill, reply
from tools.types import DataCard, FieldCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_SEASONS = ("winter", "spring", "summer", "autumn")
_MOST_VALUES = 24
_MOST_SAVED = 20
_NEAR = 5
_READ = {
    "intent",
    "wants",
    "join",
    "excluded",
    "filters",
    "behaviours",
    "life_cycle",
    "memberships",
    "ahead_days",
    "users",
}
"""What of the rules' reading a model is told; the rest stands in the message."""


def instructions(card: DataCard) -> str:
    """What every call begins with: how to work, and what the data has."""
    return f"{fill('agent', unit_plural=card.unit_plural)}\n\n{_data(card)}"


def cached(told: str, model: BaseChatModel) -> SystemMessage:
    """The instructions as the first message; for a model of Anthropic marked as the part that its server shall keep.

    Servers of OpenAI's kind keep the beginning of a prompt by themselves and are told nothing.
    """
    if "anthropic" not in model._llm_type:
        return SystemMessage(told)
    return SystemMessage([{"type": "text", "text": told, "cache_control": {"type": "ephemeral"}}])


def brief(context: Context, card: DataCard, service: "AudienceService") -> str:
    """The turn as JSON in a fence it cannot close, whatever an item or a person says; nothing empty, nothing twice."""
    draft = context.draft
    now = sized(draft.spec, service.size(draft.spec), card) if draft and draft.spec else draft and draft.sentence
    turn: dict[str, Any] = {
        "text": context.text,
        "request": context.request if context.request != context.text else "",
        "answers": {each.question.question: each.text for each in context.answers},
        "open_question": context.question.model_dump(include={"question", "options"}) if context.question else None,
        "questions_left": context.questions_left,
        "present_audience": now,
        "conversation": context.conversation,
        "saved_audiences": context.saved_audiences[:_MOST_SAVED],
        "rules_understood": _understood(context),
    }
    kept = {name: value for name, value in turn.items() if value not in (None, "", (), {}, [])}
    return fill("turn", turn=json.dumps(kept, ensure_ascii=False).replace("`", "\\u0060"))


def _understood(context: Context) -> dict[str, Any]:
    """What the rules read in the message, and the groups that they found near its words."""
    read = context.parsed.model_dump(exclude_defaults=True, include=_READ)
    near = {each.words: [hit.group for hit in each.hits[:_NEAR]] for each in context.searches if each.hits}
    whole = [each.group for each in context.whole.groups] if context.whole else []
    return read | ({"near": near} if near else {}) | ({"whole": whole} if whole else {})


def _data(card: DataCard) -> str:
    day = card.as_of
    season = _SEASONS[day.month % 12 // 3]
    lines = [
        f"The data: {card.title}",
        f"Today counts as {day:%A}, {day.day} {day:%B %Y} ({season} in the north). Nothing later is known.",
        f"Horizons: 1 to {LONGEST_HORIZON} days ahead, {card.horizon_days} where nobody says; no longer ones.",
        f"Population: {card.population:,} {card.unit_plural}; fewer than {card.minimum_size} are not shown.",
        "Sources: " + "; ".join(f"{each.source} ({', '.join(each.actions)})" for each in card.sources),
        "Fields:",
        *(f"- {_field(each, card)}" for each in card.fields),
    ]
    return "\n".join(lines)


def _field(field: FieldCard, card: DataCard) -> str:
    values = " | ".join(each.value for each in field.values[:_MOST_VALUES])
    return f"{field.field} = {values} (unknown: {counted(field.unknown, card)})"


ANSWERS = 2
"""Ends of a turn that are read: a first one and one repair."""

_SEARCH = "search"
_LOOKS = {
    _SEARCH: "looking_search",
    "browse": "looking_browse",
    "describe_group": "looking_describe",
    "size": "looking_size",
    "compare": "looking_compare",
    "profile": "looking_profile",
}
"""What is said while a tool looks."""

Changed = dict[str, Any]


class ModelTurn(AgentMiddleware[AgentState[Any], None, Any]):
    """Meters and guards one turn, and holds what it ended with."""

    def __init__(
        self,
        caller: ModelCaller,
        meter: Meter,
        toolbox: Toolbox,
        checker: Checker,
        conduct: ModelConduct,
        told: tuple[str, ...],
        said: tuple[str, ...],
        progress: Callable[[str], None],
    ) -> None:
        """Begin a turn.

        Args:
            caller: asks the model.
            meter: counts what that takes.
            toolbox: what the model looks with.
            checker: holds what it decides against the data.
            conduct: how it behaved before.
            told: what it is told, whose numbers it may repeat.
            said: what the person said, the latest message first.
            progress: called with a line for every look.
        """
        super().__init__()
        self._caller, self._meter, self._toolbox, self._checker = caller, meter, toolbox, checker
        self._conduct, self._told, self._said, self._progress = conduct, told, said, progress
        self._problems: list[str] = []
        self.given: Step | None = None
        """The step as the model gave it; None until the turn has ended."""
        self.step: Step | None = None
        """The same as it was checked."""
        self.notes: tuple[str, ...] = ()
        """What has to be said about what was dropped from it."""

    def wrap_model_call(
        self, request: ModelRequest[None], handler: Callable[[ModelRequest[None]], ModelResponse[Any]]
    ) -> AIMessage:
        """Ask the model, patiently and within the budget; the last call the budget allows is told to be it."""
        messages = list(request.messages)
        if self._meter.nearly_spent:
            messages.append(HumanMessage(fill("finish")))

        def ask(model: BaseChatModel, choice: str | None) -> AIMessage:
            response = handler(request.override(model=model, messages=messages, tool_choice=choice))
            message = response.result[0]
            if not isinstance(message, AIMessage):
                raise TypeError("no message")
            return message

        return self._caller.answer(ask, self._meter)

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Look, unless it is for what may not be targeted; of several words to search for, the others are."""
        call = request.tool_call
        declined = {each: found.reason for each in _texts(call["args"]) if (found := check(each))}
        if declined:
            searched = call["args"].get("words") if call["name"] == _SEARCH else None
            left = [each for each in searched if each not in declined] if isinstance(searched, list) else []
            if not left:
                return _answer(call["id"], next(iter(declined.values())))
            request = request.override(tool_call={**call, "args": {**call["args"], "words": left}})
        words = list(_texts(request.tool_call["args"]))
        if call["name"] in _LOOKS:
            shown = plain(listed(list(dict.fromkeys(words))[:_SHOWN], "and"), 120)
            self._progress(reply(_LOOKS[call["name"]], words=shown).strip())
        answer = handler(request)
        if declined and isinstance(answer, ToolMessage):
            answer.content = "\n".join([*declined.values(), answer.text])
        return answer

    @hook_config(can_jump_to=["model", "end"])
    def after_model(self, state: AgentState[Any], runtime: Runtime[None]) -> Changed | None:
        """Take the final call, or send back what cannot be used.

        Raises:
            StepError: what was sent back came again as bad.
        """
        message = _last(state["messages"])
        if declined := _refusal(message):
            self._end(Step(action="decline", say=None if check(declined) else declined))
            return {"jump_to": "end"}
        broken = [_answer(each["id"], "The arguments are not valid JSON.") for each in message.invalid_tool_calls]
        finals = [each for each in message.tool_calls if each["name"] in ENDS]
        if not message.tool_calls:
            self._problem(f"it called none of its tools{' in valid JSON' if broken else ''}")
            back: list[AnyMessage] = [*broken] if broken else [HumanMessage(self._repair())]
            return {"messages": back, "jump_to": "model"}
        if not finals:
            return {"messages": broken} if broken else None
        if len(message.tool_calls) > 1:
            alone = "End the turn with one call alone, after you have read what the others found."
            if len(finals) == len(message.tool_calls):
                self._problem("it ended the turn in several ways at once")
            return {"messages": [*broken, *(_answer(each["id"], alone) for each in finals)]}
        return self._read(finals[0]["name"], finals[0]["args"], finals[0]["id"])

    def _read(self, name: str, arguments: dict[str, Any], call_id: str | None) -> Changed:
        """End with a final call, or send it back once for what it could mend."""
        try:
            given = read_end(name, arguments)
            if self._conduct.loops(given, self._said[0]):
                raise StepError(reply("repeats_itself"))
            known = (*self._told, *self._toolbox.shown)
            self.step, self.notes = self._checker.check(given, known, strict=not self._problems)
        except StepError as error:
            self._problem(str(error))
            return {"messages": [_answer(call_id, self._repair())]}
        self._end(given, self.step)
        self.notes += understood_numbers(self.step, (*self._said, *self._toolbox.shown))
        return {"jump_to": "end"}

    def _end(self, given: Step, step: Step | None = None) -> None:
        self.given, self.step = given, step or given

    def _problem(self, problem: str) -> None:
        """Note what was wrong.

        Raises:
            StepError: it was told before that something was, and there is no further try.
        """
        self._problems.append(problem)
        if len(self._problems) >= ANSWERS:
            raise StepError(problem)

    def _repair(self) -> str:
        return fill("repair", problem=f"{self._problems[-1].rstrip('.')}.")


_SHOWN = 6
"""Words of one look that a person is shown."""


def _last(messages: Iterable[Any]) -> AIMessage:
    return next(each for each in reversed(list(messages)) if isinstance(each, AIMessage))


def _answer(call_id: str | None, text: str) -> ToolMessage:
    return ToolMessage(content=text, tool_call_id=call_id or "", status="error")


def _refusal(message: AIMessage) -> str:
    """What a model says that declines to answer; empty where it does not."""
    said = message.additional_kwargs.get("refusal")
    if isinstance(said, str) and said:
        return said
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") == "refusal":
            return str(block.get("refusal") or reply("model_declined"))
    ended = {message.response_metadata.get(each) for each in ("finish_reason", "stop_reason")}
    return reply("model_declined") if ended & {"refusal", "content_filter"} else ""


def _texts(value: Any) -> Iterator[str]:
    """Every text in the arguments of a call."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


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
        self._caller, self._rules = ModelCaller(model), RuleThinker(name, service.search_groups)

    def decide(self, context: Context, conduct: ModelConduct) -> Decision:
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

    def _take(self, context: Context, conduct: ModelConduct, meter: Meter) -> ModelTurn:
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
        turn = ModelTurn(self._caller, meter, toolbox, checker, conduct, known, said, get_stream_writer())
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
