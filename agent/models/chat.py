"""The chat model named in the settings, and connections that give up on an answer that never ends."""

import atexit
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, cast

import httpx2
from langchain_core.language_models import BaseChatModel
from openai import DefaultHttpxClient
from pydantic import SecretStr

from agent.models.files import model_path
from encoders.errors import ChatModelError
from encoders.settings import Settings


@cache
def connections(seconds: float) -> httpx2.Client:
    """The connections of this process that wait ``seconds`` for an answer to begin, and as long for it to end.

    A timeout alone begins anew with every byte, and some proxies send blanks to keep a connection open.
    """

    def limit(response: httpx2.Response) -> None:
        response.stream = _Ending(cast(httpx2.SyncByteStream, response.stream), monotonic() + seconds)

    client = DefaultHttpxClient(timeout=seconds, event_hooks={"response": [limit]})
    atexit.register(client.close)
    return client


class _Ending(httpx2.SyncByteStream):
    """The body of an answer, until a moment of the monotonic clock."""

    def __init__(self, body: httpx2.SyncByteStream, end: float) -> None:
        self._body, self._end = body, end

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            if monotonic() > self._end:
                raise httpx2.ReadTimeout("the answer did not end in time")
            yield block

    def close(self) -> None:
        """Let the connection go."""
        self._body.close()


TIMEOUT = 60.0
"""Seconds a server may take for one answer."""

LOCAL_TIMEOUT = 240.0
"""Seconds for a local model, which reads some 40 to 60 tokens a second on two cores."""

_CONTEXT = 8192
LONGEST_STEP = 300
"""Tokens of a local model's answer; one that has lost its way would go on until the timeout."""

LONGEST_ANSWER = 4000
"""Tokens of a server's answer, what a model thinks before it speaks included."""

RULES = "Built-in rules, no language model"
"""What people see as the name of the default."""

_OPENAI = "https://api.openai.com/v1"

_REASONS = re.compile(r"o\d|gpt-[5-9]")
"""Models of OpenAI that think first: what they thought goes back with the next request, for OpenAI does not keep it."""


def chat_model(settings: Settings) -> BaseChatModel | None:
    """The language model that talks; None where the settings ask for none.

    Raises:
        ChatModelError: the settings name none, or something it needs is missing.
    """
    kind, _, name = settings.chat_model.partition(":")
    if settings.chat_model == "embedded":
        return None
    if not kind or not name:
        raise _unknown(settings.chat_model)
    if kind == "openai":
        key = settings.chat_key.get_secret_value() or os.environ.get("OPENAI_API_KEY", "")
        if not key:
            raise ChatModelError("OpenAI needs a key; set AUDIENCE_CHAT_KEY, or AUDIENCE_CHAT_MODEL=embedded.")
        kept: dict[str, Any] = {"include": ["reasoning.encrypted_content"]} if _REASONS.match(name) else {}
        return _server(name, settings.chat_url or _OPENAI, key, use_responses_api=True, store=False, **kept)
    if kind == "server":
        if not settings.chat_url.startswith(("http://", "https://")):
            raise ChatModelError(
                "AUDIENCE_CHAT_MODEL=server:NAME needs AUDIENCE_CHAT_URL, such as http://127.0.0.1:11434/v1."
            )
        return _server(name, settings.chat_url, settings.chat_key.get_secret_value() or "none")
    if kind != "local":
        return _provided(kind, name, settings)
    return LocalChatModel(path=model_path(name, settings.workspace))


def _provided(provider: str, name: str, settings: Settings) -> BaseChatModel:
    """A model of a provider that LangChain knows by name.

    Raises:
        ChatModelError: it knows none of that name, the package is missing, or the key is.
    """
    from langchain.chat_models import init_chat_model

    key = settings.chat_key.get_secret_value()
    given: dict[str, Any] = {"timeout": TIMEOUT, "max_tokens": LONGEST_ANSWER, "max_retries": 0}
    given |= {"api_key": key} if key else {}
    given |= {"base_url": settings.chat_url} if settings.chat_url else {}
    try:
        made: BaseChatModel = init_chat_model(name, model_provider=provider, **given)
        return made
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or f"langchain_{provider}"
        package = missing.partition(".")[0].replace("_", "-")
        raise ChatModelError(
            f"The provider '{provider}' needs a package; install it with: pip install {package}"
        ) from None
    except ValueError as error:
        if "Unsupported" in str(error):
            raise _unknown(settings.chat_model) from None
        raise ChatModelError(
            f"'{settings.chat_model}' cannot be used ({type(error).__name__}); check AUDIENCE_CHAT_KEY or the key that "
            f"{provider} reads from the environment."
        ) from None


def _unknown(model: str) -> ChatModelError:
    return ChatModelError(
        f"'{model}' is no chat model; set AUDIENCE_CHAT_MODEL to embedded, openai:NAME, server:NAME, local:NAME, or a "
        "provider that LangChain knows, such as anthropic:NAME."
    )


def spoken_name(settings: Settings) -> str:
    """Which model is talking, for people."""
    kind, _, name = settings.chat_model.partition(":")
    if kind == "openai":
        return f"{name} (OpenAI)"
    if kind == "server":
        return f"{name} at {settings.chat_url}"
    if kind == "local":
        return f"{name} on this machine"
    return RULES if settings.chat_model == "embedded" else f"{name} ({kind})"


def _server(name: str, url: str, key: str, **options: Any) -> BaseChatModel:
    """A model behind a server. It never sends a request twice by itself: ``agent.models.calls`` does, and counts."""
    from langchain_openai import ChatOpenAI

    usual: dict[str, Any] = {
        "timeout": TIMEOUT,
        "max_tokens": LONGEST_ANSWER,
        "use_responses_api": False,
        "max_retries": 0,
    }
    chosen = usual | options
    client = connections(chosen["timeout"])
    return ChatOpenAI(model=name, base_url=url, api_key=SecretStr(key), http_client=client, **chosen)


class LocalChatModel(BaseChatModel):
    """A GGUF file behind llama.cpp's own server, which starts with the first message and ends with the process."""

    path: Path

    @property
    def _llm_type(self) -> str:
        return "local"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        return self.running()._generate(*args, **kwargs)

    def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
        """The server behind this model, with tools it may call."""
        return self.running().bind_tools(*args, **kwargs)

    def running(self) -> BaseChatModel:
        """The model behind its server, which is started where it does not run yet."""
        url = f"{started_server(self.path).listening_address}/v1"
        limits = {"timeout": LOCAL_TIMEOUT, "max_tokens": LONGEST_STEP}
        return _server(self.path.stem, url, "none", temperature=0, callbacks=self.callbacks, **limits)


@cache
def started_server(path: Path) -> Any:
    """Start the server for one model file, once a process.

    Raises:
        ChatModelError: xllamacpp is missing, or the file cannot be loaded.
    """
    try:
        import xllamacpp
    except ImportError:
        raise ChatModelError("A local model needs xllamacpp; install it with: pip install xllamacpp") from None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = _CONTEXT
    parameters.n_parallel = 1
    parameters.port = 0
    parameters.verbosity = 0
    try:
        return xllamacpp.Server(parameters)
    except (RuntimeError, ValueError, OSError) as error:
        raise ChatModelError(
            f"{path} cannot be loaded ({error}); pull it again with 'audience models pull'."
        ) from error
