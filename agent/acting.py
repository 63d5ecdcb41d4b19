"""Carries a checked step out on the service, and says what came of it. Nothing here saves or exports."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent import replies
from agent.campaign.angles import message_angles
from agent.campaign.combining import ask_combine, compare
from agent.campaign.exporting import ask_export
from agent.campaign.holding import heard_share, hold_back, with_share
from agent.campaign.likeness import people_like
from agent.campaign.outcomes import ask_outcome
from agent.campaign.refreshing import ask_refresh
from agent.campaign.saving import ask_save
from agent.context import Context
from agent.drafting import Drafting
from agent.fairness import say_skew
from agent.rules.grounding import short_first
from agent.rules.replying import ALL, DECIDE, HORIZONS, NEWNESS
from agent.rules.wording import listed, plain
from agent.speaking import Outcome, Speaker
from agent.state import Answer, Clarification, Memory, Reply, Version
from agent.steps import Action, Step
from agent.weighing import alternatives
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
}


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
                memory, shown = self._show("proposal", memory, version, (*notes, *said), talking, context.text)
                rather = [replies.rather_text(each, self.card) for each in alternatives(self.service, context, version)]
                return memory, shown.model_copy(update={"options": (*rather, *shown.options)})
            case "adjust" | "filter" | "exclude":
                assert memory.now is not None
                version, said = self.drafting.amend(step, context, memory.now)
                return self._show("changed", memory, version, (*notes, *said), talking, context.text)
            case "undo":
                return self._undo(memory, talking)
            case "restart":
                text = reply("restarted")
                return Memory(said=memory.said), Reply(text=text, options=replies.examples(self.card), talking=talking)
            case "answer" | "decline":
                return self._answer(step, memory, talking)
        if memory.now is None and step.action in {"save", "explain", "skew"}:
            return self.say(memory, reply("no_draft"), replies.examples(self.card), talking)
        if step.action == "explain":
            return self._explain(step, memory, talking)
        return _CAPABILITIES[step.action](Speaker(self.service, self.card, talking), step, context, memory)

    def edit(self, spec: AudienceSpec, memory: Memory, talking: str) -> Outcome:
        """Take over what a person changed with the page's own controls."""
        version = self.drafting.by_hand(spec, memory)
        return self._show("edited", memory, version, (), talking)

    def say(self, memory: Memory, text: str, options: tuple[str, ...], talking: str) -> Outcome:
        """Say something and leave the audience as it stands."""
        return Speaker(self.service, self.card, talking).say(memory, text, options)

    def _remember(self, step: Step, context: Context, memory: Memory) -> Memory:
        """Note what this message was: a new request, or the answer to the open question."""
        if step.action not in {"ask", "propose"}:
            return memory
        if step.new_request or not memory.request or (memory.now and step.action == "propose"):
            memory = memory.model_copy(update={"request": context.text, "answers": (), "question": None})
        elif memory.question:
            answered = (*memory.answers, Answer(question=memory.question, text=context.text))
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
        self, key: str, memory: Memory, version: Version, notes: tuple[str, ...], talking: str, text: str = ""
    ) -> Outcome:
        """Show an audience, with the share to keep back where ``text`` said one along the way."""
        share, said = heard_share(text)
        return Speaker(self.service, self.card, talking).show(key, memory, with_share(version, share), (*notes, *said))

    def _undo(self, memory: Memory, talking: str) -> Outcome:
        if not memory.before:
            return self.say(memory, reply("nothing_to_undo"), (), talking)
        memory = memory.model_copy(update={"now": memory.before[-1], "before": memory.before[:-1]})
        version = memory.now
        assert version is not None
        size = self.service.size(version.draft.spec)
        text = "\n\n".join((reply("undone"), replies.draft_text("changed", version, size, self.card)))
        options = replies.next_options(version, size, bool(memory.before))
        return memory, Reply(text=text, options=options, draft=version.draft, size=size, talking=talking)

    def _answer(self, step: Step, memory: Memory, talking: str) -> Outcome:
        card, options = self.card, replies.examples(self.card)
        if memory.question:
            options = memory.question.options
        elif memory.now:
            options = ()
        if step.action == "decline":
            text = plain(step.say, 400) if step.say else reply("declined", unit_plural=card.unit_plural)
        elif step.topic == "data":
            text = replies.data_text(card)
        elif step.topic == "horizon":
            text, options = reply("ask_horizon", unit_plural=card.unit_plural), HORIZONS
        elif step.topic == "newness" and memory.now:
            items = plain(listed(memory.now.parts.items, "or")) if memory.now.parts else "it"
            text, options = reply("ask_newness", unit_plural=card.unit_plural, items=items), NEWNESS
        elif step.topic == "hello":
            text = reply("hello", unit_plural=card.unit_plural)
        elif step.topic == "unknown":
            groups = listed([plain(each) for each in short_first(card.top_groups)[:3]], "or")
            text, options = reply("unknown", unit_plural=card.unit_plural, examples=groups), replies.examples(card)
        elif step.say:
            text = plain(step.say, 600)
        else:
            text = reply("help", unit_plural=card.unit_plural, unit=card.unit)
        return self.say(memory, text, options, talking)

    def _explain(self, step: Step, memory: Memory, talking: str) -> Outcome:
        assert memory.now is not None
        if not step.user_id:
            return self.say(memory, reply("which_user", unit=self.card.unit), (), talking)
        explanation = self.service.explain(step.user_id, memory.now.draft.spec)
        memory, shown = self.say(memory, explanation.text, (), talking)
        return memory, shown.model_copy(update={"explanation": explanation})
