"""How fast labels are asked for, against a server on loopback that answers in a second and enforces its limit.

    python -m benchmarks.labelling

1,000 calls at 1,500 a minute; a perfect client needs 40 seconds. The server refuses with 429 what comes faster.
"""

import asyncio
import json
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent.labelling.calls import Limits, Server, ask_all
from agent.labelling.ledger import LabelBudget, LabelLedger

CALLS = 1_000
PER_MINUTE = 1_500
SECONDS = 1.0
"""How long the server takes for an answer."""
_WINDOW = 10.0
"""Seconds over which the server counts; it allows one second's worth more than the limit."""
_ANSWER = json.dumps({"lines": [1], "topics": ["x"], "sentence": "people who love it", "confidence": 5})


class _Counting:
    """A server of Chat Completions that counts what it lets in and what it refuses."""

    def __init__(self) -> None:
        self.answered = self.refused = 0
        self._recent: deque[float] = deque()

    async def answer(self, request: HttpRequest) -> JSONResponse:
        await request.json()
        now = monotonic()
        while self._recent and self._recent[0] < now - _WINDOW:
            self._recent.popleft()
        if len(self._recent) >= PER_MINUTE / 60 * (_WINDOW + 1):
            self.refused += 1
            return JSONResponse({"error": {"message": "slow down"}}, 429, {"Retry-After": "1"})
        self._recent.append(now)
        await asyncio.sleep(SECONDS)
        self.answered += 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _ANSWER}}
        usage = {"prompt_tokens": 200, "completion_tokens": 30, "total_tokens": 230}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        return JSONResponse(body)


@contextmanager
def _serving(counting: _Counting) -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/chat/completions", counting.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join()


def measure() -> str:
    """One line of figures."""
    counting = _Counting()
    with _serving(counting) as url, tempfile.TemporaryDirectory() as folder:
        server = Server("server:m", "m", url, "none", 30.0)
        asked = [server.request("write", [{"role": "user", "content": f'1. "thing {n}"'}], 1) for n in range(CALLS)]
        with LabelLedger.open(Path(folder) / "ledger.db") as ledger:
            ledger.add("speed", asked)
            begun = monotonic()
            done = ask_all(asked, server, ledger, Limits(PER_MINUTE, None, 64), LabelBudget(None, None))
            seconds = monotonic() - begun
            calls = ledger.spent("speed").calls
    rate = 60 * done.answered / seconds
    return (
        f"{done.answered:,} answers in {seconds:.1f} s, {rate:,.0f} a minute, {rate / PER_MINUTE:.1%} of the limit of "
        f"{PER_MINUTE:,}; {calls:,} calls, {counting.refused} refused"
    )


if __name__ == "__main__":
    print(measure())  # noqa: T201 - a command
