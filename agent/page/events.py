"""What the page sends, looked at before Gradio does: each argument has the type of its input, or is refused.

Gradio copies whatever looks like a file (a dict with a path, wherever it stands) into a folder that it serves. So the
body is read here, and what goes on is written anew from what was understood.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from secrets import token_hex
from typing import Annotated, Any, TypeVar

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.page.state import Transcript, Uploads
from tools.access.callers import current
from tools.access.gate import RequestAudit
from tools.access.routes import CANCEL, DATA, JOIN, PLACES, UPLOAD, RefusedError
from tools.bounds import TEXT_CHARACTERS

COOKIE = "audience_browser"
"""Tells one browser from another, so that files and running events of one are not the other's; it opens nothing."""

_ACTS = {
    "on_say": "say",
    "on_pick": "say",
    "on_example": "say",
    "on_save": "save",
    "on_export": "export",
    "on_decide": "decide",
    "on_forget": "delete the conversation",
    "on_people": "bring people",
    "on_sentence": "edit",
    "on_things": "edit",
    "on_conditions": "edit",
    "on_assumed": "edit",
    "on_cut": "edit",
    "on_joint": "say",
    "on_undo": "say",
    "on_users": "edit",
    "on_entry_save": "change the glossary",
    "on_entries": "change the glossary",
    "on_model_test": "test the language model",
    "on_token_create": "create a token",
    "on_tokens": "look at tokens, or revoke one",
    "on_webhook_add": "add a webhook",
    "on_webhooks": "test or remove a webhook",
    "on_destination_add": "add a destination",
    "on_destinations": "remove a destination",
}
"""What the audit calls the handlers; the others only look."""

_DONE = {
    "on_library": frozenset(
        {
            "rename",
            "rename back",
            "combine",
            "refresh",
            "export",
            "archive",
            "take back",
            "delete",
            "bring back",
            "delete for good",
        }
    ),
    "on_results": frozenset({"record"}),
}
"""Of handlers with many buttons, those acts that do something; the audit calls them as they are called here."""

_PAGES = {"/", *(f"/{place}" for place in PLACES)}
_MOST_SESSIONS = 10_000
_MOST_CHOICES = 200
_LARGEST = 2**53 - 1
"""The largest whole number that a browser can tell from the next; a longer one would be no float of Python."""

Session = Annotated[StrictStr, Field(pattern=r"^[a-z0-9]{1,40}$")]
Text = Annotated[StrictStr, Field(max_length=TEXT_CHARACTERS)]
FieldName = Annotated[StrictStr, Field(pattern="^[a-z]{1,20}$")]
Whole = Annotated[StrictInt, Field(ge=-_LARGEST, le=_LARGEST)]


