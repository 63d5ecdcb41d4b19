"""A server on loopback that writes labels: by Chat Completions, and by the Batch API; it counts what it is paid for."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.labelling.calls import Server

TOKENS = (100, 20)
Answer = tuple[int, dict[str, Any], dict[str, str]]


def draft(body: dict[str, Any]) -> str:
    """What a good writer answers: a sentence about the first line; and what a lenient checker does."""
    last = body["messages"][-1]["content"]
    if "Sentence:" in last:
        return json.dumps({"supported": True, "lines": [1], "revised": ""})
    named = re.findall(r'^1\. "(.*)"$', last, re.MULTILINE)[0]
    return json.dumps({"lines": [1], "topics": ["a topic"], "sentence": f"people fond of {named}", "confidence": 4})


def completion(text: str, finish: str = "stop", tokens: tuple[int, int] | None = TOKENS) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    if tokens:
        body["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True)) | {
            "total_tokens": sum(tokens)
        }
    return body


def refusal(status: int, code: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": {"message": "no", "type": "some_error", "code": code}}, named


class LabelServer:
    """Answers whatever it is asked, unless ``answer`` says otherwise."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paid: Counter[str] = Counter()
        """Calls by idempotency key: a server charges for each key once."""
        self.answer: Callable[[dict[str, Any]], Answer] = lambda body: (200, completion(draft(body)), {})
        self.arrived = threading.Semaphore(0)
        self.hold_after: int | None = None
        """From so many calls on nothing is answered any more, until ``released``."""
        self.released = threading.Event()
        self.batch_status = "completed"
        self.batches: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def as_server(self) -> Server:
        return Server("server:planted", "planted", self.url, "none", 30.0)

    def chat(self, body: dict[str, Any], key: str) -> Answer:
        with self._lock:
            self.asked.append(body)
            self.paid[key] += 1
            held = self.hold_after is not None and len(self.asked) > self.hold_after
        self.arrived.release()
        if held:
            self.released.wait(60)
        return self.answer(body)

    def create_file(self, content: str) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "created_at": 1, "filename": "f",
                "purpose": "batch", "status": "processed"}  # fmt: skip

    def create_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        done = []
        for row in rows:
            status, answer, _ = self.answer(row["body"])
            done.append({"custom_id": row["custom_id"], "response": {"status_code": status, "body": answer}})
        output = self.create_file("".join(json.dumps(each) + "\n" for each in done))
        batch = {"id": f"batch-{len(self.batches)}", "object": "batch", "created_at": 1, "output_file_id": output["id"],
                 "completion_window": "24h", "endpoint": body["endpoint"], "input_file_id": body["input_file_id"],
                 "metadata": body["metadata"], "status": "in_progress"}  # fmt: skip
        self.batches[batch["id"]] = batch
        return batch

    def route(self, method: str, path: str, raw: bytes, key: str) -> Answer | str:
        if path == "/v1/chat/completions":
            return self.chat(json.loads(raw), key)
        if path == "/v1/files":
            inner = raw.split(b"\r\n\r\n")
            text = max((part.split(b"\r\n--")[0] for part in inner), key=len)
            return 200, self.create_file(text.decode()), {}
        if path.startswith("/v1/files/"):
            return self.files[path.split("/")[3]]
        if path == "/v1/batches" and method == "POST":
            return 200, self.create_batch(json.loads(raw)), {}
        if path == "/v1/batches":
            return 200, {"object": "list", "data": list(self.batches.values()), "has_more": False}, {}
        batch = self.batches[path.split("/")[3]] | {"status": self.batch_status}
        return 200, batch, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self._respond("POST")

            def do_GET(self) -> None:
                self._respond("GET")

            def _respond(self, method: str) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                path = self.path.split("?")[0]
                found = server.route(method, path, raw, self.headers.get("idempotency-key", ""))
                status, body, headers = (200, found, {}) if isinstance(found, str) else found
                content = (body if isinstance(body, str) else json.dumps(body)).encode()
                try:
                    self.send_response(status)
                    for name, value in ({"content-type": "application/json"} | headers).items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
