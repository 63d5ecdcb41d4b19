"""A request with everything that was answered since: what is clear, what could mean several things, what is unknown."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from agent.context import Context
from agent.rules.commands import command
from agent.rules.grounding import Grounded, ground, ground_answer
from agent.rules.hearing import Heard, hear
from agent.rules.refining import refine
from agent.rules.replying import ALL, DECIDE, choose, skipped
from agent.rules.wording import plain
from prompts.loader import reply


@dataclass(frozen=True)
class Understood:
    """A request with everything that was answered since."""

    heard: Heard
    items: tuple[str, ...] = ()
    """What is clear, as the demand names it."""
    open: tuple[Grounded, ...] = ()
    """What could mean several things, or names several that could be told apart."""
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settled: frozenset[str] = field(default_factory=frozenset)
    """Topics the person has answered, or left to the agent."""

    @property
    def guessed(self) -> tuple[str, ...]:
        """All items, with a guess at what is open."""
        return tuple(dict.fromkeys((*self.items, *(name for each in self.open for name in each.guess))))

    def having(self, meant: Grounded | None, items: Sequence[str]) -> "Understood":
        """The same once ``items`` are what was ``meant`` by something open."""
        left = tuple(each for each in self.open if each is not meant and not set(each.groups) & set(items))
        return replace(self, items=tuple(dict.fromkeys((*self.items, *items))), open=left)


class Reading(NamedTuple):
    """A message as part of a request."""

    understood: Understood
    fresh: bool
    """It begins a new request."""


def read_request(context: Context) -> Reading | None:
    """What the message and all before it ask for; None where it is an order, or a change to the audience."""
    if command(context.text, context.draft is not None, context.saved_audiences) is not None:
        return None
    heard = hear(context.text, context.fields)
    if context.question is not None:
        answered = _answer(context, _understand(context, context.request), heard)
        if answered is not None:
            return Reading(answered, fresh=False)
    elif context.draft is not None and refine(context, heard) is not None:
        return None
    alone = context.model_copy(update={"answers": ()})
    return Reading(_understand(alone, context.text), fresh=True)


def _understand(context: Context, request: str) -> Understood:
    """Ground a request, and fold in the answers given so far."""
    heard = hear(request, context.fields)
    grounded = [ground(phrase, context.hits(phrase), bool(heard.foreign)) for phrase in heard.phrases]
    if grounded and all(each.kind == "unknown" for each in grounded):
        grounded = [ground(request, context.hits(request))]
    understood = Understood(
        heard=heard,
        items=tuple(dict.fromkeys(each.item for each in grounded if each.kind == "clear")),
        open=tuple(each for each in grounded if each.kind in {"broad", "unclear"}),
        unknown=tuple(each.phrase for each in grounded if each.kind == "unknown"),
        notes=tuple(
            reply("read_as", phrase=plain(each.phrase), group=plain(each.item))
            for each in grounded
            if each.kind == "clear" and each.item != each.phrase
        ),
    )
    for answer in context.answers:
        step = context.model_copy(update={"question": answer.question, "text": answer.text})
        understood = _answer(step, understood, hear(answer.text, context.fields)) or understood
    return understood


def _answer(context: Context, so_far: Understood, heard: Heard) -> Understood | None:
    """Fold the answer to the open question in; None when the message is about something else."""
    assert context.question is not None
    topic = context.question.topic
    chosen = choose(context.text, context.question.options)
    merged = replace(
        so_far.heard,
        horizon_days=heard.horizon_days or so_far.heard.horizon_days,
        newness=heard.newness or so_far.heard.newness,
        filters=(*so_far.heard.filters, *heard.filters),
        without=heard.without or so_far.heard.without,
        within=heard.within or so_far.heard.within,
    )
    after = replace(so_far, heard=merged, settled=so_far.settled | {topic})
    if topic != "meaning":
        return after if chosen is not None or (heard.says_something and not heard.phrases) else None
    options = tuple(option for option in context.question.options if option not in (ALL, DECIDE))
    asked = next((each for each in so_far.open if set(options) <= set(each.groups)), None)
    if chosen is not None:
        whole = asked is not None and (skipped(context.text) or (asked.kind == "broad" and chosen == options))
        return after.having(asked, asked.guess if whole and asked else chosen)
    grounded = [ground(phrase, context.hits(phrase)) for phrase in heard.phrases]
    if grounded and all(each.kind == "clear" for each in grounded):
        return after.having(asked, [each.item for each in grounded])
    if grounded and (found := ground_answer(context.text, context.hits(context.text))):
        return after.having(asked, found)
    if grounded:
        note = reply("nothing_like", words=plain(heard.phrases[0]))
        return replace(after.having(asked, options[:1]), notes=(*after.notes, note))
    return after if heard.says_something else None
