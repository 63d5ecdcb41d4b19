"""The whole request as the reader of the data understands it, and how it becomes the things of a demand.

What a person picks themselves always counts before it: the reader stands in where nobody has answered.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.reading.message import ParsedMessage
from agent.rules.grounding import ground
from agent.rules.wording import listed, plain
from agent.state import Memory
from encoders.language.naming import stems
from encoders.reader import Understood
from prompts.loader import reply

if TYPE_CHECKING:
    from agent.context import Context
    from tools.service import AudienceService

_LONGEST_WITNESS = 300


def read_whole(
    service: "AudienceService", memory: Memory, context: "Context", parsed: ParsedMessage, text: str
) -> Understood | None:
    """What the request means; None where an audience is there already, which a message changes.

    The reader learned from English; for other languages the multilingual search alone is the better guide. What is
    left out is syntax: the reader is given the rest. What is wanted beside a condition on the past is read by itself,
    and has to be known. A request that wants several things of the same user, or names no thing, is left to syntax,
    and one that names its things as the data does needs no reader.

    Args:
        service: whose reader it is.
        memory: how the talk stands.
        context: what the data has near the words.
        parsed: the message that the request was made with.
        text: its words.
    """
    if memory.now and not memory.question and parsed.intent != "demand":
        return None
    if parsed.past and parsed.wants and not parsed.foreign and not _named(context, parsed):
        beside = service.read(" and ".join(parsed.wants))
        return beside if beside is not None and beside.groups and (beside.entries or beside.sure) else None
    apart = parsed.past or parsed.join == "all" or parsed.intent in ("replace", "add", "segments")
    about_people = bool(parsed.filters or parsed.excluded) and not parsed.wants
    if parsed.foreign or apart or about_people or _named(context, parsed):
        return None
    return _without(service.read(parsed.rest if parsed.excluded else text), parsed.excluded)


def _without(read: Understood | None, excluded: Sequence[str]) -> Understood | None:
    """What was read, without the things that the request leaves out by name ("spielberg but not jaws")."""
    out = {stems(each) for each in excluded}
    if read is None or not out:
        return read
    groups = tuple(each for each in read.groups if stems(each.group) not in out)
    beside = tuple(each for each in read.beside if stems(each) not in out)
    return read.model_copy(update={"groups": groups, "beside": beside})


def _named(context: "Context", parsed: ParsedMessage) -> bool:
    """Whether all things that are wanted are called as the data calls them."""
    grounded = [ground(phrase, context.hits(phrase)) for phrase in parsed.wants]
    return bool(grounded) and all(each.kind == "clear" and each.item == each.phrase for each in grounded)


def chosen_by_reader(context: "Context") -> tuple[str, ...]:
    """The things to name where nobody has said which: those of the reader; none where a person has picked some."""
    picked = [answer for answer in context.answers if not (answer.parsed and answer.parsed.skipped)]
    if context.question is not None and not context.parsed.skipped:
        return ()
    if context.whole is None or picked:
        return ()
    return tuple(each.group for each in context.whole.groups)


def nothing_near(context: "Context") -> str:
    """What to say where the data has nothing of the kind; empty where it has, or where nobody has looked."""
    whole = context.whole
    if whole is None or whole.groups:
        return ""
    words = plain(context.request if context.question is not None else context.text, 60)
    return reply("nothing_near", words=words, nearest=listed([plain(each) for each in whole.nearest], "or"))


def stands_for(context: "Context", items: tuple[str, ...]) -> list[str]:
    """The chain behind things that the reader named: an entry of the knowledge, and what it stands for here."""
    if context.whole is None or items != chosen_by_reader(context):
        return []
    chains: dict[str, dict[str, None]] = {}
    for each in context.whole.groups:
        if each.because in context.whole.entries:
            chains.setdefault(each.because, {})[plain(each.group)] = None
    if len(set(items)) == 1:  # there is nothing to leave out
        return [reply("read_as", phrase=plain(entry), group=next(iter(things))) for entry, things in chains.items()]
    lists = {entry: listed([*things], "and") for entry, things in chains.items()}
    return [reply("stands_for", entry=plain(entry), things=things) for entry, things in lists.items()]


def witness(context: "Context", items: tuple[str, ...]) -> str:
    """The request's own words, which stay in the demand where its things are the reader's and the reader is unsure."""
    if context.whole is None or context.whole.sure or items != chosen_by_reader(context):
        return ""
    words = " ".join((context.request if context.question is not None else context.text).split())
    return words[:_LONGEST_WITNESS]
