"""Carries a checked step out: at once, or, where it leaves a trace, after the person has said yes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent import replies
from agent.actions.answers import answer
from agent.actions.audiences import ask_combine, combine, compare, message_angles, people_like, say_skew, segments
from agent.actions.saved import (
    ask_export,
    ask_outcome,
    ask_refresh,
    ask_rename,
    ask_save,
    export,
    heard_share,
    hold_back,
    record_outcome,
    refresh,
    rename,
    save,
    with_share,
)
from agent.context import Context
from agent.reading.wording import plain
from agent.reply_builder import Outcome, ReplyBuilder
from agent.state import Answer, Clarification, Join, Memory, Pending, PendingAction, Reply, Version
from agent.steps import ALL, DECIDE, Action, Step
from agent.thinking.drafts import Drafting
from agent.thinking.weighing import alternatives
from encoders.errors import RequestError
from prompts.loader import reply
from tools.types import AudienceSpec, DataCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_CAPABILITIES: dict[Action, Callable[[ReplyBuilder, Step, Context, Memory], Outcome]] = {
    "save": ask_save,
    "export": ask_export,
    "compare": compare,
    "combine": ask_combine,
    "hold_back": hold_back,
    "outcome": ask_outcome,
    "refresh": ask_refresh,
    "like": people_like,
    "angles": message_angles,
    "skew": say_skew,
    "rename": ask_rename,
    "segments": segments,
}


_ABOUT_DRAFT = frozenset({"save", "explain", "skew", "undo", "adjust", "filter", "exclude"})
"""What is done to an audience, and so needs one."""


class Actions:
    """One method an action; each takes the memory and gives the next one with the reply."""

    def __init__(self, service: "AudienceService", card: DataCard) -> None:
        """Act on ``service``, whose data ``card`` describes."""
        self.service, self.card = service, card
        self.drafting = Drafting(service, card)

    def act(self, step: Step, notes: tuple[str, ...], context: Context, memory: Memory, talking: str) -> Outcome:
        """Carry ``step`` out.

        Raises:
            AudienceError: the service cannot do it; its text is for the person.
        """
        memory = self._remember(step, context, memory)
        match step.action:
            case "ask":
                return self._ask(step, context, memory, talking)
            case "propose":
                version, said = self.drafting.propose(step, context, memory.request)
                memory, shown = self._show(
                    "proposal", memory, version, (*notes, *said), talking, context.parsed.holdout
                )
                rather = [replies.rather_text(each, self.card) for each in alternatives(self.service, context, version)]
                return memory, shown.model_copy(update={"options": (*rather, *shown.options)})
            case "adjust" | "filter" | "exclude" if memory.now is not None:
                version, said = self.drafting.amend(step, context, memory.now)
                return self._show("changed", memory, version, (*notes, *said), talking, context.parsed.holdout)
            case "undo" if memory.question is not None and memory.answers:
                return self._unanswer(memory, talking)
            case "undo" if memory.now is not None or memory.before:
                return self._undo(memory, talking, step.steps or 1)
            case "restart":
                text = reply("restarted")
                return Memory(said=memory.said), Reply(text=text, options=replies.examples(self.card), talking=talking)
            case "answer" | "decline":
                return answer(ReplyBuilder(self.service, self.card, talking), step, context, memory)
        if memory.now is None and step.action in _ABOUT_DRAFT:
            nothing = "nothing_to_undo" if step.action == "undo" else "choose_first"
            text = reply(nothing if memory.question is not None else "no_draft")
            return self.say(memory, text, replies.examples(self.card), talking)
        if memory.question is not None and step.action in {"save", "export"} and not step.audience:
            # What stands on the page is the audience before the one that is being asked about.
            return self.say(memory, reply("choose_first"), (), talking)
        if step.action == "explain":
            return self._explain(step, context, memory, talking)
        return _CAPABILITIES[step.action](ReplyBuilder(self.service, self.card, talking), step, context, memory)

    def edit(self, spec: AudienceSpec, memory: Memory, talking: str) -> Outcome:
        """Take over what a person changed with the page's own controls."""
        version = self.drafting.by_hand(spec, memory)
        return self._show("edited", memory, version, (), talking)

    def keep(self, names: Sequence[str], join: Join | None, memory: Memory, talking: str) -> Outcome:
        """Leave the demand with those of its things that are named, as if the person had said so.

        Args:
            names: the things that stay, or come back.
            join: whether any of them is enough or each is required; None leaves that as it is.
            memory: the conversation.
            talking: what talks.

        Raises:
            RequestError: it names none of them, or the sentence is the person's own.
        """
        now = memory.now
        groups = [each.name for each in now.draft.things if each.name in names] if now else []
        if now is None or now.parts is None or not groups:
            raise RequestError(reply("keep_one"))
        version, said = self.drafting.amend(Step(action="adjust", groups=groups, join=join), None, now)
        return self._show("changed", memory, version, said, talking)

    def say(self, memory: Memory, text: str, options: tuple[str, ...], talking: str) -> Outcome:
        """Say something and leave the audience as it stands."""
        return ReplyBuilder(self.service, self.card, talking).say(memory, text, options)

    def _remember(self, step: Step, context: Context, memory: Memory) -> Memory:
        """Note what this message was: a new request, or the answer to the open question."""
        if step.action not in {"ask", "propose"}:
            return memory
        if step.new_request or not memory.request or (memory.now and step.action == "propose"):
            begun = {"request": context.text, "reading": context.parsed, "answers": (), "question": None}
            memory = memory.model_copy(update=begun)
        elif memory.question:
            given = Answer(question=memory.question, text=context.text, parsed=context.parsed)
            answered = (*memory.answers, given)
            memory = memory.model_copy(update={"answers": answered, "question": None})
        return memory if step.action == "ask" else memory.model_copy(update={"asked": 0})

    def _ask(self, step: Step, context: Context, memory: Memory, talking: str) -> Outcome:
        topic = step.topic or "meaning"
        real = tuple(step.options or ())
        every = (ALL,) if topic == "meaning" and not set(real) <= set(context.examples) else ()
        question = Clarification(topic=topic, question=plain(step.question or "", 300), options=(*real, *every, DECIDE))
        limits_all = self._limits_all(context, memory)
        memory = memory.model_copy(update={"question": question, "asked": memory.asked + (not limits_all)})
        noted = reply("noted") if limits_all else ""
        asked = replies.question_text(question, context.weighed(real), self.card)
        text = "\n\n".join(part for part in (noted, asked, step.note) if part)
        return self.say(memory, text, tuple(plain(each) for each in question.options), talking)

    def _limits_all(self, context: Context, memory: Memory) -> bool:
        """Whether the message only limits whichever answer is chosen, and so the question is asked again."""
        parsed = context.parsed
        return bool(memory.answers) and parsed.limits and not (parsed.wants or parsed.picked)

    def _show(
        self,
        key: str,
        memory: Memory,
        version: Version,
        notes: tuple[str, ...],
        talking: str,
        share_said: float | None = None,
    ) -> Outcome:
        """Show an audience, with the share to hold out where ``share_said`` names one, in percent."""
        share, said = heard_share(share_said)
        return ReplyBuilder(self.service, self.card, talking).show(
            key, memory, with_share(version, share), (*notes, *said)
        )

    def _undo(self, memory: Memory, talking: str, steps: int) -> Outcome:
        """Take back so many changes, or all there are."""
        if not memory.before:
            return self.say(memory, reply("nothing_to_undo"), (), talking)
        kept = max(len(memory.before) - steps, 0)
        taken = len(memory.before) - kept
        was, version = memory.now, memory.before[kept]
        memory = memory.model_copy(update={"now": version, "before": memory.before[:kept], "question": None})
        size = self.service.size(version.draft.spec)
        said = reply("undone") if taken == 1 else reply("undone_several", number=taken)
        if was is not None and was.draft.spec == version.draft.spec:
            return self.say(memory, " ".join((said, reply("same_people"))), (), talking)
        text = "\n\n".join((said, replies.draft_text("changed", version, size, self.card)))
        options = replies.next_options(version, size, bool(memory.before))
        return memory, Reply(text=text, options=options, draft=version.draft, size=size, talking=talking)

    def _unanswer(self, memory: Memory, talking: str) -> Outcome:
        """Take the last answer back, and ask what it answered again."""
        last = memory.answers[-1]
        memory = memory.model_copy(update={"answers": memory.answers[:-1], "question": last.question})
        return self.say(memory, reply("undone"), (), talking)

    def _explain(self, step: Step, context: Context, memory: Memory, talking: str) -> Outcome:
        assert memory.now is not None
        spec = memory.now.draft.spec
        if not step.user_id:  # it is asked of all of them
            builder = ReplyBuilder(self.service, self.card, talking)
            memory, shown = answer(builder, Step(action="answer", topic="people"), context, memory)
            which = reply("which_user", unit=self.card.unit)
            return memory, shown.model_copy(update={"text": f"{shown.text}\n\n{which}"})
        explanation = self.service.explain(step.user_id, spec)
        memory, shown = self.say(memory, explanation.text, (), talking)
        return memory, shown.model_copy(update={"explanation": explanation})


_DONE_BY: dict[PendingAction, Callable[[ReplyBuilder, Memory, Pending, str], Outcome]] = {
    "save": save,
    "export": export,
    "combine": combine,
    "outcome": record_outcome,
    "refresh": refresh,
    "rename": rename,
}


def carry_out(service: "AudienceService", card: DataCard, memory: Memory, approved_by: str, talking: str) -> Outcome:
    """Do what was approved.

    Raises:
        AudienceError: it cannot be done; nothing was saved or written then.
    """
    assert memory.pending is not None
    pending, waived = memory.pending, memory.model_copy(update={"pending": None})
    return _DONE_BY[pending.action](ReplyBuilder(service, card, talking), waived, pending, approved_by)
