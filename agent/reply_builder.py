"""Answers in the shape every turn has: something said, an audience shown, or a question that waits for a yes."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING
from uuid import uuid4

from agent import replies
from agent.reading.commands import LATEST, THIS
from agent.reading.wording import plain
from agent.state import Clarification, Memory, Pending, PendingAction, Reply, Version
from agent.thinking.weighing import loosened
from encoders.errors import RequestError
from prompts.loader import reply
from tools.types import DataCard, SavedAudience

if TYPE_CHECKING:
    from tools.service import AudienceService

Outcome = tuple[Memory, Reply]

KEPT_FOR_UNDO = 20
"""Earlier states of an audience that can be had back."""


@dataclass(frozen=True)
class ReplyBuilder:
    """Speaks for one service, in the name of one model."""

    service: "AudienceService"
    card: DataCard
    talking: str

    def say(self, memory: Memory, text: str, options: tuple[str, ...] = ()) -> Outcome:
        """Say something and leave the audience as it stands; an open question is asked again."""
        if memory.question is not None and memory.pending is None:
            text, options = self._asked_again(memory.question, text, options)
        shown = Reply(text=text, options=options, question=memory.question, talking=self.talking)
        if memory.now is None:
            return memory, shown
        size = self.service.size(memory.now.draft.spec)
        further = replies.next_options(memory.now, size, bool(memory.before))
        return memory, shown.model_copy(update={"draft": memory.now.draft, "size": size, "options": options or further})

    def nothing_yet(self, memory: Memory) -> str:
        """What is said to something that needs an audience while there is none, or while a question is open."""
        return reply("choose_first") if memory.question is not None else reply("no_draft")

    def _asked_again(self, question: Clarification, text: str, options: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """The text with the question under it, and its answers after what is offered beside them."""
        answers = tuple(plain(each) for each in question.options)
        if question.question not in text:
            text = f"{text}\n\n{question.question}"
        beside = () if options == replies.examples(self.card) else options
        return text, tuple(dict.fromkeys((*beside, *answers)))

    def show(self, key: str, memory: Memory, version: Version, notes: tuple[str, ...]) -> Outcome:
        """Show another audience; the one before can be had back by "undo"."""
        if key == "changed" and memory.now is not None and version.draft.spec == memory.now.draft.spec:
            draft = version.draft.model_copy(update={"saved": memory.now.draft.saved})
            now = version.model_copy(update={"draft": draft})
            kept = memory.model_copy(update={"now": now, "question": None})
            return self.say(kept, "\n\n".join((*notes, reply("unchanged"))))
        size = self.service.size(version.draft.spec)
        before = (*memory.before, memory.now)[-KEPT_FOR_UNDO:] if memory.now else memory.before
        memory = memory.model_copy(update={"now": version, "before": before, "question": None})
        looser = () if size.eligible else loosened(self.service, version, self.card.unit_plural)
        return memory, Reply(
            text=replies.draft_text(key, version, size, self.card, notes),
            options=(*looser, *replies.next_options(version, size, bool(before))),
            draft=version.draft,
            size=size,
            talking=self.talking,
        )

    def wait(self, memory: Memory, action: PendingAction, text: str, arguments: dict[str, str]) -> Outcome:
        """Ask for a yes before something is saved, written or recorded."""
        pending = Pending(action=action, text=text, key=uuid4().hex, arguments=arguments)
        memory = memory.model_copy(update={"pending": pending})
        options = (replies.YES, replies.NO)
        memory, shown = self.say(memory, text, options)
        return memory, shown.model_copy(update={"pending": pending})

    def saved(self, name: str, memory: Memory) -> SavedAudience:
        """The latest version of a saved audience.

        Args:
            name: its name or id, ``THIS`` for the audience on the page, or ``LATEST`` for what was saved last.
            memory: which audience is on the page.

        Raises:
            RequestError: there is none; the text says what there is.
        """
        there = self.service.list_audiences()
        kept = memory.now.draft.saved if memory.now else None
        if name == THIS:
            found = [each for each in there if kept and each.id == kept.id]
        elif name == LATEST:
            others = [each for each in there if not kept or each.id != kept.id]
            found = sorted(others, key=lambda each: each.created)[-1:]
        else:
            found = [each for each in there if name.lower() in (each.name.lower(), each.id.lower())]
        if found:
            return max(found, key=lambda each: each.version)
        if name == THIS:
            raise RequestError(reply("save_first"))
        near = get_close_matches(name, [each.name for each in there], n=3, cutoff=0.0)
        raise RequestError(reply("no_audience", name=plain(name), names=", ".join(map(plain, near)) or "none yet"))

    def meant(self, named: list[str] | None, memory: Memory) -> SavedAudience:
        """The saved audience a message is about: the one it names, else the one on the page, else the only one.

        Raises:
            RequestError: it is not clear which.
        """
        if named:
            return self.saved(named[0], memory)
        if memory.now and memory.now.draft.saved:
            return self.saved(THIS, memory)
        there = self.service.list_audiences()
        if len(there) == 1:
            return there[0]
        if memory.now or not there:
            raise RequestError(reply("save_first"))
        raise RequestError(reply("which_audience", names=", ".join(plain(each.name) for each in there[:8])))
