"""The front door: one ASGI app with the page at /, the tools for other agents at /mcp and the resources at /api.

The page shows a conversation on the left and, on the right, the audience as it stands. It decides nothing itself:
what a person types, clicks or drags goes to the conversation, and what comes back is drawn by ``agent.page``.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from anyio import to_thread
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from gradio.utils import get_upload_folder

from agent.guard.verdict import permit
from agent.page import cards, controls, details, layout
from agent.page.details import reach_curve
from agent.page.events import PageEvents
from agent.page.layout import ContentSecurityPolicy, Layout
from agent.page.results import results_figure, results_head
from agent.page.state import AppState, LazyService, Line, Transcript, Uploads, following, sentence
from agent.reopening import ReopeningService, VersionWatch
from agent.state import AudienceDraft, Reply
from encoders.errors import AudienceError, NotThereError, RequestError
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.access.callers import Tokens, current
from tools.access.gate import FOLDED_SECONDS, CallLimits, Gate, RequestAudit
from tools.access.http import HttpGate
from tools.access.names import Names
from tools.bounds import UPLOAD_BYTES
from tools.interfaces.mcp.server import OverHttp, make_server
from tools.interfaces.mcp.toolsets import toolsets
from tools.interfaces.rest.api import make_api
from tools.problems import problem_of
from tools.storage.registry import Registry
from tools.types import AudienceSpec, SavedAudience, SizeEstimate
from tools.workers import RetentionTask, WebhookWorker

if TYPE_CHECKING:
    from tools.service import AudienceService

KEYS_COUNT_TOO = """() => document.addEventListener('keyup', event => {
    if (event.target.closest('#percent')) event.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
})"""
"""Gradio calls a slider released when a pointer lets go of it; this makes a key do the same."""

TO_THE_END = """() => setTimeout(() => {
    const said = document.querySelector('#chat .bubble-wrap');
    said?.scrollTo({top: said.scrollHeight, behavior: 'smooth'});
}, 100)"""
"""Gradio leaves the chat where it is once a click has scrolled it; the newest message is what one wants to see."""

THREADS = 8
"""Calls of agents that are worked on at once: they compute, so more threads would only take turns more often."""

Act = Callable[[AppState, str, Line], Reply]
Asked = Callable[[SavedAudience, str], str]
Change = Callable[[AudienceSpec, SizeEstimate], AudienceSpec]
Updates = dict[Any, Any]


def _said(text: str, desk: AppState, thread: str, progress: Line) -> Reply:
    return desk.conversation.say(thread, text, progress)


def open_desk() -> AppState:
    """Open the workspace named in the settings; the imports behind it take seconds, so they happen here."""
    from agent.conversation import Conversation
    from tools.service import AudienceService

    service = AudienceService.open(settings())
    service.begin_to_read()
    return AppState(conversation=Conversation(service, settings()), service=service)


def create_app(opener: Callable[[], AppState] = open_desk) -> FastAPI:
    """Build the app; what ``opener`` opens is opened in the background while the page is already there."""
    here = settings()
    opening = ReopeningService(opener, here)
    workspace, names = Workspace(here.workspace), Names(here.host, here.hosts)
    tokens, limits = Tokens(workspace.tokens), CallLimits(workspace.path / "limits.db")
    trail = RequestAudit(lambda tenant: Registry(workspace.of_tenant(tenant).registry))
    uploads = Uploads(Path(get_upload_folder()))

    def service() -> "AudienceService":
        return opening.at_once().service.of(current())

    gate = Gate(lambda: trail, limits)
    shown = toolsets(here.toolsets)
    tools, api = OverHttp(lambda: make_server(service, permit, gate, shown)), make_api(service, permit, gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        opening.start()
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        folding = asyncio.create_task(_folding(trail))
        async with tools.running(), api.router.lifespan_context(api):
            with _work_beside(opening):
                yield
        folding.cancel()
        opening.close()
        for each in (uploads, trail, limits, tokens):
            each.close()

    app = FastAPI(title="Audience", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.append(tools.route)
    app.mount("/api", api)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> dict[str, bool]:
        stale = opening.ready and bool(opening.desk().service.describe_data().notice)
        return {"ready": opening.ready} | ({"newer_data": True} if stale else {})

    @app.api_route("/exports/{name}", methods=["GET", "HEAD"])
    def exported(name: str) -> FileResponse:
        try:
            path = service().exported(name)
        except AudienceError as error:
            raise HTTPException(problem_of(error, "").status, str(error)) from error
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, no-store"})

    blocks = Page(opening).blocks.queue(default_concurrency_limit=8)
    look = {"theme": layout.theme(), "css_paths": layout.STYLE, "footer_links": [], "ssr_mode": False}
    gr.mount_gradio_app(app, blocks, path="/", run_history=False, show_error=False, max_file_size=UPLOAD_BYTES, **look)
    blocks.has_launched = True  # mounting does not say so, and without it Gradio copies any file it is told of
    # The last one is the first that a request meets.
    app.add_middleware(PageEvents, blocks=blocks, uploads=uploads, trail=trail)
    app.add_middleware(HttpGate, tokens=tokens, names=names, trail=trail, limits=limits)
    app.add_middleware(ContentSecurityPolicy)
    return app


@contextmanager
def _work_beside(opening: ReopeningService) -> Iterator[None]:
    """What is done beside answering: what is old goes, messages are sent, and what is newer is opened."""
    here = opening.settings
    sending = WebhookWorker(here, lambda: opening.desk().service if opening.ready else None)
    watch = VersionWatch(opening, here.watch_seconds)
    with RetentionTask(here), sending, watch, _on_hangup(opening.reopen_soon):
        yield


@contextmanager
def _on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """Act whenever the process gets a SIGHUP, as from ``systemctl reload``; only where the loop may listen for it."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGHUP, act)
    except (RuntimeError, ValueError, NotImplementedError):  # not the main thread, or a system without signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _folding(trail: RequestAudit) -> None:
    """Have counts of refusals written down even while nobody comes."""
    while True:
        await asyncio.sleep(FOLDED_SECONDS)
        trail.fold()


