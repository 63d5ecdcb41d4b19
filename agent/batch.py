"""Files of requests: answered in one process, nobody answering any question, or recorded for a test to replay."""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.conversation import Conversation
from agent.models.chat import chat_model
from agent.models.usage import Usage
from agent.state import Clarification, Reply
from agent.steps import DECIDE
from encoders.errors import AudienceError, ChatModelError, DataError, RequestError
from encoders.settings import Settings
from encoders.workspace import SHARED, Progress, atomic_file, silent
from tools.types import AudienceSpec

if TYPE_CHECKING:
    from tools.service import AudienceService


# --- ``audience ask --requests``: a file of requests answered in one process, nobody answering any
#     question ---
#
# Every line gives one line: what was asked, the demand with its spec, or why there is none. A line that cannot be read,
# or that fails, costs its own entry and nothing else.


log = logging.getLogger(__name__)

MOST_QUESTIONS = 2
"""Questions that are left to the assistant before its answer is taken as it is."""


class RequestLine(BaseModel):
    """One line of the input file."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    request: str


class ReadAs(BaseModel):
    """A thing the demand names, and the words of the request, or the entry of the knowledge, that it stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: str
    group: str


class AnsweredRequest(BaseModel):
    """What became of one request."""

    id: str
    demand: str | None = None
    spec: AudienceSpec | None = None
    questions: tuple[Clarification, ...] = ()
    reads_as: tuple[ReadAs, ...] = ()
    refused: str | None = Field(None, description="the key of the reason, where such people may not be targeted")
    error: str | None = Field(None, description="one sentence, where the line gave no answer at all")


def settle(talk: "Conversation", request: str) -> tuple[list[Clarification], Reply]:
    """Say the request and leave every question to the assistant; gives what it asked, and its last reply."""
    thread = f"ask-{token_hex(8)}"
    reply = talk.say(thread, request)
    questions: list[Clarification] = []
    while reply.question and len(questions) < MOST_QUESTIONS:
        questions.append(reply.question)
        reply = talk.say(thread, DECIDE)
    return questions, reply


