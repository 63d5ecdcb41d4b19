"""One graph for every way of thinking: guard, look, decide, act, and approve where something would be saved or written.

START ── guard ─┬─ look ── decide ── act ─┬─ END
│  (page's own controls)  └─ approve ── END      waits for the person's yes
├─ edit ── END
├─ keep ── END
└─ END                                           declined, empty, too long, or code
"""

import logging
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from agent import replies
from agent.actions.dispatch import Actions, carry_out
from agent.context import Context, Decision, Thinker
from agent.guard.verdict import Refusal, check, check_spec, check_turn
from agent.models.calls import traced
from agent.models.usage import ModelConduct
from agent.reading.commands import courteous, hostile
from agent.reading.grounding import framed, ground
from agent.reading.orders import only_picks
from agent.reading.wording import code_of, labelled, language, listed, noun_phrases, plain
from agent.reply_builder import Outcome
from agent.state import Join, Memory, PendingAction, Reply
from agent.steps import Step
from agent.thinking.drafts import RefusedAudience
from agent.thinking.weighing import look
from encoders.errors import AudienceError
from prompts.loader import reply, speaking
from tools.types import AudienceSpec, DataCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_LOG = logging.getLogger(__name__)

LONGEST_REQUEST = 2000
"""Characters of a message that are read; a longer one is answered, and left alone."""

_LINES = 8
_OFFERED = 3
"""Sentences that are offered in place of one that is declined."""


class Turn(TypedDict, total=False):
    """The graph's state: ``memory`` outlives the turn, the rest is about this one."""

    memory: Memory
    text: str
    edit: AudienceSpec | None
    kept: list[str] | None
    join: Join | None
    context: Context | None
    step: Step | None
    notes: list[str]
    fell_back: str
    waived: PendingAction | None
    reply: Reply


Agent = CompiledStateGraph[Turn, None, Turn, Turn]


def build_agent(thinker: Thinker, service: "AudienceService", checkpointer: BaseCheckpointSaver[Any]) -> Agent:
    """Compile the conversation that ``thinker`` leads over ``service``."""
    nodes = _Nodes(thinker, service)
    graph: StateGraph[Turn, None, Turn, Turn] = StateGraph(Turn)
    for node in (nodes.guard, nodes.edit, nodes.keep, nodes.look, nodes.decide, nodes.act, nodes.approve):
        graph.add_node(node.__name__, traced(f"node {node.__name__}", _spoken(node, nodes.card)))
    graph.add_edge(START, "guard")
    graph.add_conditional_edges("guard", _after_guard, ["edit", "keep", "look", END])
    graph.add_edge("look", "decide")
    graph.add_edge("decide", "act")
    graph.add_conditional_edges("act", _after_act, ["approve", END])
    graph.add_edge("edit", END)
    graph.add_edge("keep", END)
    graph.add_edge("approve", END)
    return graph.compile(checkpointer=checkpointer)


class _Node(Protocol):
    def __call__(self, state: Turn) -> Turn: ...


def _spoken(node: _Node, card: DataCard) -> _Node:
    """The node, saying everything in the language of the conversation: that of the last message which tells."""

    def run(state: Turn) -> Turn:
        memory = state.get("memory") or Memory()
        code = code_of(language(state.get("text", ""))) or memory.language
        with speaking(code):
            changed = node({**state, "memory": memory.model_copy(update={"language": code})})
        if "reply" in changed:
            shown = changed["reply"]
            changed["reply"] = shown.model_copy(update={"options": labelled(shown.options, code)})
        return changed

    return run


def _after_guard(turn: Turn) -> str:
    if turn["step"] is not None:
        return END
    if turn.get("kept") is not None:
        return "keep"
    return "edit" if turn.get("edit") else "look"


def _after_act(turn: Turn) -> Literal["approve", "__end__"]:
    return "approve" if turn["memory"].pending else "__end__"