class Page(Layout):
    """What each control of the page does."""

    def __init__(self, opening: LazyService) -> None:
        super().__init__()
        self.opening = opening
        with self.blocks:
            self._wire()

    def _wire(self) -> None:
        """Connect every control to what it does; each may change any part of the page."""
        common: dict[str, Any] = {"outputs": self.parts, "show_progress": "hidden", "api_visibility": "private"}
        here = self.browser
        self.blocks.load(self.on_load, here, **common, concurrency_limit=None)
        self.blocks.load(None, js=KEYS_COUNT_TOO)
        self.chat.change(None, js=TO_THE_END)
        running = [
            self.box.submit(self.on_say, [here, self.box], **common),
            self.chat.option_select(self.on_pick, here, **common),
            self.chat.example_select(self.on_example, here, **common),
            gr.on([self.save.click, self.name.submit], self.on_save, [here, self.name, self.back], **common),
            self.export.click(self.on_export, [here, self.platform], **common),
            self.outcome.upload(self.on_outcome, [here, self.outcome], **common),
            self.people.upload(self.on_people, [here, self.people], **common),
            self.yes.click(partial(self.on_decide, True), here, **common),
            self.no.click(partial(self.on_decide, False), here, **common),
            self.sentence.submit(self.on_sentence, [here, self.sentence], **common),
            self.conditions.input(self.on_conditions, [here, self.conditions], **common),
            self.assumed.input(self.on_assumed, [here, self.assumed], **common),
            self.percent.input(self.on_drag, [here, self.percent], trigger_mode="always_last", **common),
            self.percent.release(self.on_percent, [here, self.percent], **common),
            gr.on([self.users.submit, self.users.blur], self.on_users, [here, self.users], **common),
            gr.on(
                [each.input for each in self.readings],
                self.on_things,
                [here, *self.readings],
                trigger_mode="always_last",
                **common,
            ),
        ]
        self.box.stop(self.on_stop, here, cancels=running, **common)
        self.tick.tick(self.on_tick, **common)
        self.again.click(self.on_again, cancels=running, **common)
        self.forget.click(self.on_forget, here, cancels=running, **common)

    # --- what the controls do ---------------------------------------------------------------------

    def on_load(self, stored: Any) -> Iterator[Updates]:
        """Show the conversation where it was; where the desk is not open yet, wait for it."""
        transcript = Transcript.recall(stored)
        ready = gr.update(interactive=True)
        yield {self.browser: transcript, self.chat: transcript.messages(), self.box: ready, self.people: ready}
        try:
            desk = self.opening.desk()
            card = desk.service.describe_data()
            reply = desk.conversation.current(transcript.thread)
        except Exception as error:
            yield {self.notice: "", self.empty: cards.apart("The app is not ready", sentence(error))}
            return
        yield {
            self.learning: cards.learning(desk.service.learning),
            self.tick: gr.Timer(active=desk.service.learning is not None),
            self.masthead: cards.masthead(card, reply.talking),
            self.empty: cards.empty(card),
            self.notice: cards.notice(card.notice, "alert"),
            self.usage: cards.usage(reply.usage),
            self.chat: gr.update(examples=[{"text": option} for option in reply.options]),
        }
        yield from self._show(desk, reply)

    def on_tick(self) -> Updates:
        """Say how far the reader has learned, until it has."""
        try:
            learning = self.opening.desk().service.learning
        except Exception as error:
            return {self.notice: cards.notice(sentence(error), "alert"), self.tick: gr.Timer(active=False)}
        return {self.learning: cards.learning(learning), self.tick: gr.Timer(active=learning is not None)}

    def on_say(self, stored: Any, text: str) -> Iterator[Updates]:
        """A request or a follow-up was typed."""
        yield from self._talk(stored, text, partial(_said, text))

    def on_pick(self, stored: Any, event: gr.SelectData) -> Iterator[Updates]:
        """An answer was clicked."""
        yield from self.on_say(stored, event.value)

    def on_example(self, stored: Any, event: gr.SelectData) -> Iterator[Updates]:
        """An example was clicked."""
        yield from self.on_say(stored, event.value["text"])

    def on_save(self, stored: Any, name: str, percent: float | None) -> Iterator[Updates]:
        """Save was clicked: the conversation asks for the yes."""
        yield from self.on_say(stored, controls.save_request(name, percent))

    def on_export(self, stored: Any, platform: str) -> Iterator[Updates]:
        """Export was clicked: the conversation asks for the yes."""
        yield from self.on_say(stored, controls.export_request(platform))

    def on_outcome(self, stored: Any, path: str) -> Iterator[Updates]:
        """A file of those who responded was brought: the conversation asks for the yes."""
        yield from self._bring(stored, path, lambda saved, file: controls.outcome_request(saved.name, file))

    def on_people(self, stored: Any, path: str) -> Iterator[Updates]:
        """A list of users was brought, to find others like them."""
        yield from self._bring(stored, path, None)

    def on_decide(self, approved: bool, stored: Any) -> Iterator[Updates]:
        """What was waiting for a yes is done, or dropped."""
        said = "Yes" if approved else "No"
        yield from self._talk(stored, said, lambda desk, thread, _: desk.conversation.decide(thread, approved))

    def on_sentence(self, stored: Any, text: str) -> Iterator[Updates]:
        """The sentence was rewritten by hand."""
        yield from self._edit(stored, lambda spec, _: controls.demand(spec, text))

    def on_things(self, stored: Any, *kept: list[str]) -> Iterator[Updates]:
        """Things that were understood were struck out, or taken back."""
        names = [name for group in kept for name in group]
        try:
            _, draft, _ = self._drafted(Transcript.recall(stored))
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        said = controls.strike_request(draft.things, names)
        if not said:  # yield all the same: Gradio empties the page after a handler that yields nothing
            yield self._understood(draft)
        else:
            yield from self._talk(stored, said, lambda desk, thread, _: desk.conversation.keep(thread, names))

    def on_conditions(self, stored: Any, kept: list[str]) -> Iterator[Updates]:
        """A condition was clicked away."""
        yield from self._edit(stored, lambda spec, _: controls.keep_conditions(spec, kept))

    def on_assumed(self, stored: Any, kept: list[str]) -> Iterator[Updates]:
        """An assumption was clicked away: the conversation asks what it should be instead."""
        try:
            _, draft, _ = self._drafted(Transcript.recall(stored))
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        dropped = [each for each in draft.assumptions if each not in kept]
        if not dropped:
            yield {self.assumed: gr.update(value=list(draft.assumptions))}
        else:
            yield from self.on_say(stored, controls.reopen_request(dropped[0]))

    def on_percent(self, stored: Any, percent: float) -> Iterator[Updates]:
        """The slider was let go."""
        yield from self._edit(stored, lambda spec, size: controls.cut_to_percent(spec, size, percent))

    def on_users(self, stored: Any, users: float | None) -> Iterator[Updates]:
        """A number of users was typed."""
        yield from self._edit(stored, lambda spec, size: controls.cut_to_users(spec, size, users))

    def on_drag(self, stored: Any, percent: float) -> Updates:
        """The slider moves: count along; the audience itself changes when it is let go."""
        try:
            desk, spec, size = self._now(Transcript.recall(stored))
            size = desk.service.size(controls.cut_to_percent(spec, size, percent))
        except Exception as error:
            return {self.notice: cards.notice(sentence(error), "alert")}
        return self._sized(desk, size)

    def on_stop(self, stored: Any) -> Updates:
        """What was running is no longer waited for."""
        transcript = Transcript.recall(stored)
        transcript.agent("Stopped. The page shows the audience as it was.")
        return self._idle(transcript)

    def on_again(self) -> Iterator[Updates]:
        """Begin a new conversation; saved audiences stay."""
        cleared = {self.empty: gr.update(visible=True), self.audience: gr.update(visible=False), self.usage: ""}
        yield self._idle(Transcript()) | cleared

    def on_forget(self, stored: Any) -> Iterator[Updates]:
        """Delete the conversation for good, and begin a new one; saved audiences stay."""
        try:
            with suppress(NotThereError):  # nothing was said yet
                self.opening.desk().service.delete_conversation(Transcript.recall(stored).thread)
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        yield from self.on_again()

    # --- one turn ---------------------------------------------------------------------------------

    def _talk(self, stored: Any, spoken: str, act: Act) -> Iterator[Updates]:
        transcript = Transcript.recall(stored)
        transcript.person(spoken)
        yield {
            self.browser: transcript,
            self.chat: transcript.messages(working="Looking at the data"),
            self.box: gr.update(value="", submit_btn=False, stop_btn="Stop"),
        }
        try:
            desk = self.opening.desk()
            reply = yield from following(
                partial(act, desk, transcript.thread), lambda line: {self.chat: transcript.messages(working=line)}
            )
        except Exception as error:
            transcript.agent(sentence(error))
            yield self._idle(transcript)
            return
        transcript.agent(reply.text, reply.options)
        yield self._idle(transcript) | {self.usage: cards.usage(reply.usage)}
        yield from self._show(desk, reply)

    def _bring(self, stored: Any, path: str, ask: Asked | None) -> Iterator[Updates]:
        """Take a file in, and say what it is for: about the saved audience (``ask``), or people like those in it."""
        transcript = Transcript.recall(stored)
        try:
            desk = self.opening.desk()
            file = desk.service.keep_upload(Path(path))
            draft = desk.conversation.current(transcript.thread).draft
            if ask is None:
                said = controls.like_request(file)
            elif draft and draft.saved:
                said = ask(draft.saved, file)
            else:
                raise RequestError("The audience on the page is not saved; save it first.")
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        yield from self.on_say(stored, said)

    def _edit(self, stored: Any, change: Change) -> Iterator[Updates]:
        transcript = Transcript.recall(stored)
        try:
            desk, spec, size = self._now(transcript)
            changed = change(spec, size)
            yield {self.notice: cards.notice("Counting again") if changed != spec else ""}
            if changed == spec:
                return
            reply = desk.conversation.edit(transcript.thread, changed)
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        transcript.options = list(reply.options)
        yield {self.browser: transcript, self.chat: transcript.messages()}
        yield from self._show(desk, reply)

    def _now(self, transcript: Transcript) -> tuple[AppState, AudienceSpec, SizeEstimate]:
        """The audience as it stands in the conversation."""
        desk, draft, size = self._drafted(transcript)
        return desk, draft.spec, size

    def _drafted(self, transcript: Transcript) -> tuple[AppState, AudienceDraft, SizeEstimate]:
        """What was drafted in the conversation so far.

        Raises:
            RequestError: nothing was; a handler says so, for Gradio takes an answer without any part for a fault.
        """
        desk = self.opening.desk()
        reply = desk.conversation.current(transcript.thread)
        if reply.draft is None or reply.size is None:
            raise RequestError("There is no audience here yet; say whom you want to reach first.")
        return desk, reply.draft, reply.size

    def _idle(self, transcript: Transcript) -> Updates:
        return {
            self.browser: transcript,
            self.chat: transcript.messages(),
            self.box: gr.update(submit_btn="Send", stop_btn=False),
            self.notice: "",
        }

    def _understood(self, draft: AudienceDraft) -> Updates:
        """The things of the demand, each of which can be struck out while others are left."""
        found = controls.chips(draft.things)
        free = len(draft.things) > 1
        shown: Updates = {self.understood: gr.update(value=cards.understood(free), visible=bool(found))}
        for number, part in enumerate(self.readings):
            one = found[number] if number < len(found) else None
            names, kept, label = (one.names, one.kept, one.label) if one else ([], [], "")
            shown[part] = gr.update(choices=names, value=kept, label=label, visible=one is not None, interactive=free)
        return shown

    def _sized(self, desk: AppState, size: SizeEstimate) -> Updates:
        units = details.units(desk.service)
        return {
            self.notice: "",
            self.headline: cards.headline(size, units),
            self.curve: reach_curve(size, units.many),
            self.users: size.users,
        }

    def _show(self, desk: AppState, reply: Reply) -> Iterator[Updates]:
        """Draw a reply: what is known at once, then who the users are."""
        draft, size = reply.draft, reply.size
        if draft is None or size is None:
            return
        labels, assumed = controls.conditions(draft.spec), list(draft.assumptions)
        yield self._sized(desk, size) | {
            self.empty: gr.update(visible=False),
            self.audience: gr.update(visible=True),
            self.sentence: draft.spec.demand,
            **self._understood(draft),
            self.conditions: gr.update(choices=labels, value=labels, visible=bool(labels)),
            self.assumed: gr.update(choices=assumed, value=assumed, visible=bool(assumed)),
            self.percent: max(0.5, round(100 * size.cut, 1)),
            self.kept: cards.keep_head(draft.saved, details.units(desk.service)),
            self.back: gr.skip() if draft.holdout is None else 100 * draft.holdout,
            self.outcome: gr.update(visible=draft.saved is not None),
            self.confirm: gr.update(visible=reply.pending is not None),
            self.asked: reply.pending.text if reply.pending else "",
            self.file: cards.download(reply.file) if reply.file else "",
        }
        try:
            found = details.details(desk.service, draft)
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        yield {
            self.profile: found.profile,
            self.skew: found.skew,
            self.samples: found.samples,
            self.saved: found.saved,
            self.results: gr.update(visible=found.ledger.overall.counted > 0),
            self.results_head: results_head(found.ledger),
            self.results_figure: results_figure(found.ledger.forecasts) if found.ledger.overall.counted else None,
        }
