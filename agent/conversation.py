"""The conversation as the page and the command line use it: say something, decide, edit, and come back later."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import reduce
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command, StateSnapshot, StreamMode

from agent import replies
from agent.context import Context, Thinker
from agent.graph import Turn, build_agent
from agent.models.calls import span, start, traced_service
from agent.models.chat import chat_model, spoken_name
from agent.models.usage import Budget, Usage, read_prices
from agent.reading.wording import into_english, plain
from agent.state import Join, Memory, Reply
from agent.steps import Step
from agent.thinking.llm import ModelThinker
from agent.thinking.rules import RuleThinker
from encoders.errors import AudienceError
from encoders.settings import Settings
from encoders.workspace import plain_faults, silent
from prompts.loader import reply
from tools.storage.sqlite import close_sqlite, open_sqlite
from tools.types import AudienceSpec

if TYPE_CHECKING:
    from tools.service import AudienceService

_KEPT = (Memory, Reply, Context, Step, AudienceSpec)
"""The types a checkpoint may hold; nothing else is brought to life when one is read."""
_LOST = "conversations begin anew; saved audiences are where they were"


class Conversation:
    """Every thread of one workspace; safe to share between the threads of a server.

    What was said is in ``checkpoints.db`` after every step, so a killed process loses nothing of it.
    """

    def __init__(
        self,
        service: "AudienceService",
        settings: Settings,
        model: BaseChatModel | None = None,
        path: Path | None = None,
    ) -> None:
        """Open the conversations of the workspace.

        Args:
            service: what audiences are made with.
            settings: which model talks, and where the workspace is.
            model: another model than the one in the settings.
            path: another file than ``checkpoints.db`` in the workspace.

        Raises:
            ChatModelError: the model in the settings cannot be used.
            WorkspaceError: the workspace may not be written.
        """
        self.model_name, self._settings = spoken_name(settings), settings
        self._prices = read_prices(settings.chat_prices)
        self._texts_traced = settings.trace_texts
        start(settings)
        path = path or settings.workspace / "checkpoints.db"
        with plain_faults(path):
            self._database = open_sqlite(path, _LOST, check_same_thread=False)
        self._saver = SqliteSaver(self._database, serde=JsonPlusSerializer(allowed_msgpack_modules=_KEPT))
        self._path = path
        self._talking = model or chat_model(settings)
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._answer_from(service)

    def on(self, service: "AudienceService") -> "Conversation":
        """The same conversations over another version of the data; a turn that is under way ends on its own.

        Both have one file: closing one closes it for both.
        """
        other = copy(self)
        other._answer_from(service)
        return other

    def _answer_from(self, service: "AudienceService") -> None:
        """Make audiences with ``service`` from now on."""
        self.service = service
        traced = traced_service(service)
        thinker: Thinker = RuleThinker(self.model_name, traced.search_groups)
        if self._talking is not None:
            thinker = ModelThinker(self._talking, self.model_name, traced, Budget.of(self._settings))
        self._agent = build_agent(thinker, traced, self._saver)
        self._card = service.describe_data()

    def say(self, thread_id: str, text: str, progress: Callable[[str], None] = silent) -> Reply:
        """Answer one message. A plain yes or no answers what is waiting for one.

        Args:
            thread_id: the conversation.
            text: what the person says.
            progress: called with a line for whatever a language model looks at.
        """
        with self._locks[thread_id]:
            if self._waiting(thread_id) and (word := self._yes_or_no(thread_id, text)):
                return self._resume(thread_id, word == "yes")
            return self._run(thread_id, {"text": text, "edit": None, "kept": None}, progress)

    def decide(self, thread_id: str, approved: bool) -> Reply:
        """Answer what is waiting for a yes; a second answer to the same question changes nothing."""
        with self._locks[thread_id]:
            if self._waiting(thread_id):
                return self._resume(thread_id, approved)
            return self._now(thread_id).model_copy(update={"text": reply("nothing_pending")})

    def edit(self, thread_id: str, spec: AudienceSpec) -> Reply:
        """Set the audience with the page's own controls; no model is asked."""
        with self._locks[thread_id]:
            return self._run(thread_id, {"text": "", "edit": spec, "kept": None})

    def keep(self, thread_id: str, names: Sequence[str], join: Join | None = None) -> Reply:
        """Leave the demand with those of its things that are named, see ``Reply.draft.things``; "undo" takes it back.

        Args:
            thread_id: the conversation.
            names: the things that stay, or come back; where none of them is known, the reply says so.
            join: whether any of them is enough or each is required; None leaves that as it is.
        """
        with self._locks[thread_id]:
            return self._run(thread_id, {"text": "", "edit": None, "kept": list(names), "join": join})

    def current(self, thread_id: str) -> Reply:
        """The last reply, with the audience as it stands, sized anew; a greeting for a new thread."""
        with self._locks[thread_id]:
            return self._now(thread_id)

    def usage(self) -> tuple[Usage, int]:
        """What the conversations that are still kept have asked of language models, and how many of them did."""
        with plain_faults(self._path):
            there = "SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'"
            begun = self._database.execute(there).fetchall()
            every = "SELECT DISTINCT thread_id FROM checkpoints"
            found = self._database.execute(every).fetchall() if begun else []
        memories = (self._snapshot(str(thread)).values.get("memory") for (thread,) in found)
        used = [each.model.usage for each in memories if isinstance(each, Memory) and each.model.usage.calls]
        return reduce(Usage.and_of, used, Usage()).priced(self._prices), len(used)

    def close(self) -> None:
        """Close the file; the service stays open."""
        close_sqlite(self._database, self._path)

    def _run(self, thread_id: str, given: Turn | Command[str], progress: Callable[[str], None] = silent) -> Reply:
        """Run one turn, each step of it written down before the next."""
        with plain_faults(self._path), span("turn") as current:
            turn: dict[str, Any] = {}
            modes: list[StreamMode] = ["custom", "values"]
            for mode, told in self._agent.stream(given, _config(thread_id), stream_mode=modes, durability="sync"):
                if mode == "custom":
                    progress(told)
                elif isinstance(told, dict):
                    turn |= told
            shown = self._with_usage(turn["reply"], turn["memory"])
            current.set_attributes(self._about(turn, shown))
        return shown

    def _resume(self, thread_id: str, approved: bool) -> Reply:
        return self._run(thread_id, Command(resume={"approved": approved, "by": f"chat {thread_id}"}))

    def _snapshot(self, thread_id: str) -> StateSnapshot:
        with plain_faults(self._path):
            return self._agent.get_state(_config(thread_id))

    def _waiting(self, thread_id: str) -> bool:
        return bool(self._snapshot(thread_id).interrupts)

    def _yes_or_no(self, thread_id: str, text: str) -> str:
        """What a plain yes or no says, in the language of the conversation too; "" for any other message."""
        memory: Memory = self._snapshot(thread_id).values.get("memory") or Memory()
        word = into_english(text.strip().rstrip(".!。！ "), memory.language).lower()
        return word if word in {"yes", "no"} else ""

    def _now(self, thread_id: str) -> Reply:
        snapshot = self._snapshot(thread_id)
        shown: Reply | None = snapshot.values.get("reply")
        if shown is None:
            text = reply("hello", unit_plural=self._card.unit_plural)
            shown = Reply(text=text, options=replies.examples(self._card), talking=self.model_name)
        memory: Memory = snapshot.values.get("memory") or Memory()
        if snapshot.next and not snapshot.interrupts:
            text = snapshot.values.get("text", "")
            cut_off = reply("interrupted", text=plain(text, 200))
            shown = shown.model_copy(update={"text": f"{shown.text}\n\n{cut_off}", "options": (text,) if text else ()})
        return self._sized(self._with_usage(shown, memory), memory)

    def _with_usage(self, shown: Reply, memory: Memory) -> Reply:
        usage = memory.model.usage
        return shown.model_copy(update={"usage": usage.priced(self._prices)}) if usage.calls else shown

    def _about(self, turn: Mapping[str, Any], shown: Reply) -> dict[str, str | bool | int]:
        """What a trace says of a turn."""
        step: Step | None = turn.get("step")
        about: dict[str, str | bool | int] = {
            "audience.model": self.model_name,
            "audience.action": step.action if step else "edit",
            "audience.fell_back": bool(turn.get("fell_back")),
            "audience.refused": bool(shown.refused),
        }
        if self._texts_traced:
            user_id = (step.user_id if step else None) or ""
            about |= {"audience.text": turn.get("text", ""), "audience.reply": shown.text, "audience.user_id": user_id}
        return about

    def _sized(self, shown: Reply, memory: Memory) -> Reply:
        if memory.now is None:
            return shown
        updates: dict[str, object] = {"draft": memory.now.draft, "size": None}
        try:
            updates["size"] = self.service.size(memory.now.draft.spec)
        except AudienceError as error:
            updates["text"] = f"{shown.text}\n\n{error}"
        return shown.model_copy(update=updates)


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}
