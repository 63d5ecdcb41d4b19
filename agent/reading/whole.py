"""The whole request as the reader of the data understands it, and how it becomes the things of a demand.

What a person picks themselves always counts before it: the reader stands in where nobody has answered.
"""

from typing import TYPE_CHECKING

from agent.rules.replying import skipped
from agent.state import Memory
from encoders.reader import Understood

if TYPE_CHECKING:
    from agent.context import Context
    from tools.service import AudienceService

_LONGEST_WITNESS = 300


def read_whole(service: "AudienceService", memory: Memory, text: str) -> Understood | None:
    """What the request means; None where an audience is there already, which a message changes."""
    return None if memory.now and not memory.question else service.read(memory.request if memory.question else text)


def chosen_by_reader(context: "Context") -> tuple[str, ...]:
    """The things to name where nobody has said which: those of the reader; none where a person has picked some."""
    picked = [answer for answer in context.answers if not skipped(answer.text)]
    if context.question is not None and not skipped(context.text):
        return ()
    if context.whole is None or picked:
        return ()
    return tuple(each.group for each in context.whole.groups)


def witness(context: "Context", items: tuple[str, ...]) -> str:
    """The request's own words, which stay in the demand where its things are the reader's and the reader is unsure."""
    if context.whole is None or context.whole.sure or items != chosen_by_reader(context):
        return ""
    words = " ".join((context.request if context.question is not None else context.text).split())
    return words[:_LONGEST_WITNESS]
