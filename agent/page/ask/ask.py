"""Where one asks: what a person types, clicks or drags goes to the conversation, and what comes back is drawn.

It decides nothing itself.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from agent.page import cards
from agent.page.ask import controls, details
from agent.page.ask.layout import AskLayout
from agent.page.ask.reach import reach_curve
from agent.page.place import Updates
from agent.page.state import AppState, Line, Transcript, following, sentence
from agent.replies import UNDO
from agent.state import AudienceDraft, Join, Reply
from encoders.errors import NotThereError, RequestError
from prompts.loader import reply, speaking
from tools.bounds import TEXT_CHARACTERS
from tools.types import AudienceSpec, SavedAudience, SizeEstimate

TO_THE_END = """() => setTimeout(() => {
    const said = document.querySelector('#chat .bubble-wrap');
    said?.scrollTo({top: said.scrollHeight, behavior: 'smooth'});
}, 100)"""
"""Gradio leaves the chat where it is once a click has scrolled it; the newest message is what one wants to see."""

STALE, FRESH = gr.update(elem_classes=["stale"]), gr.update(elem_classes=[])
"""The audience while another one is computed, and when it is the one that was asked for."""

NO_LIST = """() => new MutationObserver(() => {
    document.querySelectorAll('#chat .examples[role=list]').forEach(each => each.setAttribute('role', 'group'));
}).observe(document.getElementById('chat'), {childList: true, subtree: true})"""
"""Gradio calls the examples a list and puts buttons in it, which readers of the screen then pass over."""

CLEAN_ADDRESS = "() => history.replaceState(null, '', location.pathname)"
"""What was asked with the address is asked once, and not again when the page is loaded again."""

Act = Callable[[AppState, str, Line], Reply]
Change = Callable[[AudienceSpec, SizeEstimate], AudienceSpec]


def _in_chat(answer: Reply) -> str:
    """What the chat says; what waits for a yes stands beside the buttons, and not twice."""
    if answer.pending is None:
        return answer.text
    with speaking(answer.draft.language if answer.draft else ""):
        return reply("asked_beside")


def _spec(saved: SavedAudience) -> AudienceSpec:
    """What a saved audience was made from.

    Raises:
        RequestError: it is a combination of others.
    """
    if saved.spec is None:
        raise RequestError(f"{saved.name} is a combination of saved audiences and has no sentence of its own.")
    return saved.spec


def _said(text: str, desk: AppState, thread: str, progress: Line) -> Reply:
    return desk.conversation.say(thread, text, progress)


class Ask(AskLayout):
    """What each control of the page does."""

    path = ""

    def wire(self) -> None:
        """Connect every control to what it does; each may change any part of the place."""
        common = self.common
        here = self.browser
        loaded = self.blocks.load(self.on_load, here, **common, concurrency_limit=None)
        loaded.then(None, js=CLEAN_ADDRESS)
        self.blocks.load(None, js=NO_LIST)
        self.chat.change(None, js=TO_THE_END)
        running = [
            self.box.submit(self.on_say, [here, self.box], **common),
            self.chat.option_select(self.on_pick, here, **common),
            self.chat.example_select(self.on_example, here, **common),
            gr.on([self.save.click, self.name.submit], self.on_save, [here, self.name, self.back], **common),
            self.export.click(self.on_export, [here, self.platform], **common),
            self.people.upload(self.on_people, [here, self.people], **common),
            self.yes.click(partial(self.on_decide, True), here, **common),
            self.no.click(partial(self.on_decide, False), here, **common),
            self.sentence.submit(self.on_sentence, [here, self.sentence], **common),
            self.conditions.input(self.on_conditions, [here, self.conditions], **common),
            self.assumed.input(self.on_assumed, [here, self.assumed], **common),
            self.curve.release(self.on_cut, here, trigger_mode="always_last", **common),
            gr.on([self.users.submit, self.users.blur], self.on_users, [here, self.users], **common),
            self.undo.click(self.on_undo, here, **common),
            self.joints.select(self.on_joint, here, **common),
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

    def on_load(self, stored: Any, request: gr.Request) -> Iterator[Updates]:
        """Show the conversation where it was, or begin the one that the address asks for.

        ``/?ask=TEXT`` says a request, ``/?audience=ID`` opens a saved audience as a draft. Where the workspace is not
        open yet, wait for it.
        """
        asked, opened = (request.query_params.get(name, "")[:TEXT_CHARACTERS] for name in ("ask", "audience"))
        transcript = Transcript() if asked or opened else Transcript.recall(stored)
        ready = gr.update(interactive=True)
        yield {self.browser: transcript, self.chat: transcript.messages(), self.box: ready, self.people: ready}
        try:
            desk = self.opening.desk()
            card, shown = desk.service.describe_data(), desk.conversation.current(transcript.thread)
            served = desk.service.served_platforms()
        except Exception as error:
            yield {self.notice: "", self.empty: cards.apart("The app is not ready", sentence(error))}
            return
        yield {
            self.learning: cards.learning(desk.service.learning),
            self.tick: gr.Timer(active=desk.service.learning is not None),
            self.masthead: cards.masthead(self.path, card, shown.talking),
            self.empty: cards.empty(card),
            self.about: cards.about(card, shown.talking),
            self.notice: cards.notice(card.notice, "alert"),
            self.usage: cards.usage(shown.usage),
            self.platform: gr.update(choices=controls.files_for(served), info=None if served else controls.NO_CONTACTS),
            self.chat: gr.update(examples=[{"text": option} for option in shown.options]),
        }
        if asked:
            yield from self.on_say(transcript, asked)
        elif opened:
            yield from self._open(desk, transcript, opened)
        else:
            yield from self._show(desk, shown)

    def _open(self, desk: AppState, transcript: Transcript, audience: str) -> Iterator[Updates]:
        """Begin with a saved audience as a draft."""
        try:
            answer = desk.conversation.edit(transcript.thread, _spec(desk.service.saved(audience)))
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        transcript.agent(answer.text, answer.options)
        yield self._idle(transcript)
        yield from self._show(desk, answer)

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

    def on_people(self, stored: Any, path: str) -> Iterator[Updates]:
        """A list of users was brought, to find others like them."""
        try:
            said = controls.like_request(self.opening.desk().service.keep_upload(Path(path)))
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        yield from self.on_say(stored, said)

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

    def on_cut(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """The handle of the curve was let go."""
        share = event.share
        yield from self._edit(stored, lambda spec, size: controls.cut_to_share(spec, size, share))

    def on_joint(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """How the things are joined was clicked, or the time."""
        try:
            _, draft, _ = self._drafted(Transcript.recall(stored))
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}
            return
        if event.act != "join":
            yield from self.on_say(stored, controls.reopen_request(f"the next {draft.days} days"))
            return
        join: Join = "all" if event.of == "all" else "any"
        names = [each.name for each in draft.things if not each.struck]
        yield from self._talk(
            stored, controls.join_request(join), lambda desk, thread, _: desk.conversation.keep(thread, names, join)
        )

    def on_undo(self, stored: Any) -> Iterator[Updates]:
        """Undo was clicked: one step back, whether it was said or done by hand."""
        yield from self.on_say(stored, UNDO)

    def on_users(self, stored: Any, users: float | None) -> Iterator[Updates]:
        """A number of users was typed."""
        yield from self._edit(stored, lambda spec, size: controls.cut_to_users(spec, size, users))

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
            self.audience: STALE,
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
        transcript.agent(_in_chat(reply), reply.options)
        yield self._idle(transcript) | {self.usage: cards.usage(reply.usage)}
        yield from self._show(desk, reply)

    def _edit(self, stored: Any, change: Change) -> Iterator[Updates]:
        transcript = Transcript.recall(stored)
        try:
            desk, spec, size = self._now(transcript)
            changed = change(spec, size)
            if changed == spec:
                yield {self.notice: ""}
                return
            yield {self.notice: cards.notice("Counting again"), self.audience: STALE}
            reply = desk.conversation.edit(transcript.thread, changed)
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert"), self.audience: FRESH}
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
            self.audience: FRESH,
        }

    def _understood(self, draft: AudienceDraft) -> Updates:
        """The things of the demand, each of which can be struck out while others are left."""
        found = controls.chips(draft.things)
        free = len(draft.things) > 1
        shown: Updates = {self.joints: cards.joints(draft)}
        for number, part in enumerate(self.readings):
            one = found[number] if number < len(found) else None
            names, kept, label = (one.names, one.kept, one.label) if one else ([], [], "")
            shown[part] = gr.update(choices=names, value=kept, label=label, visible=one is not None, interactive=free)
        return shown

    def _sized(self, desk: AppState, size: SizeEstimate) -> Updates:
        units = cards.units_of(desk.service.describe_data())
        curve = reach_curve(size, units)
        return {
            self.notice: "",
            self.headline: cards.headline(size, units),
            self.told: cards.told(size, units),
            self.read: cards.how_read(size, units),
            self.curve: gr.update(value=curve, visible=curve is not None),
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
            self.audience: gr.update(visible=True, elem_classes=[]),
            self.sentence: draft.spec.demand,
            **self._understood(draft),
            self.conditions: gr.update(choices=labels, value=labels, visible=bool(labels)),
            self.assumed: gr.update(choices=assumed, value=assumed, visible=bool(assumed)),
            self.kept: cards.keep_head(draft.saved, cards.units_of(desk.service.describe_data())),
            self.back: gr.skip() if draft.holdout is None else 100 * draft.holdout,
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
        }
