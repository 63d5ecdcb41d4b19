"""The next step of the conversation, decided by rules from what was said and what the data has."""

from dataclasses import dataclass, field, replace

from agent.look import Context
from agent.rules.attributes import write_filter
from agent.rules.commands import command
from agent.rules.grounding import Grounded, ground
from agent.rules.hearing import Condition, Heard, hear
from agent.rules.refining import refine
from agent.rules.replying import NEWNESS, choose
from agent.rules.wording import listed, plain, verb
from agent.steps import Step
from encoders.language.naming import stems
from prompts.loader import reply


@dataclass(frozen=True)
class _Understood:
    """A request with everything that was answered since."""

    heard: Heard
    items: tuple[str, ...] = ()
    unclear: tuple[Grounded, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settled: frozenset[str] = field(default_factory=frozenset)
    """Topics the person has answered, or left to the agent."""


def decide(context: Context) -> Step:
    """Decide the next step; the same context always gives the same step."""
    order = command(context.text, context.draft is not None, context.saved_audiences)
    if order is not None:
        return order
    heard = hear(context.text, context.fields)
    if context.question is not None:
        answered = _answer(context, _understand(context, context.request), heard)
        return _next(context, answered, fresh=False) if answered else _fresh(context)
    if context.draft is not None and (changed := refine(context, heard)) is not None:
        return changed
    return _fresh(context)


def _fresh(context: Context) -> Step:
    """What to do with a message as the beginning of a new request."""
    understood = _understand(context.model_copy(update={"answers": ()}), context.text)
    return _next(context, understood, fresh=True)


def _understand(context: Context, request: str) -> _Understood:
    """Ground a request, and fold in the answers given so far."""
    heard = hear(request, context.fields)
    grounded = [ground(phrase, context.hits(phrase)) for phrase in heard.phrases]
    if grounded and all(each.kind == "unknown" for each in grounded):
        grounded = [ground(request, context.hits(request))]
    understood = _Understood(
        heard=heard,
        items=tuple(dict.fromkeys(each.item for each in grounded if each.kind == "clear")),
        unclear=tuple(each for each in grounded if each.kind == "unclear"),
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


def _answer(context: Context, so_far: _Understood, heard: Heard) -> _Understood | None:
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
    if chosen is not None:
        return replace(after, items=(*so_far.items, *chosen), unclear=())
    grounded = [ground(phrase, context.hits(phrase)) for phrase in heard.phrases]
    if found := tuple(
        name for each in grounded if each.kind != "unknown" for name in ([each.item] if each.item else each.groups)
    ):
        return replace(after, items=found, unclear=())
    if grounded:
        note = reply("nothing_like", words=plain(heard.phrases[0]))
        return replace(
            after, items=(*so_far.items, *context.question.options[:1]), unclear=(), notes=(*after.notes, note)
        )
    return after if heard.says_something else None


def _next(context: Context, understood: _Understood, fresh: bool) -> Step:
    """Ask what would change the audience most, or propose."""
    heard, left = understood.heard, context.questions_left
    if not understood.items and not understood.unclear:
        if not heard.filters and not heard.within:
            return Step(action="answer", topic="unknown")
        if left and "meaning" not in understood.settled:
            return _ask_anything(context, fresh)
    if understood.unclear and left:
        return _ask_meaning(understood.unclear[0], context, fresh)
    items = understood.items + tuple(name for each in understood.unclear for name in each.groups[:2])
    if heard.wish and heard.newness is None and left and "newness" not in understood.settled and not heard.without:
        question = reply("ask_newness", unit_plural=context.unit_plural, items=plain(listed(items, "or")))
        return Step(action="ask", topic="newness", question=question, options=list(NEWNESS), new_request=fresh)
    return _propose(context, understood, items or context.examples[:1], fresh)


def _propose(context: Context, understood: _Understood, items: tuple[str, ...], fresh: bool) -> Step:
    heard, notes = understood.heard, list(understood.notes)
    if heard.foreign:
        notes.append(reply("foreign", language=heard.foreign))
    if understood.unknown:
        notes.append(reply("left_out", words=plain(listed(understood.unknown, "and"))))
    return Step(
        action="propose",
        verb=_verb(context, fresh),
        groups=list(dict.fromkeys(items)),
        newness=heard.newness,
        horizon_days=heard.horizon_days,
        filters=[write_filter(each) for each in heard.filters] or None,
        without=_conditioned(heard.without, items),
        within=_conditioned(heard.within, items),
        past_days=next((each.days for each in (heard.without, heard.within) if each and each.days), None),
        users=heard.users,
        percent=heard.percent,
        new_request=fresh,
        note=" ".join(notes) or None,
    )


def _verb(context: Context, fresh: bool) -> str | None:
    """The action a request names beside the usual one ("who will redeem coupons for cereal")."""
    said = stems(context.text if fresh else context.request)
    return next((action for source, action in context.actions.items() if said & stems(f"{source} {action}")), None)


def _conditioned(condition: Condition | None, items: tuple[str, ...]) -> list[str] | None:
    return None if condition is None else list(condition.phrases or items)


def _ask_meaning(unclear: Grounded, context: Context, fresh: bool) -> Step:
    question = reply(
        "ask_meaning", phrase=plain(unclear.phrase), verb=verb(context.actions.get(context.main_source, "buy"))
    )
    return Step(action="ask", topic="meaning", question=question, options=list(unclear.groups), new_request=fresh)


def _ask_anything(context: Context, fresh: bool) -> Step:
    action = verb(context.actions.get(context.main_source, "buy"))
    question = reply("ask_anything", unit_plural=context.unit_plural, verb=action)
    return Step(action="ask", topic="meaning", question=question, options=list(context.examples[:4]), new_request=fresh)
