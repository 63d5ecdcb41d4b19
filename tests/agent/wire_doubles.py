"""A real server on loopback that speaks the two protocols of OpenAI, and fails in the ways that servers fail."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROPOSE = {"action": "propose", "groups": ["dog food"]}
Call = tuple[str, dict[str, Any] | str]
"""A tool and its arguments; as a text, they stand in the answer as they are."""
RESPONSES, CHAT = "/v1/responses", "/v1/chat/completions"


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    dropped: bool = False
    """Whether the connection is closed without a word."""
    cut_short: bool = False
    """Whether the body ends before the length that was announced."""
    trickles: bool = False
    """Whether the body comes in blanks that never end."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that were offered."""
        return tuple((each.get("function") or each)["name"] for each in self.body.get("tools", ()))

    @property
    def required(self) -> bool:
        """Whether the answer has to call a tool."""
        return self.body.get("tool_choice") == "required"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, or the items of the Responses API."""
        found: list[dict[str, Any]] = self.body["input" if self.path == RESPONSES else "messages"]
        return found


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI writes it."""
    body = json.dumps({"error": {"message": message, "type": "some_error", "code": code}})
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def said(
    text: str, finish: str = "stop", tokens: tuple[int, int] | None = (100, 20), refusal: str = ""
) -> Callable[[Asked], Answer]:
    """An answer in words alone, in the protocol it was asked in."""
    return _speaking(text, (), finish, tokens, refusal)


def calls(*made: Call, text: str = "", tokens: tuple[int, int] | None = (100, 20)) -> Callable[[Asked], Answer]:
    """An answer that calls tools, all at once."""
    return _speaking(text, made, "tool_calls", tokens, "")


def step(tokens: tuple[int, int] | None = (100, 20), **values: Any) -> Callable[[Asked], Answer]:
    """An answer that ends the turn with one step."""
    return calls(ending(values or PROPOSE), tokens=tokens)


def ending(step: dict[str, Any]) -> Call:
    """The final call that stands for a step."""
    action, rest = step["action"], {name: value for name, value in step.items() if name != "action"}
    if action in {"propose", "ask", "answer"}:
        return action, rest
    own = {
        name: rest.pop(name)
        for name in ("audience", "operation", "holdout", "name", "user_id", "format")
        if name in rest
    }
    return "operate", {"action": action, "change": rest} | own


def _speaking(
    text: str, made: tuple[Call, ...], finish: str, tokens: tuple[int, int] | None, refusal: str
) -> Callable[[Asked], Answer]:
    written = [(name, given if isinstance(given, str) else json.dumps(given)) for name, given in made]

    def answer(asked: Asked) -> Answer:
        spoken = _response if asked.path == RESPONSES else _completion
        return Answer(json.dumps(spoken(text, written, finish, tokens, refusal)))

    return answer


class Server:
    """Answers each request with the next line of ``script``; the last line stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: list[Answer | Callable[[Asked], Answer]] = [step()]
        self.silent = threading.Event()
        """While it is set, nothing is answered until ``close``."""
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next_answer(self, asked: Asked) -> Answer:
        if self.silent.is_set():
            self.closed.wait(30)
        with self._lock:
            self.asked.append(asked)
            line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return line if isinstance(line, Answer) else line(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = server.next_answer(Asked(self.path, headers, body))
                self.close_connection = True
                if answer.dropped:
                    return
                if answer.trickles:
                    self._trickle()
                    return
                content = answer.body.encode()
                self.send_response(answer.status)
                for name, value in ({"content-type": "application/json"} | answer.headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content) + 100 * answer.cut_short))
                self.end_headers()
                self.wfile.write(content)

            def _trickle(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                with suppress(ConnectionError):
                    while not server.closed.wait(0.01):
                        self.wfile.write(b" ")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


Written = list[tuple[str, str]]


def _completion(text: str, made: Written, finish: str, tokens: tuple[int, int] | None, refusal: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if made:
        message["tool_calls"] = [
            {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": given}}
            for place, (name, given) in enumerate(made)
        ]
    if refusal:
        message["refusal"] = refusal
    choice = {"index": 0, "finish_reason": finish, "message": message}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    if tokens:
        read, written = tokens
        body["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return body


def _response(text: str, made: Written, finish: str, tokens: tuple[int, int] | None, refusal: str) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
    if refusal:
        content = {"type": "refusal", "refusal": refusal}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [content]}
    output: list[dict[str, Any]] = [message] if text or refusal or not made else []
    output += [
        {
            "id": f"fc_{place}", "type": "function_call", "status": "completed", "call_id": f"call_{place}",
            "name": name, "arguments": given,
        }
        for place, (name, given) in enumerate(made)
    ]  # fmt: skip
    cut = finish == "length"
    body: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": output,
        "status": "incomplete" if cut else "completed", "parallel_tool_calls": True, "tool_choice": "auto",
        "tools": [], "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "error": None,
    }  # fmt: skip
    if tokens:
        read, written = tokens
        details = {
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        body["usage"] = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written, **details}
    return body
