"""Asking a server for many answers at once: as fast as it allows, never more than it may cost, every call counted."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
)
from openai.types.chat import ChatCompletion

from agent.calling import TRIES, asked_to_wait, in_words
from agent.labelling.ledger import Ledger, Request
from agent.labelling.money import LIKELY_WRITTEN, Budget
from agent.labelling.pace import Limits, Pace
from agent.labelling.prompting import read_draft, read_verdict
from agent.labelling.server import Server
from encoders.workspace import Progress, silent

LONGEST_WAIT = 120.0
"""Seconds that a server may ask to wait."""

_USELESS = "the answer was no such object"
_CUT_OFF = "the answer was cut off"
_NO_SCHEMA = {400, 415, 422, 501}
_HOPELESS = {401, 402, 403, 404}
_FIRST_WAIT, _LONGEST_BACKOFF = 0.5, 20.0


@dataclass(frozen=True)
class Pass:
    """How one pass over the open requests ended."""

    asked: int
    answered: int
    out_of_budget: bool


def ask_all(
    requests: Sequence[Request],
    server: Server,
    ledger: Ledger,
    limits: Limits,
    budget: Budget,
    progress: Progress = silent,
) -> Pass:
    """Ask for everything that is not answered yet. Whatever comes back is in the ledger before anything else happens.

    Raises:
        ChatModelError: the server refuses every call - the key, the model, the credit; what was answered is kept.
    """
    left = ledger.left(requests)
    if not left:
        return Pass(0, 0, False)
    return asyncio.run(_Asking(left, server, ledger, limits, budget, progress).run())


class _Asking:
    def __init__(
        self,
        left: list[Request],
        server: Server,
        ledger: Ledger,
        limits: Limits,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self._left, self._server, self._ledger, self._budget, self._progress = left, server, ledger, budget, progress
        self._workers = min(limits.concurrency, len(left))
        self._pace = Pace(limits, max(_counted(each) for each in left))
        self._plain = False
        self._asked = self._answered = 0
        self._fatal: Exception | None = None

    async def run(self) -> Pass:
        queue = iter(self._left)
        url, key, seconds = self._server.url, self._server.key or "none", self._server.timeout
        async with (
            AsyncOpenAI(base_url=url, api_key=key, timeout=seconds, max_retries=0) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._workers):
                group.create_task(self._work(client, queue))
        if self._fatal is not None:
            raise in_words(self._fatal) from self._fatal
        return Pass(self._asked, self._answered, self._budget.stopped)

    async def _work(self, client: AsyncOpenAI, queue: Iterator[Request]) -> None:
        for request in queue:
            if self._fatal is not None:
                return
            await self._pace.turn(_counted(request))
            if self._fatal is not None or not self._budget.reserve(request):
                return
            self._asked += 1
            answered = await self._patiently(client, request)  # not in one line with +=, which would read too early
            self._answered += answered
            self._progress("Asking for sentences", self._asked / len(self._left))

    async def _patiently(self, client: AsyncOpenAI, request: Request) -> bool:
        """Ask, and again where the server is busy or broken; the budget holds one call back for all of these tries."""
        plain = self._plain
        for attempt in range(1, TRIES + 1):
            try:
                completion = await self._once(client, request, plain)
            except APIError as error:
                refused = isinstance(error, APIStatusError) and error.status_code in _NO_SCHEMA
                again = 0.0 if refused and not plain else self._after(error, attempt)
                plain = plain or refused
                if again is None or attempt == TRIES:
                    self._ledger.failed(request.key, _short(error), perhaps_paid=isinstance(error, APITimeoutError))
                    self._budget.settle(request, None, paid=isinstance(error, APITimeoutError))
                    return False
                await asyncio.sleep(again)
                await self._pace.turn(_counted(request))
                continue
            self._plain = plain
            return self._keep(request, completion)
        return False

    async def _once(self, client: AsyncOpenAI, request: Request, plain: bool) -> ChatCompletion:
        """One call; a ``plain`` one tells the schema in no other way than by the examples of the prompt."""
        body = {name: value for name, value in request.body.items() if not (plain and name == "response_format")}
        headers = {"Idempotency-Key": self._ledger.sent(request.key)}
        completion: ChatCompletion = await client.chat.completions.create(**body, extra_headers=headers)
        return completion

    def _after(self, error: APIError, attempt: int) -> float | None:
        """Seconds until the next try; None where this request is given up for this pass."""
        if isinstance(error, APIStatusError):
            status = error.status_code
            if status in _HOPELESS or error.code == "insufficient_quota":
                self._fatal = error
                return None
            if status != 429 and status < 500:
                return None
        elif not isinstance(error, APIConnectionError) or isinstance(error, APITimeoutError):
            return None
        asked = asked_to_wait(error) if isinstance(error, APIStatusError) else 0.0
        if asked > LONGEST_WAIT:
            return None
        if asked:
            self._pace.hold(asked)
            return 0.0
        backoff: float = min(_LONGEST_BACKOFF, _FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(1.0, 1.5)
        return backoff

    def _keep(self, request: Request, completion: ChatCompletion) -> bool:
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else None
        choice = completion.choices[0] if completion.choices else None
        answer = (choice.message.content or "") if choice else ""
        error = _CUT_OFF if choice and choice.finish_reason == "length" else fault(request, answer)
        self._ledger.answered(request.key, answer, tokens, error)
        self._budget.settle(request, tokens)
        return not error


def fault(request: Request, answer: str) -> str:
    """Why an answer is of no use; empty where it can be read."""
    read = read_draft(answer) if request.purpose == "write" else read_verdict(answer)
    return _USELESS if read is None else ""


def _counted(request: Request) -> int:
    """Tokens that a call counts against a limit per minute."""
    return request.likely_read + LIKELY_WRITTEN


def _short(error: APIError) -> str:
    return f"error {error.status_code}" if isinstance(error, APIStatusError) else type(error).__name__
