"""From a task to the messages a language model reads, and from its answer back to a draft."""

import hashlib
import json
from collections.abc import Sequence
from string import Template
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.labelling.horizon import Line
from agent.labelling.sampling import Task
from encoders.history.events import DatasetCard
from prompts.loader import table

_LONGEST_TEXT = 80
LONGEST_SENTENCE = 160
_MOST = 2
"""Lines a sentence rests on, and topics it has, at most: one that is about everything is about nothing."""

Purpose = Literal["write", "check"]
Message = dict[str, str]


class Draft(BaseModel):
    """What a writer answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    lines: tuple[int, ...] = Field(min_length=1)
    topics: tuple[str, ...]
    sentence: str = Field(min_length=1)
    confidence: int = Field(ge=1, le=5)


class Verdict(BaseModel):
    """What a checker answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    supported: bool
    lines: tuple[int, ...]
    revised: str


def schema(purpose: Purpose, lines: int) -> dict[str, Any]:
    """The JSON schema of an answer about ``lines`` lines, in the part of the language that servers know."""
    numbers = {"type": "array", "items": {"type": "integer", "enum": list(range(1, lines + 1))}}
    text = {"type": "string"}
    fields: dict[str, dict[str, Any]]
    if purpose == "write":
        topics = {"type": "array", "items": text, "minItems": 1, "maxItems": _MOST}
        fields = {"lines": numbers | {"minItems": 1, "maxItems": _MOST}, "topics": topics, "sentence": text}
        fields["confidence"] = {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    else:
        fields = {"supported": {"type": "boolean"}, "lines": numbers, "revised": text}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def write_messages(task: Task, card: DatasetCard) -> list[Message]:
    """What a writer reads about a task."""
    texts = table("labelling/write")
    style = texts["styles"][task.style] + texts["languages"][task.language]
    examples = [({"style": texts["styles"][each["style"]]}, each) for each in texts["examples"]]
    return _messages(texts, card, examples, {"lines": shown(task.unit.lines, card), "style": style})


def check_messages(lines: Sequence[Line], sentence: str, card: DatasetCard) -> list[Message]:
    """What a checker reads about a sentence."""
    texts = table("labelling/check")
    examples = [({"sentence": _quoted(each["sentence"])}, each) for each in texts["examples"]]
    return _messages(texts, card, examples, {"lines": shown(lines, card), "sentence": _quoted(sentence)})


def _messages(
    texts: dict[str, Any], card: DatasetCard, examples: list[tuple[dict[str, str], Any]], last: dict[str, str]
) -> list[Message]:
    user = Template(texts["user"])
    said = [{"role": "system", "content": Template(texts["system"]).substitute(unit=card.unit)}]
    for values, example in examples:
        lines = "\n".join(f"{number}. {_quoted(text)}" for number, text in enumerate(example["lines"], 1))
        said.append({"role": "user", "content": user.substitute(lines=lines, **values)})
        said.append({"role": "assistant", "content": example["answer"]})
    return [*said, {"role": "user", "content": user.substitute(last)}]


def shown(lines: Sequence[Line], card: DatasetCard) -> str:
    """Numbered lines; what a user did not do says so."""
    texts = table("labelling/write")
    rows = []
    for number, line in enumerate(lines, 1):
        name = line.name
        if line.source != card.main_source:
            name = card.wordings.get(line.source, "{items}").format(items=name)
        row = texts["line"] if line.items else texts["not_done"]
        rows.append(Template(row).substitute(number=number, text=_quoted(name)))
    return "\n".join(rows)


def _quoted(text: str) -> str:
    """A text of the data as data: one line, in quotation marks."""
    plain = " ".join(text.split())
    return json.dumps(plain if len(plain) <= _LONGEST_TEXT else f"{plain[:_LONGEST_TEXT]}…", ensure_ascii=False)


def read_draft(answer: str) -> Draft | None:
    """The draft in an answer; None where there is none."""
    try:
        return Draft.model_validate_json(_object(answer))
    except ValidationError:
        return None


def read_verdict(answer: str) -> Verdict | None:
    """The verdict in an answer; None where there is none."""
    try:
        return Verdict.model_validate_json(_object(answer))
    except ValidationError:
        return None


def _object(answer: str) -> str:
    """The outermost JSON object of an answer; servers that know no schema wrap it in prose."""
    return answer[answer.find("{") : answer.rfind("}") + 1]


def prompt_digest(purpose: Purpose) -> str:
    """What tells two versions of the texts apart."""
    texts = table(f"labelling/{purpose}")
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:12]
