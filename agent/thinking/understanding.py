"""What a request means: read as a whole or phrase by phrase, and the questions worth asking about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, NamedTuple

from agent.context import Context
from agent.reading.grounding import AT_MOST, GroundedPhrase, ground, ground_answer, names_a_thing, served
from agent.reading.message import ParsedMessage
from agent.reading.orders import picked_near
from agent.reading.wording import Parts, listed, plain, verb
from agent.steps import ALL, DECIDE, NEWNESS
from agent.thinking.refining import refine
from encoders.reader import WholeReading as Read
from encoders.text.words import stems
from prompts.loader import reply

_TALK = ("chatter", "courtesy", "help", "none_of_these", "difference")
"""Intents that say nothing about whom to reach."""

_WHOLE = 0.5
"""Similarity from which on a whole request is near a group: it is longer than a name, so chance brings it nearer."""

_MORE = 2
"""What the reader gives less to than to what it names: so many are offered, the others after "none of these"."""

_SAID = 2
"""Things of a request that a question says again; with more, it says the request itself."""

_QUOTED = 60
"""Characters of it."""

_SURE = 0.7
"""From here on, a message that reads like a request is one, though a question is open."""


@dataclass(frozen=True)
class UnderstoodRequest:
    """A request with everything that was answered since."""

    heard: ParsedMessage
    items: tuple[str, ...] = ()
    """What is clear, as the demand names it."""
    open: tuple[GroundedPhrase, ...] = ()
    """What could mean several things, or names several that could be told apart."""
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settled: frozenset[str] = field(default_factory=frozenset)
    """Topics the person has answered, or left to the agent."""

    @property
    def about_the_past(self) -> bool:
        """Whether all that is said of use is what they did before: then those are meant, whatever they do next."""
        return self.heard.past and set(self.heard.wants) <= set(self.unknown)

    @property
    def guessed(self) -> tuple[str, ...]:
        """All items, with a guess at what is open."""
        return tuple(dict.fromkeys((*self.items, *(name for each in self.open for name in each.guess))))

    def having(self, meant: GroundedPhrase | None, items: Sequence[str]) -> "UnderstoodRequest":
        """The same once ``items`` are what was ``meant`` by something open."""
        left = tuple(each for each in self.open if each is not meant and not set(each.groups) & set(items))
        return replace(self, items=tuple(dict.fromkeys((*self.items, *items))), open=left)


class RequestReading(NamedTuple):
    """A message as part of a request."""

    understood: UnderstoodRequest
    fresh: bool
    """It begins a new request."""


def read_request(context: Context) -> RequestReading | None:
    """What the message and all before it ask for; None where it is an order, or a change to the audience."""
    parsed = context.parsed
    if parsed.order is not None or parsed.intent in ("segments", *_TALK):
        return None
    if context.question is not None and parsed.missing_alone:
        return None
    if context.question is not None and not _changes_subject(parsed):
        answered = _answer(context, so_far(context), parsed)
        if answered is not None:
            return RequestReading(answered, fresh=False)
    elif context.draft is not None and refine(context) is not None:
        return None
    alone = context.model_copy(update={"answers": ()})
    return RequestReading(_understand(alone, parsed, context.text), fresh=True)


def so_far(context: Context) -> UnderstoodRequest:
    """The request that a question is open about, with everything that was answered."""
    return _understand(context, context.request_parsed, context.request)


def _changes_subject(parsed: ParsedMessage) -> bool:
    """Whether a message begins a request of its own while a question is open."""
    wanted = bool(parsed.wants) or not parsed.limits
    sure = parsed.intent == "demand" and parsed.probability >= _SURE
    return parsed.picked is None and sure and wanted and parsed.ordered_anew


def _understand(context: Context, heard: ParsedMessage, request: str) -> UnderstoodRequest:
    """Ground a request, and fold in the answers given so far."""
    grounded = _wanted(context, heard)
    nothing = all(each.kind == "unknown" for each in grounded)
    if grounded and nothing and not heard.past and _near(context, request):
        grounded = [ground(request, context.hits(request))]
    if context.whole is not None and context.whole.groups:
        grounded = [_as_a_whole(context.whole, grounded, request)]
    elif context.whole is not None and context.whole.sure:
        grounded = [each if _called_so(each) else replace(each, kind="unknown", item="") for each in grounded]
    understood = UnderstoodRequest(
        heard=heard,
        items=tuple(dict.fromkeys(each.item for each in grounded if each.kind == "clear")),
        open=tuple(each for each in grounded if each.kind in {"broad", "unclear"}),
        unknown=tuple(each.phrase for each in grounded if each.kind == "unknown" and each.phrase not in heard.done),
        notes=tuple(
            reply("read_as", phrase=plain(each.phrase), group=plain(each.item))
            for each in grounded
            if each.kind == "clear" and each.item != each.phrase
        ),
    )
    for answer in context.answers:
        step = context.model_copy(update={"question": answer.question, "text": answer.text})
        if answer.parsed is not None:
            understood = _answer(step, understood, answer.parsed) or understood
    return understood


def _as_a_whole(whole: Read, apart: Sequence[GroundedPhrase], request: str) -> GroundedPhrase:
    """What the reader of the data made of the request: one thing, or several that could be told apart.

    What the reader gives less to can be chosen as well, and what is called as the request's own words call it.
    """
    groups = tuple(each.group for each in whole.groups)
    called = chain.from_iterable(each.groups for each in apart if _called_so(each))
    # Where one thing is wanted, a word that several groups bear ("baby") means all of them that the reader sees as well
    # until somebody says which: "food" alone would be dog food, too, and a request of many things has named them.
    seen = {*groups, *whole.beside} if len(groups) == 1 else set()
    open_words = [each for each in apart if each.kind in ("broad", "unclear")]
    borne = [
        group for each in open_words for group in each.groups if group in seen and stems(each.phrase) <= stems(group)
    ]
    wide = tuple(dict.fromkeys((*groups, *borne)))
    offered = tuple(dict.fromkeys((*wide, *called, *whole.beside[:_MORE])))[:AT_MOST]
    phrase = next(iter(whole.entries), "") or _quoted(apart, request)
    if len(offered) == 1:
        return GroundedPhrase(phrase, "clear", groups, groups[0])
    return GroundedPhrase(phrase, "unclear", offered, read_as=wide)


def _called_so(grounded: GroundedPhrase) -> bool:
    """Whether the data itself calls something by these words."""
    return grounded.kind in ("clear", "broad") and grounded.item == grounded.phrase


def _quoted(apart: Sequence[GroundedPhrase], request: str) -> str:
    """The words that a question about a request says again: those for its things, where all of them name some."""
    named = [each.phrase for each in apart if each.kind != "unknown"]
    return listed(named, "and") if named and len(named) == len(apart) <= _SAID else plain(request, _QUOTED)


def _wanted(context: Context, heard: ParsedMessage) -> list[GroundedPhrase]:
    """What the wants mean, or where there are none, the things of the conditions.

    Words beside a condition that name nothing of the data are of no use: the condition stands without them.
    """
    grounded = [ground(phrase, context.hits(phrase), bool(heard.foreign)) for phrase in heard.wants]
    if heard.past and context.whole is None:
        useless = [each for each in grounded if not names_a_thing(each, context.hits(each.phrase))]
        grounded = [replace(each, kind="unknown", item="") if each in useless else each for each in grounded]
    if all(each.kind == "unknown" for each in grounded):
        grounded += [ground(phrase, context.hits(phrase), bool(heard.foreign)) for phrase in heard.done]
    return grounded


def _near(context: Context, request: str) -> bool:
    """Whether the request as a whole is near enough to something, where none of its words is."""
    return max((hit.similarity for hit in context.hits(request)), default=0.0) >= _WHOLE


def _near_request(context: Context) -> tuple[str, ...]:
    """Groups that the request could mean, nearest first: what its reader finds, then what the search does."""
    read = (*(each.group for each in context.whole.groups), *context.whole.beside) if context.whole else ()
    phrases = dict.fromkeys((context.request, *context.request_parsed.wants))
    hits = sorted((hit for each in phrases for hit in context.hits(each)), key=lambda hit: -hit.similarity)
    return tuple(dict.fromkeys((*read, *(hit.group for hit in hits))))


def _answer(context: Context, so_far: UnderstoodRequest, heard: ParsedMessage) -> UnderstoodRequest | None:
    """Fold the answer to the open question in; None when the message is about something else."""
    assert context.question is not None
    topic, chosen, before = context.question.topic, heard.picked, so_far.heard
    merged = before.model_copy(
        update={
            "ahead_days": heard.ahead_days or before.ahead_days,
            "newness": heard.newness or before.newness,
            "filters": (*before.filters, *heard.filters),
            "behaviours": (*before.behaviours, *heard.behaviours),
            "life_cycle": (*before.life_cycle, *heard.life_cycle),
            "memberships": (*before.memberships, *heard.memberships),
            "excluded": (*before.excluded, *heard.excluded),
            "users": heard.users or before.users,
            "percent": heard.percent if heard.percent is not None else before.percent,
            "goal": heard.goal or before.goal,
        }
    )
    after = replace(so_far, heard=merged, settled=so_far.settled | {topic})
    if topic != "meaning":
        return after if chosen is not None or (heard.limits and not heard.wants) else None
    options = tuple(option for option in context.question.options if option not in (ALL, DECIDE))
    asked = next((each for each in so_far.open if set(options) <= set(each.groups)), None)
    beside = asked.guess if asked is not None and heard.intent == "add" else ()
    near = _near_request(context)
    named = () if heard.skipped else picked_near(context.text, options, near)
    if set(named) - set(options):
        kept = tuple(each for each in heard.excluded if not any(stems(each) & stems(group) for group in near))
        limits = merged.model_copy(update={"excluded": (*before.excluded, *kept)})
        return replace(after, heard=limits).having(asked, [*beside, *named])
    if chosen is not None and set(chosen) < set(named):
        chosen = named
    if chosen is not None:
        whole = asked is not None and (heard.skipped or (asked.kind == "broad" and chosen == options))
        return after.having(asked, asked.guess if whole and asked else chosen)
    grounded = [ground(phrase, context.hits(phrase)) for phrase in heard.wants]
    if grounded and all(each.kind == "clear" for each in grounded):
        return after.having(asked, [*beside, *(each.item for each in grounded)])
    if heard.meant:
        return after.having(asked, [*beside, *heard.meant])
    if grounded and (found := ground_answer(context.text, context.hits(context.text))):
        return after.having(asked, [*beside, *found])
    if grounded:
        note = reply("nothing_like", words=plain(heard.wants[0]))
        return replace(after.having(asked, options[:1]), notes=(*after.notes, note))
    return after if heard.limits else None


_ONE_OF = {"unclear": 0.9, "broad": 0.6}
_NEWCOMERS = 0.3
"""Guesses at how often people mean something narrower than what would be assumed; they only decide what is asked."""


class CandidateQuestion(NamedTuple):
    """A question, the demand as it is without asking, and what it would be after each answer."""

    topic: Literal["meaning", "newness"]
    question: str
    assumed: Parts
    answers: dict[str, Parts]
    likely: float
    """How often people mean another answer than what would be assumed."""


def questions_about(context: Context, understood: UnderstoodRequest) -> list[CandidateQuestion]:
    """The questions a request leaves open: which things are meant, and for a wish to sell, whether to newcomers."""
    heard = understood.heard
    if not understood.guessed:
        return []
    action = context.actions.get(context.main_source, "buy")
    assumed = Parts(
        items=understood.guessed,
        action=action,
        first_time=heard.newness == "first time",
        days=served(heard.ahead_days or context.horizon_days),
    )
    asked = []
    for unclear in understood.open:
        answers = {group: _naming(assumed, understood.having(unclear, [group])) for group in unclear.groups}
        text = reply("ask_meaning", phrase=plain(unclear.phrase), verb=verb(action))
        asked.append(CandidateQuestion("meaning", text, assumed, answers, _ONE_OF[unclear.kind]))
    if (
        heard.wish
        and heard.newness is None
        and not (heard.past or heard.excluded)
        and "newness" not in understood.settled
    ):
        text = reply("ask_newness", unit_plural=context.unit_plural, items=plain(listed(understood.guessed, "or")))
        new = assumed.model_copy(update={"first_time": True})
        answers = dict(zip(NEWNESS, (assumed, new), strict=True))
        asked.append(CandidateQuestion("newness", text, assumed, answers, _NEWCOMERS))
    return asked


def _naming(parts: Parts, understood: UnderstoodRequest) -> Parts:
    return parts.model_copy(update={"items": understood.guessed})
