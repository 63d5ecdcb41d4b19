"""The things a whole request asks for, and those a person struck out or took back."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from agent.context import Context
from agent.reading.grounding import ground
from agent.reading.message import ParsedMessage
from agent.reading.wording import is_read, listed, plain
from agent.state import Memory, Thing
from encoders.reader import WholeReading
from encoders.text.words import stems
from prompts.loader import reply

if TYPE_CHECKING:
    from agent.context import Context
    from tools.service import AudienceService

_LONGEST_WITNESS = 300


def read_whole(
    service: "AudienceService", memory: Memory, context: "Context", parsed: ParsedMessage, text: str
) -> WholeReading | None:
    """What the request means; None where an audience is there already, which a message changes.

    For languages that the reader has not learned, the multilingual search alone is the better guide. What is left out
    is syntax: the reader is given the rest. What is wanted beside a condition on the past is read by itself,
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
    if parsed.past and parsed.wants and is_read(parsed.language) and not _named(context, parsed):
        beside = service.read(" and ".join(parsed.wants))
        return beside if beside is not None and beside.groups and (beside.entries or beside.sure) else None
    apart = parsed.past or parsed.join == "all" or parsed.intent in ("replace", "add", "segments")
    about_people = bool(parsed.filters or parsed.excluded) and not parsed.wants
    if not is_read(parsed.language) or apart or about_people or _named(context, parsed):
        return None
    words = parsed.rest if parsed.excluded or parsed.refused else text
    read = service.read(words) if words.strip() else None
    return _without_refused(service, _without(read, parsed.excluded), parsed.refused)


def _without_refused(
    service: "AudienceService", read: WholeReading | None, refused: Sequence[str]
) -> WholeReading | None:
    """What was read, without the things that the clauses that were set aside mean more than the rest does.

    "The rotisserie kind. not raw chicken": fresh chicken is near the first clause, and nearer the second.
    """
    out = service.read(", ".join(refused)) if refused else None
    if read is None or out is None or not out.groups:
        return read
    against = {each.group: each.probability for each in out.groups}
    kept = tuple(each for each in read.groups if against.get(each.group, 0.0) <= each.probability)
    beside = tuple(each for each in read.beside if each not in against)
    return read.model_copy(update={"groups": kept, "beside": beside}) if kept else read


def _without(read: WholeReading | None, excluded: Sequence[str]) -> WholeReading | None:
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
    parsed = context.request_parsed if context.question is not None else context.parsed
    text = context.request if context.question is not None else context.text
    return " ".join((parsed.rest if parsed.refused else text).split())[:_LONGEST_WITNESS]


def things_of(context: Context, items: Sequence[str]) -> tuple[Thing, ...]:
    """Where the things of a new demand come from.

    Args:
        context: what was said and what the data has near it.
        items: the things, as the demand names them.
    """
    found = _by_words(context) | _by_reader(context)
    return tuple(Thing(name=item, because=_unless_named(found.get(item, ""), item)) for item in dict.fromkeys(items))


def with_items(things: Iterable[Thing], items: Sequence[str], context: Context | None = None) -> tuple[Thing, ...]:
    """The things once the demand names ``items``: others are struck out, and may be taken back.

    Args:
        things: those before.
        items: what the demand names now.
        context: what was said, which says where things come from that were not there before.
    """
    there = tuple(each.model_copy(update={"struck": each.name not in items}) for each in things)
    known = {each.name for each in there}
    fresh = [item for item in items if item not in known]
    return there + (things_of(context, fresh) if context else tuple(Thing(name=item) for item in fresh))


def taken_back(things: Iterable[Thing], items: Iterable[str]) -> tuple[str, ...]:
    """The items, where those that name something struck out mean it: "and turkey too" takes fresh turkey back."""
    struck = [each.name for each in things if each.struck]
    meant = (next((name for name in struck if stems(item) and stems(item) <= stems(name)), item) for item in items)
    return tuple(dict.fromkeys(meant))


def _by_reader(context: Context) -> dict[str, str]:
    """The entry of the knowledge, or the words, by which the reader of whole requests found each thing."""
    return {each.group: each.because for each in context.whole.groups} if context.whole else {}


def _by_words(context: Context) -> dict[str, str]:
    """The words whose search found each thing."""
    said = (context.parsed, context.request_parsed, *(each.parsed for each in context.answers if each.parsed))
    found: dict[str, str] = {}
    for phrase in dict.fromkeys(phrase for each in said for phrase in each.wants):
        grounded = ground(phrase, context.hits(phrase))
        if grounded.kind != "unknown":
            for group in (*grounded.groups, grounded.item):
                found.setdefault(group, phrase)
    return found


def _unless_named(because: str, item: str) -> str:
    """No provenance where the words are the name itself."""
    return "" if stems(because) == stems(item) else because
