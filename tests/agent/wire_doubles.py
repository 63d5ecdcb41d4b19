"""A real server on loopback that speaks the two protocols of OpenAI, and fails in the ways that servers fail."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROPOSE = {"action": "propose", "groups": ["dog food"]}
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
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema the answer is to follow, None where none was asked for."""
        if self.path == RESPONSES:
            form = self.body.get("text", {}).get("format", {})
        else:
            form = self.body.get("response_format", {}).get("json_schema", {})
        schema: dict[str, Any] | None = form.get("schema")
        return schema


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI writes it."""
    body = json.dumps({"error": {"message": message, "type": "some_error", "code": code}})
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def said(text: str, finish: str = "stop", tokens: tuple[int, int] | None = (100, 20)) -> Callable[[Asked], Answer]:
    """A good answer with ``text``, in the protocol it was asked in."""

    def answer(asked: Asked) -> Answer:
        body = _response(text, finish, tokens) if asked.path == RESPONSES else _completion(text, finish, tokens)
        return Answer(json.dumps(body))

    return answer


def step(**values: Any) -> Callable[[Asked], Answer]:
    """A good answer with one step."""
    return said(json.dumps(values or PROPOSE))


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


def _completion(text: str, finish: str, tokens: tuple[int, int] | None) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    if tokens:
        read, written = tokens
        body["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return body


def _response(text: str, finish: str, tokens: tuple[int, int] | None) -> dict[str, Any]:
    content = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [content]}
    cut = finish == "length"
    body: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [message],
        "status": "incomplete" if cut else "completed", "parallel_tool_calls": False, "tool_choice": "auto",
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
