"""Records what a language model calls and answers over a file of requests, for a test to replay without it."""

from collections.abc import Iterable, Iterator
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
from agent.reading.options import DECIDE
from agent.state import Reply
from encoders.errors import ChatModelError, RequestError
from encoders.settings import Settings
from encoders.workspace import Progress
from tools.types import AudienceSpec

if TYPE_CHECKING:
    from tools.service import AudienceService

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


def read_requests(path: Path) -> list[RecordedRequest]:
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
