"""Carries a checked step out on the service, and says what came of it. Nothing here saves or exports."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent import replies
from agent.answering import answer
from agent.campaign.angles import message_angles
from agent.campaign.combining import ask_combine, compare
from agent.campaign.exporting import ask_export
from agent.campaign.holding import heard_share, hold_back, with_share
from agent.campaign.likeness import people_like
from agent.campaign.outcomes import ask_outcome
from agent.campaign.refreshing import ask_refresh
from agent.campaign.renaming import ask_rename
from agent.campaign.saving import ask_save
from agent.campaign.segments import segments
from agent.context import Context
from agent.drafting import Drafting
from agent.fairness import say_skew
from agent.rules.replying import ALL, DECIDE
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Answer, Clarification, Memory, Reply, Version
from agent.steps import Action, Step
from agent.weighing import alternatives
from encoders.errors import RequestError
from prompts.loader import reply
from tools.types import AudienceSpec, DataCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_CAPABILITIES: dict[Action, Callable[[Speaker, Step, Context, Memory], Outcome]] = {
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


class Acting:
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
            case "undo" if memory.now is not None:
                return self._undo(memory, talking, step.steps or 1)
            case "restart":
                text = reply("restarted")
                return Memory(said=memory.said), Reply(text=text, options=replies.examples(self.card), talking=talking)
            case "answer" | "decline":
                return answer(Speaker(self.service, self.card, talking), step, context, memory)
        if memory.now is None and step.action in _ABOUT_DRAFT:
            return self.say(memory, reply("no_draft"), replies.examples(self.card), talking)
        if step.action == "explain":
            return self._explain(step, memory, talking)
        return _CAPABILITIES[step.action](Speaker(self.service, self.card, talking), step, context, memory)

    def edit(self, spec: AudienceSpec, memory: Memory, talking: str) -> Outcome:
        """Take over what a person changed with the page's own controls."""
        version = self.drafting.by_hand(spec, memory)
        return self._show("edited", memory, version, (), talking)

    def keep(self, names: Sequence[str], memory: Memory, talking: str) -> Outcome:
        """Leave the demand with those of its things that are named, as if the person had said so.

        Raises:
            RequestError: it names none of them, or the sentence is the person's own.
        """
        now = memory.now
        groups = [each.name for each in now.draft.things if each.name in names] if now else []
        if now is None or now.parts is None or not groups:
            raise RequestError(reply("keep_one"))
        version, said = self.drafting.amend(Step(action="adjust", groups=groups), None, now)
        return self._show("changed", memory, version, said, talking)

    def say(self, memory: Memory, text: str, options: tuple[str, ...], talking: str) -> Outcome:
        """Say something and leave the audience as it stands."""
        return Speaker(self.service, self.card, talking).say(memory, text, options)

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
        memory = memory.model_copy(update={"question": question, "asked": memory.asked + 1})
        text = replies.question_text(question, context.weighed(real), self.card)
        return self.say(memory, text, tuple(plain(each) for each in question.options), talking)

    def _show(
        self,
        key: str,
        memory: Memory,
        version: Version,
        notes: tuple[str, ...],
        talking: str,
        share_said: float | None = None,
    ) -> Outcome:
        """Show an audience, with the share to keep back where ``share_said`` names one, in percent."""
        share, said = heard_share(share_said)
        return Speaker(self.service, self.card, talking).show(key, memory, with_share(version, share), (*notes, *said))

    def _undo(self, memory: Memory, talking: str, steps: int) -> Outcome:
        """Take back so many changes, or all there are."""
        if not memory.before:
            return self.say(memory, reply("nothing_to_undo"), (), talking)
        kept = max(len(memory.before) - steps, 0)
        taken = len(memory.before) - kept
        memory = memory.model_copy(
            update={"now": memory.before[kept], "before": memory.before[:kept], "question": None}
        )
        version = memory.now
        assert version is not None
        size = self.service.size(version.draft.spec)
        said = reply("undone") if taken == 1 else reply("undone_several", number=taken)
        text = "\n\n".join((said, replies.draft_text("changed", version, size, self.card)))
        options = replies.next_options(version, size, bool(memory.before))
        return memory, Reply(text=text, options=options, draft=version.draft, size=size, talking=talking)

    def _explain(self, step: Step, memory: Memory, talking: str) -> Outcome:
        assert memory.now is not None
        if not step.user_id:
            return self.say(memory, reply("which_user", unit=self.card.unit), (), talking)
        explanation = self.service.explain(step.user_id, memory.now.draft.spec)
        memory, shown = self.say(memory, explanation.text, (), talking)
        return memory, shown.model_copy(update={"explanation": explanation})