class _Nodes:
    """The nodes; each returns what it changes in the state."""

    def __init__(self, thinker: Thinker, service: "AudienceService") -> None:
        self.thinker, self.service, self.name = thinker, service, thinker.name
        self.card = service.describe_data()
        self.acting = Actions(service, self.card)

    def guard(self, state: Turn) -> Turn:
        """Answer what no model should read: nothing, far too much, code, and demands that may not be made."""
        memory = state.get("memory") or Memory()
        waived = memory.pending.action if memory.pending else None
        memory = memory.model_copy(update={"pending": None})
        text, edit = state.get("text", ""), state.get("edit")
        said = edit is None and state.get("kept") is None
        now = memory.now.draft.spec if memory.now else None
        heard = text[:LONGEST_REQUEST]
        polite = said and (courteous(heard) or only_picks(heard))
        refusal = check_spec(edit, memory.talk) if edit else None
        if said and not polite:
            refusal = check_turn(heard, memory.talk, now)
        problem = self._unreadable(text) if said else ""
        notes = [reply("still_pending")] if waived else []
        if not problem and not refusal:
            if said and not polite:
                memory = memory.model_copy(update={"talk": memory.talk.after(text)})
            begun: Turn = {"memory": memory, "step": None, "context": None, "notes": notes, "fell_back": ""}
            return {**begun, "waived": waived}
        if refusal and not problem:
            outcome = self._declined(refusal, memory)
        else:
            outcome = self.acting.say(memory, problem, replies.examples(self.card), self.name)
        return {**self._done(outcome, text[:200], notes, memory.model), "step": Step(action="decline")}

    def edit(self, state: Turn) -> Turn:
        """Take over what was set with the page's own controls; no model is asked."""
        spec, memory = state["edit"], state["memory"]
        assert spec is not None
        try:
            outcome = self.acting.edit(spec, memory, self.name)
        except AudienceError as error:
            outcome = self.acting.say(memory, str(error), (), self.name)
        return self._done(outcome, "", state["notes"], memory.model)

    def keep(self, state: Turn) -> Turn:
        """Strike things out of the demand, or take them back, as they were clicked; no model is asked."""
        names, memory = state["kept"], state["memory"]
        assert names is not None
        try:
            outcome = self.acting.keep(names, state.get("join"), memory, self.name)
        except RefusedAudience as unwanted:
            outcome = self._declined(unwanted.refusal, memory)
        except AudienceError as error:
            outcome = self.acting.say(memory, str(error), (), self.name)
        return self._done(outcome, f"only {plain(listed(names, 'and'), 300)}", state["notes"], memory.model)

    def look(self, state: Turn) -> Turn:
        """Find in the data what the message may be about."""
        return {"context": look(self.service, self.card, state["memory"], state["text"].strip())}

    def decide(self, state: Turn) -> Turn:
        """Let the thinker decide what to do."""
        context, memory = state["context"], state["memory"]
        assert context is not None
        try:
            decision = self.thinker.decide(context, memory.model)
        except Exception:  # whatever goes wrong in deciding, the person is answered and the conversation goes on
            _LOG.exception("the next step could not be decided")
            decision = Decision(Step(action="answer", say=reply("not_understood")), (), memory.model)
        step, notes = decision.step, state["notes"]
        named = step.action == "rename" and step.name and not step.audience
        if named and state.get("waived") == "save":
            step, notes = Step(action="save", name=step.name), []  # what waits for a yes waits on, under that name
        return {
            "memory": memory.model_copy(update={"model": decision.conduct}),
            "step": step,
            "context": decision.context or context,
            "notes": [*notes, *decision.notes],
            "fell_back": decision.fell_back,
        }

    def act(self, state: Turn) -> Turn:
        """Do it, short of saving and exporting."""
        step, context, memory = state["step"], state["context"], state["memory"]
        assert step is not None
        assert context is not None
        try:
            outcome = self.acting.act(step, tuple(state["notes"]), context, memory, self.name)
        except RefusedAudience as unwanted:
            outcome = self._declined(unwanted.refusal, memory)
        except AudienceError as error:
            outcome = self.acting.say(memory, str(error), (), self.name)
        return self._done(outcome, state["text"], [state["fell_back"]] if state["fell_back"] else [], memory.model)

    def approve(self, state: Turn) -> Turn:
        """Wait for the person's yes; then save or export, once."""
        memory = state["memory"]
        assert memory.pending is not None
        answer = interrupt(memory.pending.model_dump())
        waived = memory.model_copy(update={"pending": None})
        if not answer["approved"]:
            return self._done(self.acting.say(waived, reply("not_done"), (), self.name), replies.NO, [], memory.model)
        try:
            outcome = carry_out(self.service, self.card, memory, answer["by"], self.name)
        except AudienceError as error:
            outcome = self.acting.say(waived, str(error), (), self.name)
        return self._done(outcome, replies.YES, [], memory.model)

    def _unreadable(self, text: str) -> str:
        """Why a message is not read at all; empty when it is."""
        example = (replies.examples(self.card) or ("",))[0]
        if not any(character.isalnum() for character in text):
            return reply("empty", example=example)
        if len(text) > LONGEST_REQUEST:
            return reply("too_long", length=replies.count(len(text)), limit=replies.count(LONGEST_REQUEST))
        kind = hostile(text)
        return reply(kind, example=example) if kind else ""

    def _declined(self, refusal: Refusal, memory: Memory) -> Outcome:
        """Say why, and offer what else was asked for and what most users do, but nothing that stands for the trait."""
        asked = dict.fromkeys(noun_phrases(refusal.rest))
        found = [ground(words, self.service.search_groups(framed(words), 12)) for words in asked]
        things = dict.fromkeys(plain(each) for each in (*(each.item for each in found), *self.card.top_groups) if each)
        units, offers = self.card.unit_plural.capitalize(), list[str]()
        for thing in things:
            sentence = f"{units} that will {replies.doing(self.card, thing)}"
            if len(offers) < _OFFERED and not refusal.hinted_at(thing) and check(sentence) is None:
                offers.append(sentence)
        text = refusal.reason
        if offers:
            text += " " + reply("refused_neighbour", sentence=offers[0])
        memory, shown = self.acting.say(memory, text, tuple(offers), self.name)
        return memory, shown.model_copy(update={"refused": refusal.key})

    def _done(self, outcome: Outcome, text: str, notes: list[str], conduct: ModelConduct) -> Turn:
        """The end of a turn: the reply with what is left to say, and the lines the next turn remembers.

        What the language model has used outlives even a new start within the conversation.
        """
        memory, shown = outcome
        memory = memory.model_copy(update={"model": conduct})
        if notes:
            shown = shown.model_copy(update={"text": "\n\n".join((shown.text, *notes))})
        lines = [f"person: {text}"] if text else []
        said = (*memory.said, *lines, f"agent: {plain(shown.text, 300)}")[-_LINES:]
        return {"memory": memory.model_copy(update={"said": said}), "reply": shown, "context": None}
