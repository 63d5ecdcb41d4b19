"""From a job to its tasks, and from a task to the messages a writer reads, and back to a draft."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from string import Template
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.labelling.job import LabelJob
from agent.labelling.sampling import Horizon, LabelTask, Line, stratified, tasks
from encoders.data.events import Dataset, DatasetCard
from encoders.errors import DataError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from prompts.loader import table

# --- What a job asks for: which windows, which users, which sentences, in which words -------------


@dataclass(frozen=True)
class Plan:
    """The sentences of a job, in order."""

    dataset: Dataset
    as_of: date
    tasks: list[LabelTask]
    users: int
    """Users that could have been chosen, all windows together."""

    @property
    def card(self) -> DatasetCard:
        """The card of the data that is written about."""
        return self.dataset.card


def plan(
    workspace: Workspace, settings: Settings, job: LabelJob, as_of: date | None = None, progress: Progress = silent
) -> Plan:
    """Choose whom to write about. Horizons end on or before the as-of date; the same seed chooses the same users.

    Raises:
        DataError: no window lies before the date, or nobody did anything in them.
        ModelError: active sampling, and no model is old enough to tell where it was wrong.
    """
    dataset = Dataset.current(workspace)
    past = dataset.before(as_of or dataset.card.default_as_of)
    horizons = []
    for number, window in enumerate(past.windows(count=job.windows)):
        progress("Reading what users did", number / job.windows)
        horizons.append(Horizon(window, dataset.card))
    users = sum(horizon.deeds["user_id"].n_unique() for horizon in horizons)
    if not users:
        raise DataError(f"Nobody did anything in a window that ended by {past.as_of}; choose a later as-of date.")
    if job.sampling == "active":
        from agent.labelling.sampling import surprising

        chosen = surprising(workspace, settings, horizons, past, job.units, progress)
    else:
        chosen = stratified(horizons, job.units, settings.seed)
    return Plan(dataset, past.as_of, tasks(horizons, chosen, job), users)


# --- From a task to the messages a writer reads, and back to a draft; and the built-in writer -----


_LONGEST_TEXT = 80
LONGEST_SENTENCE = 160
_MOST = 2
"""Lines a sentence rests on, and topics it has, at most: one that is about everything is about nothing."""

Purpose = Literal["write", "check"]
Message = dict[str, str]


class LabelDraft(BaseModel):
    """What a writer answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    lines: tuple[int, ...] = Field(min_length=1)
    topics: tuple[str, ...]
    sentence: str = Field(min_length=1)
    confidence: int = Field(ge=1, le=5)


class SelfCheck(BaseModel):
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


def write_messages(task: LabelTask, card: DatasetCard) -> list[Message]:
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


def read_draft(answer: str) -> LabelDraft | None:
    """The draft in an answer; None where there is none."""
    try:
        return LabelDraft.model_validate_json(_object(answer))
    except ValidationError:
        return None


def read_verdict(answer: str) -> SelfCheck | None:
    """The verdict in an answer; None where there is none."""
    try:
        return SelfCheck.model_validate_json(_object(answer))
    except ValidationError:
        return None


def _object(answer: str) -> str:
    """The outermost JSON object of an answer; servers that know no schema wrap it in prose."""
    return answer[answer.find("{") : answer.rfind("}") + 1]


def prompt_digest(purpose: Purpose) -> str:
    """What tells two versions of the texts apart."""
    texts = table(f"labelling/{purpose}")
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:12]


MODEL = "embedded"
_FIRST = 0.6
"""How often the first line is written about; the next one takes the same share of what is left, and so on."""


def write_from_template(task: LabelTask, seed: int) -> LabelDraft | None:
    """The same draft for the same task and seed; None where no template fits."""
    templates: list[str] = table("labelling/templates").get(task.language, {}).get(task.style, [])
    if not templates:
        return None
    lines = [number for number, line in enumerate(task.unit.lines, 1) if line.items]
    missing = [number for number, line in enumerate(task.unit.lines, 1) if not line.items]
    digest = hashlib.sha256(repr((seed, task.unit.user_id, task.unit.as_of, task.style, task.language)).encode())
    rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
    chosen = lines[min(int(rng.geometric(_FIRST)), len(lines)) - 1]
    template = Template(templates[int(rng.integers(len(templates)))])
    values = {"items": task.unit.lines[chosen - 1].name}
    named: tuple[int, ...] = (chosen,)
    if "not" in template.get_identifiers():
        without = missing[int(rng.integers(len(missing)))]
        values["not"], named = task.unit.lines[without - 1].name, (chosen, without)
    return LabelDraft(lines=named, topics=(values["items"],), sentence=template.substitute(values), confidence=5)
