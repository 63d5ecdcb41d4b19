"""Asks a chat model for the next step: one JSON object, one repair, and the rules where the model fails."""

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent.calling import Caller
from agent.checking import Searching, check_step, permitted_texts
from agent.context import Context
from agent.guard import check
from agent.rules.deciding import decide
from agent.steps import Step, StepError, parse_step
from agent.usage import Conduct, Meter
from encoders.errors import ChatModelError
from prompts.loader import fill, reply

ANSWERS = 2
"""Answers of a model that are read in one turn: a first one and one repair."""


class Decision:
    """What to do, what was dropped from it, whether the rules had to step in, and how the model has behaved."""

    def __init__(self, step: Step, notes: tuple[str, ...], conduct: Conduct, fell_back: str = "") -> None:
        """Keep a step that was checked."""
        self.step, self.notes, self.conduct, self.fell_back = step, notes, conduct, fell_back


def next_step(caller: Caller, name: str, context: Context, search: Searching, conduct: Conduct) -> Decision:
    """Ask a model, called ``name`` for people; one that fails costs its answer, never the conversation.

    Args:
        caller: what the model is asked through.
        name: the model, for people.
        context: what the model is shown.
        search: groups near some words, best first.
        conduct: what the model has used and how it behaved in this conversation.
    """
    if reason := conduct.stopped():
        stopped = reply("stopped", model=name, reason=reason)
        return Decision(*check_step(decide(context), context, search), conduct, stopped)
    meter = Meter(conduct.usage)
    try:
        given, step, notes = _ask(caller, context, search, conduct, meter)
        after = conduct.after(meter.usage, given, context.text) if caller.counted else conduct
        return Decision(step, notes, after)
    except (ChatModelError, StepError) as error:
        reason = _sentence(error)
        fallback = reply("fell_back", model=name, reason=reply("unusable") if check(reason) else reason)
    step, notes = check_step(decide(context), context, search)
    return Decision(step, notes, conduct.after(meter.usage, None, context.text), fallback)


def _ask(
    caller: Caller, context: Context, search: Searching, conduct: Conduct, meter: Meter
) -> tuple[Step, Step, tuple[str, ...]]:
    """The model's step as it gave it and as it was checked, with what has to be said about the rest.

    Raises:
        ChatModelError: no answer came.
        StepError: neither the answer nor its repair can be used.
    """
    messages: list[BaseMessage] = [
        SystemMessage(fill("system", unit_plural=context.unit_plural)),
        HumanMessage(fill("decide", context=_fenced(caller.model, context))),
    ]
    problem = StepError()
    for _ in range(ANSWERS):
        answer = caller.answer(messages, meter)
        try:
            given = parse_step(answer)
            if caller.counted and conduct.loops(given, context.text):
                raise StepError(reply("repeats_itself"))
            return given, *check_step(permitted_texts(given) if caller.counted else given, context, search)
        except StepError as error:
            problem = error
            messages += [AIMessage(answer), HumanMessage(fill("repair", problem=_sentence(error)))]
    raise problem


def _sentence(error: Exception) -> str:
    return f"{str(error)[:200].rstrip('.')}."


def _fenced(model: BaseChatModel, context: Context) -> str:
    """The context as JSON that cannot close the fence it stands in, whatever an item is called."""
    block = context.model_dump_json() if model._llm_type == "embedded" else context.brief()
    return block.replace("`", "\\u0060")
