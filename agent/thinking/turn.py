"""One turn of a language model, as middleware around LangChain's agent: what it asks, looks at, and ends with.

model -> looks (the tools node) -> model -> ... -> one final call, checked here: taken, or sent back once
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent.calling import Caller
from agent.guard import check
from agent.rules.wording import listed, plain
from agent.steps import Step, StepError
from agent.thinking.checks import Checker, understood_numbers
from agent.thinking.offers import ENDS, read_end
from agent.thinking.toolbox import Toolbox
from agent.usage import Conduct, Meter
from prompts.loader import fill, reply

ANSWERS = 2
"""Ends of a turn that are read: a first one and one repair."""

_LOOKS = {
    "search": "looking_search",
    "browse": "looking_browse",
    "describe_group": "looking_describe",
    "size": "looking_size",
    "compare": "looking_compare",
    "profile": "looking_profile",
}
"""What is said while a tool looks."""

Changed = dict[str, Any]


class Turn(AgentMiddleware[AgentState[Any], None, Any]):
    """Meters and guards one turn, and holds what it ended with."""

    def __init__(
        self,
        caller: Caller,
        meter: Meter,
        toolbox: Toolbox,
        checker: Checker,
        conduct: Conduct,
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
        """Look, unless it is for what may not be targeted."""
        call = request.tool_call
        words = list(_texts(call["args"]))
        if refusal := next((found for each in words if (found := check(each))), None):
            return _answer(call["id"], refusal.reason)
        if call["name"] in _LOOKS:
            shown = plain(listed(list(dict.fromkeys(words))[:_SHOWN], "and"), 120)
            self._progress(reply(_LOOKS[call["name"]], words=shown).strip())
        return handler(request)

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
