"""Asking the chat server for many answers at once: as fast as it allows, never more than it may cost."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiolimiter import AsyncLimiter
from langchain_openai import ChatOpenAI
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
)
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from agent.labelling.ledger import LIKELY_WRITTEN, LabelBudget, LabelLedger, LabelRequest
from agent.labelling.prompting import Message, Purpose, read_draft, read_verdict, schema
from agent.models.calls import TRIES, asked_to_wait, in_words
from agent.models.chat import LOCAL_TIMEOUT, TIMEOUT, LocalChatModel, chat_model
from encoders.settings import Settings
from encoders.workspace import Progress, silent

# --- How fast a server may be asked: requests and tokens per minute, spread over the minute, and pauses
#     it asks for ---


_MINUTE = 60.0


@dataclass(frozen=True)
class Limits:
    """What the server allows."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 8
    """Calls under way at most."""


class Pace:
    """Lets calls go out one after the other. A full minute never holds more than its limit and one second's worth."""

    def __init__(self, limits: Limits, most_tokens: int) -> None:
        """Keep to ``limits``; no single call counts more than ``most_tokens``."""
        self._requests = _bucket(limits.requests_per_minute, 1)
        self._tokens = _bucket(limits.tokens_per_minute, most_tokens)
        self._free_at = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait until a call that counts ``tokens`` may go out."""
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        loop = asyncio.get_running_loop()
        while (pause := self._free_at - loop.time()) > 0:
            await asyncio.sleep(pause)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: one call was told that the server is busy, and the others would be too."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time() + seconds)


def _bucket(per_minute: float | None, largest: int) -> AsyncLimiter | None:
    """A bucket of one second's worth, or of the largest single call where that is more."""
    if per_minute is None:
        return None
    size = max(per_minute / _MINUTE, float(largest))
    return AsyncLimiter(size, _MINUTE * size / per_minute)


# --- Asking the chat server for many answers at once: as fast as it allows, never more than it may cost


_LONGEST_ANSWER = {"write": 200, "check": 160}
_THOUGHT = 2000
"""Tokens that a model of OpenAI may think before it answers."""


@dataclass(frozen=True)
class Server:
    """Where to ask, and how the ledger calls it."""

    label: str
    model: str
    url: str
    key: str
    timeout: float
    openai: bool = False

    def request(
        self, purpose: Purpose, messages: list[Message], lines: int, temperature: float | None = None
    ) -> LabelRequest:
        """The request for one answer about ``lines`` lines."""
        form = {"name": purpose, "strict": True, "schema": schema(purpose, lines)}
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
        longest = _LONGEST_ANSWER[purpose]
        body |= {"max_completion_tokens": longest + _THOUGHT} if self.openai else {"max_tokens": longest}
        if temperature is not None:
            body["temperature"] = temperature
        return LabelRequest(self.label, purpose, body)


def server_of(settings: Settings, start: bool = True) -> Server | None:
    """The server of the settings; None for the built-in writer.

    A local model starts here, on a loopback port that is not part of its name, unless ``start`` says not to.

    Raises:
        ChatModelError: the settings name no model, or something it needs is missing.
    """
    model = chat_model(settings)
    label = " at ".join(filter(None, (settings.chat_model, settings.chat_url)))
    if isinstance(model, LocalChatModel):
        if not start:
            return Server(settings.chat_model, model.path.stem, "", "none", LOCAL_TIMEOUT)
        label, model = settings.chat_model, model.running()
    if not isinstance(model, ChatOpenAI):
        return None
    key = model.openai_api_key
    return Server(
        label=label,
        model=model.model_name,
        url=str(model.openai_api_base),
        key=key.get_secret_value() if isinstance(key, SecretStr) else "none",
        timeout=LOCAL_TIMEOUT if settings.chat_model.startswith("local:") else TIMEOUT,
        openai=settings.chat_model.startswith("openai:"),
    )


LONGEST_WAIT = 120.0
"""Seconds that a server may ask to wait."""

_USELESS = "the answer was no such object"
_CUT_OFF = "the answer was cut off"
_NO_SCHEMA = {400, 415, 422, 501}
_HOPELESS = {401, 402, 403, 404}
FIRST_WAIT, _LONGEST_BACKOFF = 0.5, 20.0


@dataclass(frozen=True)
class PassResult:
    """How one pass over the open requests ended."""

    asked: int
    answered: int
    out_of_budget: bool


def ask_all(
    requests: Sequence[LabelRequest],
    server: Server,
    ledger: LabelLedger,
    limits: Limits,
    budget: LabelBudget,
    progress: Progress = silent,
) -> PassResult:
    """Ask for everything that is not answered yet. Whatever comes back is in the ledger before anything else happens.

    Raises:
        ChatModelError: the server refuses every call - the key, the model, the credit; what was answered is kept.
    """
    left = ledger.left(requests)
    if not left:
        return PassResult(0, 0, False)
    return asyncio.run(_Asking(left, server, ledger, limits, budget, progress).run())


class _Asking:
    def __init__(
        self,
        left: list[LabelRequest],
        server: Server,
        ledger: LabelLedger,
        limits: Limits,
        budget: LabelBudget,
        progress: Progress,
    ) -> None:
        self._left, self._server, self._ledger, self._budget, self._progress = left, server, ledger, budget, progress
        self._workers = min(limits.concurrency, len(left))
        self._pace = Pace(limits, max(_counted(each) for each in left))
        self._plain = False
        self._asked = self._answered = 0
        self._fatal: Exception | None = None

    async def run(self) -> PassResult:
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
        return PassResult(self._asked, self._answered, self._budget.stopped)

    async def _work(self, client: AsyncOpenAI, queue: Iterator[LabelRequest]) -> None:
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

    async def _patiently(self, client: AsyncOpenAI, request: LabelRequest) -> bool:
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

    async def _once(self, client: AsyncOpenAI, request: LabelRequest, plain: bool) -> ChatCompletion:
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
        backoff: float = min(_LONGEST_BACKOFF, FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(1.0, 1.5)
        return backoff

    def _keep(self, request: LabelRequest, completion: ChatCompletion) -> bool:
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else None
        choice = completion.choices[0] if completion.choices else None
        answer = (choice.message.content or "") if choice else ""
        error = _CUT_OFF if choice and choice.finish_reason == "length" else fault(request, answer)
        self._ledger.answered(request.key, answer, tokens, error)
        self._budget.settle(request, tokens)
        return not error


def fault(request: LabelRequest, answer: str) -> str:
    """Why an answer is of no use; empty where it can be read."""
    read = read_draft(answer) if request.purpose == "write" else read_verdict(answer)
    return _USELESS if read is None else ""


def _counted(request: LabelRequest) -> int:
    """Tokens that a call counts against a limit per minute."""
    return request.likely_read + LIKELY_WRITTEN


def _short(error: APIError) -> str:
    return f"error {error.status_code}" if isinstance(error, APIStatusError) else type(error).__name__