Read = TypeVar("Read", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Example(BaseModel):
    """An example that was clicked in the chat."""

    text: Text


class _Picked(BaseModel):
    """What was clicked in the chat; whatever else Gradio tells of it does not go on."""

    index: Whole
    value: Text | _Example


class _Act(BaseModel):
    """A button in a piece of HTML that was clicked."""

    act: Annotated[StrictStr, Field(pattern="^[a-z ]{1,40}$")]
    of: Text = ""
    fields: dict[FieldName, Annotated[list[Text], Field(max_length=_MOST_CHOICES)]] = Field({}, max_length=20)
    """What was filled in, where it is a form."""


class _LetGo(BaseModel):
    """Where something that was dragged was let go, as a share."""

    share: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class _Event(_Strict):
    """The body of /gradio_api/queue/join."""

    session_hash: Session
    fn_index: Whole
    data: list[Any] = Field(max_length=8)
    event_data: Any = None
    trigger_id: Whole | None = None


class _Cancel(_Strict):
    """The body of /gradio_api/cancel."""

    session_hash: Session
    fn_index: Whole
    event_id: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{1,64}$")]


class PageEvents:
    """Middleware in front of the routes of Gradio that take something in."""

    def __init__(self, app: ASGIApp, blocks: gr.Blocks, uploads: Uploads, trail: RequestAudit) -> None:
        """Look at the events of a page.

        Args:
            app: what Gradio is mounted in.
            blocks: the page.
            uploads: the files that were brought.
            trail: where audit lines go.

        Raises:
            TypeError: an event takes a kind of component whose values nobody looks at.
        """
        self._app, self._uploads, self._trail = app, uploads, trail
        self._events: Mapping[int, BlockFunction] = {
            number: event for number, event in blocks.fns.items() if event.fn is not None
        }
        for event in self._events.values():
            for component in event.inputs:
                _check_of(component)
        self._told = {number: kind for number, event in self._events.items() if (kind := _told_by(blocks, event))}
        self._sessions: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as it was understood."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, browser = Request(scope, receive), _browser(Headers(scope=scope))
        match scope["path"]:
            case path if path in _PAGES:
                await self._app(scope, receive, send if browser else _with_cookie(send))
            case path if path == UPLOAD:
                await self._upload(request, _known(browser), send)
            case path if path == JOIN:
                event = self._understood(await request.body(), _known(browser))
                await self._app(*_replaced(scope, event, receive), send)
            case path if path == CANCEL:
                cancelled = _read(_Cancel, await request.body())
                self._own(cancelled.session_hash, _known(browser))
                await self._app(*_replaced(scope, cancelled.model_dump(), receive), send)
            case path if path == DATA:
                self._own(request.query_params.get("session_hash", ""), _known(browser))
                await self._app(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _upload(self, request: Request, browser: str, send: Send) -> None:
        path = await self._uploads.take(request, browser)
        self._trail.note(current(), "page", {"act": "upload", "kind": path.suffix, "bytes": path.stat().st_size})
        await JSONResponse([self._uploads.place(path)])(request.scope, request.receive, send)

    def _understood(self, body: bytes, browser: str) -> dict[str, Any]:
        """An event with arguments of the right types.

        Raises:
            RefusedError: it is none of this page, or an argument is something else than its input takes.
        """
        sent = _read(_Event, body)
        event = self._events.get(sent.fn_index)
        if event is None or len(sent.data) != len(event.inputs):
            raise RefusedError(400, "The page has no such event; load it again.")
        self._own(sent.session_hash, browser, begins=True)
        data = [
            _check_of(component)(value, self._uploads, browser)
            for component, value in zip(event.inputs, sent.data, strict=True)
        ]
        kind, name = self._told.get(sent.fn_index), handler(event)
        told = _read(kind, json.dumps(sent.event_data).encode()).model_dump() if kind else None
        done = told.get("act") if told and name in _DONE else None
        if act := _ACTS.get(name) or (done if done in _DONE.get(name, ()) else None):
            self._trail.note(current(), "page", {"act": act})
        return sent.model_dump() | {"data": data, "event_data": told}

    def _own(self, session: str, browser: str, begins: bool = False) -> None:
        """Refuse the session of another browser; one that begins belongs to the browser that began it."""
        owner = f"{current().name} {browser}"
        if begins and session not in self._sessions:
            self._sessions[session] = owner
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        if self._sessions.get(session) != owner:
            raise RefusedError(403, "This is not a session of your browser; load the page again.")


def _told_by(blocks: gr.Blocks, event: BlockFunction) -> type[BaseModel] | None:
    """What an event tells beside its arguments, such as what was clicked; None: nothing that goes on."""
    for component, name in event.targets:
        if name is not None and name.endswith("_select"):
            return _Picked
        if component is not None and isinstance(blocks.blocks.get(component), gr.HTML):
            return _Act if name == "select" else _LetGo
    return None


Check = Callable[[Any, Uploads, str], Any]


def _check_of(component: Block) -> Check:
    """What looks at the values of a component.

    Raises:
        TypeError: nothing does.
    """
    for kind, check in _CHECKS.items():
        if isinstance(component, kind):
            return check
    raise TypeError(f"Say in agent/page/events.py what a {type(component).__name__} may send.")


def _state(value: Any, _: Uploads, __: str) -> Any:
    """What the browser stored; nothing of it but the messages goes on."""
    return Transcript.recall(value).model_dump()


def _text(value: Any, _: Uploads, __: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _misfit("text")
    if len(value) > TEXT_CHARACTERS:
        raise RefusedError(413, f"A text may have {TEXT_CHARACTERS:,} characters, this one has {len(value):,}.")
    return value


def _number(value: Any, _: Uploads, __: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:  # nor is NaN
        raise _misfit("a number")
    return value


def _texts(value: Any, uploads: Uploads, browser: str) -> list[str]:
    if not isinstance(value, list) or len(value) > _MOST_CHOICES or not all(isinstance(each, str) for each in value):
        raise _misfit("a list of texts")
    return [_text(each, uploads, browser) for each in value]


def _file(value: Any, uploads: Uploads, browser: str) -> dict[str, Any]:
    place = value.get("path") if isinstance(value, dict) else None
    found = uploads.find(place, browser) if isinstance(place, str) else None
    if found is None:
        raise _misfit("a file that this browser has brought")
    path, name = found
    return {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def _flag(value: Any, _: Uploads, __: str) -> bool:
    if not isinstance(value, bool):
        raise _misfit("yes or no")
    return value


_CHECKS: dict[type[Block], Check] = {
    gr.BrowserState: _state,
    gr.Textbox: _text,
    gr.Dropdown: _text,
    gr.Radio: _text,
    gr.Checkbox: _flag,
    gr.Number: _number,
    gr.CheckboxGroup: _texts,
    gr.UploadButton: _file,
}


def _misfit(wanted: str) -> RefusedError:
    return RefusedError(400, f"An argument of this event has to be {wanted}; load the page again.")


def handler(event: BlockFunction) -> str:
    """The name of the method that answers an event."""
    return str(getattr(getattr(event.fn, "func", event.fn), "__name__", ""))


def _read(kind: type[Read], body: bytes) -> Read:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise RefusedError(400, "This is no event of the page; load it again.") from None


def _replaced(scope: Scope, body: dict[str, Any], receive: Receive) -> tuple[Scope, Receive]:
    """The request with another body."""
    content = json.dumps(body).encode()
    headers = MutableHeaders(raw=list(scope["headers"]))
    headers["content-length"], headers["content-type"] = str(len(content)), "application/json"
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    return {**scope, "headers": headers.raw}, replayed


def _browser(headers: Headers) -> str:
    """Which browser this is; '' where it has no cookie of ours."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    value = found.value if found else ""
    return value if len(value) == 32 and value.isalnum() else ""


def _known(browser: str) -> str:
    if not browser:
        raise RefusedError(403, "Open the page in a browser that keeps its cookie, and try again.")
    return browser


def _with_cookie(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append(
                "Set-Cookie", f"{COOKIE}={token_hex(16)}; Path=/; HttpOnly; SameSite=Strict"
            )
        await send(message)

    return sending