def read_requests(path: Path) -> list[RequestLine | AnsweredRequest]:
    """The lines of a file of {"id", "request"}; one that cannot be read is answered already, by its error.

    Raises:
        DataError: the file cannot be read or holds no line.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); give a UTF-8 file of JSON lines.") from error
    found = list(_read_lines(lines))
    if not found:
        raise DataError(f'{path} holds no request; expected lines like {{"id": "1", "request": "our new baby line"}}.')
    return found


def _read_lines(lines: Sequence[str]) -> Iterator[RequestLine | AnsweredRequest]:
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            read = RequestLine.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(place) for place in first["loc"]) or "the line"
            yield AnsweredRequest(id=f"line {number}", error=f"Line {number}: {where}: {first['msg']}.")
        except (ValueError, RecursionError):
            example = '{"id": "...", "request": "..."}'
            yield AnsweredRequest(id=f"line {number}", error=f"Line {number} is not JSON; expected {example}.")
        else:
            if read.id in seen:
                yield AnsweredRequest(id=read.id, error=f"Line {number}: the id '{read.id}' occurs twice.")
                continue
            seen.add(read.id)
            yield read


def answer_file(talk: "Conversation", requests: Path, out: Path, progress: Progress = silent) -> tuple[int, int]:
    """Answer every request of a file; the answers take the place of ``out`` when all are there.

    Returns:
        How many lines there were, and how many of them gave an error.

    Raises:
        DataError: the file of requests cannot be read or holds no line.
        WorkspaceError: the answers cannot be written.
    """
    lines = read_requests(requests)
    answers = []
    for number, line in enumerate(lines):
        answers.append(line if isinstance(line, AnsweredRequest) else _answer(talk, line))
        progress("Answering", (number + 1) / len(lines))
    with atomic_file(out, SHARED) as part:
        part.write_text("".join(f"{each.model_dump_json()}\n" for each in answers), "utf-8")
    return len(answers), sum(each.error is not None for each in answers)


def _answer(talk: "Conversation", line: RequestLine) -> AnsweredRequest:
    try:
        questions, reply = settle(talk, line.request)
    except AudienceError as error:
        return AnsweredRequest(id=line.id, error=str(error))
    except Exception as error:  # the other lines are answered all the same, and the log says what broke
        log.exception("The request '%s' could not be answered.", line.id)
        return AnsweredRequest(
            id=line.id, error=f"It could not be answered ({type(error).__name__}); the log says more."
        )
    spec = reply.draft.spec if reply.draft else None
    things = reply.draft.things if reply.draft else ()
    return AnsweredRequest(
        id=line.id,
        demand=spec.demand if spec else None,
        spec=spec,
        questions=tuple(questions),
        reads_as=tuple(ReadAs(words=each.because or each.name, group=each.name) for each in things),
        refused=reply.refused or None,
    )


# --- Records what a language model calls and answers over a file of requests, for a test to replay
#     without it ---


_MOST_QUESTIONS = 2


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class RecordedRequest(_Line):
    """One request of the file; whatever else its line says is passed over."""

    id: str = Field(min_length=1, max_length=200)
    request: str = Field(min_length=1, max_length=2000)


class Call(_Line):
    """One call of a tool."""

    name: str
    arguments: dict[str, Any]


class RecordedAnswer(_Line):
    """One answer of the model."""

    text: str
    calls: tuple[Call, ...]


class Recorded(_Line):
    """What a model made of one request, nobody answering its questions."""

    id: str
    request: str
    model: str
    answers: tuple[RecordedAnswer, ...]
    questions: tuple[str, ...]
    spec: AudienceSpec | None
    text: str
    refused: str
    usage: Usage | None


def read_recorded(path: Path) -> list[RecordedRequest]:
    """The requests of a JSONL file.

    Raises:
        RequestError: it cannot be read, or a line is no request.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read ({type(error).__name__}).") from None
    asked = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                asked.append(RecordedRequest.model_validate_json(line))
        except ValidationError:
            raise RequestError(f'{path}, line {number}: write {{"id": ..., "request": ...}}.') from None
    return asked


def record(
    service: "AudienceService", settings: Settings, asked: Iterable[RecordedRequest], progress: Progress
) -> Iterator[Recorded]:
    """Put every request to the model of the settings, each in a conversation of its own.

    Raises:
        ChatModelError: the settings name no language model, or it cannot be used.
    """
    model = chat_model(settings)
    if model is None:
        raise ChatModelError("There is no language model to record; set AUDIENCE_CHAT_MODEL, such as server:NAME.")
    heard = _Heard()
    model.callbacks = [heard]
    conversation = Conversation(service, settings, model=model)
    try:
        for each in asked:
            progress(each.request[:80])
            heard.answers = []
            yield _recorded(conversation, each, heard)
    finally:
        conversation.close()


def _recorded(conversation: Conversation, asked: RecordedRequest, heard: "_Heard") -> Recorded:
    thread = f"record-{token_hex(8)}"
    reply: Reply = conversation.say(thread, asked.request)
    questions: list[str] = []
    while reply.question and len(questions) < _MOST_QUESTIONS:
        questions.append(reply.question.question)
        reply = conversation.say(thread, DECIDE)
    return Recorded(
        id=asked.id,
        request=asked.request,
        model=conversation.model_name,
        answers=tuple(heard.answers),
        questions=tuple(questions),
        spec=reply.draft.spec if reply.draft else None,
        text=reply.text,
        refused=reply.refused,
        usage=reply.usage,
    )


class _Heard(BaseCallbackHandler):
    """Keeps the answers of a chat model, in their order."""

    def __init__(self) -> None:
        self.answers: list[RecordedAnswer] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        for generation in response.generations[0][:1]:
            message = generation.message if isinstance(generation, ChatGeneration) else None
            if isinstance(message, AIMessage):
                calls = tuple(Call(name=each["name"], arguments=each["args"]) for each in message.tool_calls)
                self.answers.append(RecordedAnswer(text=message.text, calls=calls))
