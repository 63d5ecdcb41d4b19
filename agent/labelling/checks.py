"""Whether a label rests on what its user did, and what stands in the end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.guard.verdict import check as aimed_at
from agent.guard.verdict import read_ahead
from agent.labelling.job import NEGATIVE
from agent.labelling.prompting import LONGEST_SENTENCE, LabelDraft, Plan, SelfCheck
from agent.labelling.sampling import LabelTask, Line
from encoders.data.events import DatasetCard
from encoders.model.match import ItemVocabulary
from encoders.model.users import read_vocabulary
from encoders.settings import Settings
from encoders.text.demand import read_demand
from encoders.text.encoders import TextEncoder, text_encoder
from encoders.text.words import parts_of, stems
from encoders.workspace import Workspace
from prompts.loader import table

_NEAR = 0.97
"""A line supports a label by meaning when it is nearer to it than so many of the groups of its source."""

_FEWEST_WORDS = 2
_CLAIMS = re.compile(r",|&|;|\band\b|\bor\b", re.IGNORECASE)
"""What joins the claims of a sentence; each of them has to rest on something."""

Ground = Literal["words", "meaning", "self-check", ""]
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CheckedLabel:
    """A label that broke no rule."""

    sentence: str
    lines: tuple[Line, ...]
    """What it rests on, all of one source; what it leaves out is in ``without``."""
    without: tuple[Line, ...]
    ground: Ground
    """How that was proved; empty where it was not."""
    distance: float
    """One minus the cosine with the nearest of the lines: high where the words are far from those of the data."""
    revised: bool = False
    """Whether the self-check changed the sentence."""


class DroppedLabel(str):
    """Why a label was dropped, in a few words."""


class LabelChecker:
    """The rule pass over labels about one data set."""

    def __init__(self, vocabulary: ItemVocabulary, encoder: TextEncoder, card: DatasetCard) -> None:
        """Check against the names of ``vocabulary``; how ``card`` words a source says nothing about a thing."""
        self._vocabulary, self._encoder = vocabulary, encoder
        rules = table("labelling/rules")
        wordings = [wording.format(items="") for wording in card.wordings.values()]
        self._general = frozenset().union(*(stems(word) for word in (*rules["general"], *wordings)))
        self._history, self._negation, self._numbers = (
            re.compile(rf"\b(?:{'|'.join(map(re.escape, rules[name]))})\b", re.IGNORECASE)
            for name in ("history", "negation", "numbers")
        )
        shown = {each["answer"] for each in table("labelling/write")["examples"]}
        self._shown = {text for answer in shown for text in re.findall(r'"sentence": "([^"]+)"', answer)}

    @cached_property
    def _names(self) -> list[frozenset[str]]:
        """Things that groups are named after, as sets of stems."""
        parts = {stems(part) for group in set(self._vocabulary.groups) for part in parts_of(group)}
        return sorted((each for each in parts if not each <= self._general), key=sorted)

    def embed(self, sentences: Sequence[str]) -> Matrix:
        """One vector per sentence, [len(sentences), D]: its phrases and the whole, as the model reads them."""
        read = [read_demand(sentence).phrases for sentence in sentences]
        texts = sorted({*sentences, *(phrase for phrases in read for phrase in phrases)})
        known = dict(zip(texts, self._encoder.encode(texts), strict=True))
        mixed = [
            known[sentence] + np.mean([known[phrase] for phrase in phrases], axis=0)
            for sentence, phrases in zip(sentences, read, strict=True)
        ]
        vectors = np.asarray(mixed, np.float32).reshape(len(sentences), -1)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)

    def vectors_of(self, names: Sequence[str]) -> Matrix:
        """Unit vectors of some groups or items, [len(names), D]."""
        return np.stack([self._vectors[name] for name in names])

    def check(
        self, task: LabelTask, sentence: str, named: Sequence[int], vector: Matrix
    ) -> CheckedLabel | DroppedLabel:
        """Read one label.

        Args:
            task: what it was written for.
            sentence: the label.
            named: numbers of the lines that its writer says it rests on.
            vector: [D], from ``embed``.
        """
        broken = self._broken(task, sentence)
        if broken:
            return DroppedLabel(broken)
        lines = [task.unit.lines[number - 1] for number in named if 1 <= number <= len(task.unit.lines)]
        if not lines:
            return DroppedLabel("names no line")
        without = tuple(line for line in lines if not line.items)
        if task.style == NEGATIVE and not (without and any(part.negated for part in read_demand(sentence).parts)):
            return DroppedLabel("leaves nothing out")
        stranger = self._stranger(task, sentence)
        if stranger:
            return DroppedLabel("names what is not there")
        done = [line for line in task.unit.lines if line.items]
        claimed = [line for line in lines if line.items]
        proved, ground = self._proved(sentence, claimed, done, vector)
        kept = proved or claimed
        if not kept:
            return DroppedLabel("names no line")
        kept = [line for line in kept if line.source == kept[0].source]
        return CheckedLabel(
            sentence, tuple(kept), without, ground, 1.0 - max(self._nearness(line, vector) for line in kept)
        )

    def _broken(self, task: LabelTask, sentence: str) -> str:
        """The first rule of wording that a label breaks; empty where it breaks none."""
        said = sentence.casefold()
        words = said.split()
        names = " ".join(line.name for line in task.unit.lines).casefold()
        if len(sentence) > LONGEST_SENTENCE or (task.language != "zh" and len(words) < _FEWEST_WORDS):
            return "too long or too short"
        if sentence in self._shown:
            return "copied from the prompt"
        if "@" in said or task.unit.user_id.casefold() in re.findall(r"[\w-]+", said):
            return "an id or an address"
        numbers = [*re.findall(r"\d+", said), *self._numbers.findall(said)]
        if any(number not in names for number in numbers):
            return "a number"
        if self._history.search(said):
            return "needs the history"
        if task.style != NEGATIVE and self._negation.search(said):
            return "a negation"
        if task.language == "en" and not stems(sentence) - self._general:
            return "says nothing in particular"
        return "sensitive" if aimed_at(sentence) is not None else ""

    def _stranger(self, task: LabelTask, sentence: str) -> bool:
        """Whether the label names something of the data that the user did not turn to."""
        said = stems(sentence) - self._general
        did = [stems(name) for _, name in task.unit.did]
        named = [*did, *(stems(line.name) for line in task.unit.lines)]
        return any(name <= said and not any(name <= each for each in named) for name in self._names)

    def _proved(
        self, sentence: str, claimed: list[Line], done: list[Line], vector: Matrix
    ) -> tuple[list[Line], Ground]:
        """The lines that a label rests on, and by what; nothing is proved while one of its claims is not."""
        claims = [each for each in _CLAIMS.split(sentence) if stems(each) - self._general]
        vectors = [vector] if len(claims) < 2 else self.embed(claims)
        lines: dict[Line, None] = {}
        grounds = set()
        for claim, meant in zip(claims if len(claims) > 1 else [sentence], vectors, strict=True):
            found, ground = self._rests(claim, claimed, done, meant)
            lines |= dict.fromkeys(found)
            grounds.add(ground)
        if "" in grounds:
            return [], ""
        return list(lines), "meaning" if "meaning" in grounds else "words"

    def _rests(self, claim: str, claimed: list[Line], done: list[Line], vector: Matrix) -> tuple[list[Line], Ground]:
        """The lines that one claim rests on: those that its writer named first, for a writer may miscount."""
        said = stems(claim) - self._general
        for lines in (claimed, done):
            if by_word := [line for line in lines if said & (self._words(line) - self._general)]:
                return by_word, "words"
        for lines in (claimed, done):
            if near := [line for line in lines if self._rank(line, vector) >= _NEAR]:
                return near, "meaning"
        return [], ""

    def _words(self, line: Line) -> frozenset[str]:
        return stems(line.name).union(*(stems(item) for item in line.items))

    def _rank(self, line: Line, vector: Matrix) -> float:
        """Share of the groups of the line's source that are farther from the label than the line is."""
        vocabulary = self._vocabulary
        source = vocabulary.sources.index(line.source)
        others = vocabulary.group_vectors[vocabulary.source_of_group == source] @ vector
        return float(np.mean(others <= self._nearness(line, vector) + 1e-6))

    def _nearness(self, line: Line, vector: Matrix) -> float:
        return float(self._vectors[line.name] @ vector)

    @cached_property
    def _vectors(self) -> dict[str, Matrix]:
        """Vectors of all names of the data, by text."""
        vocabulary = self._vocabulary
        groups = vocabulary.group_vectors[vocabulary.group_of]
        return dict(zip(vocabulary.groups, groups, strict=True)) | dict(
            zip(vocabulary.texts, vocabulary.text_vectors, strict=True)
        )


Ruling = CheckedLabel | DroppedLabel | None
"""What became of a task; None where there is no draft."""


class Rulings:
    """Applies the rules to the drafts of one plan."""

    def __init__(self, workspace: Workspace, settings: Settings, plan: Plan) -> None:
        """Check against the data of ``workspace``, by the text encoder of the settings."""
        encoder = text_encoder(settings.text_encoder)
        vocabulary = read_vocabulary(plan.dataset, encoder, workspace)
        self.grounding, self._plan = LabelChecker(vocabulary, encoder, plan.card), plan

    def by_rules(self, drafts: Sequence[LabelDraft | None]) -> list[Ruling]:
        """The rule pass, one ruling per draft."""
        sentences = {n: _plain(draft.sentence) for n, draft in enumerate(drafts) if draft is not None}
        return self._ruled(sentences, {n: draft.lines for n, draft in enumerate(drafts) if draft is not None})

    def after(self, verdicts: Mapping[int, SelfCheck | None], found: Sequence[Ruling]) -> list[Ruling]:
        """The rulings after a self-check; a sentence that it revised goes through the rules once more.

        Args:
            verdicts: by number of the task, for all that the rules kept; None where no answer came.
            found: the rulings so far.
        """
        before = {n: each.sentence for n, each in enumerate(found) if isinstance(each, CheckedLabel)}
        revised = {n: v for n, v in verdicts.items() if v is not None and not v.supported}
        revised = {n: v for n, v in revised.items() if _plain(v.revised) not in ("", before.get(n))}
        sentences = {number: _plain(verdict.revised) for number, verdict in revised.items()}
        again = self._ruled(sentences, {number: verdict.lines for number, verdict in revised.items()})
        rulings = list(found)
        for number, verdict in verdicts.items():
            first, after = rulings[number], again[number]
            if verdict is None:
                rulings[number] = DroppedLabel("not checked yet")
            elif verdict.supported and isinstance(first, CheckedLabel):
                rulings[number] = first if first.ground else replace(first, ground="self-check")
            elif isinstance(after, CheckedLabel) and after.ground:
                rulings[number] = replace(after, revised=True)
            else:
                rulings[number] = DroppedLabel("not supported by the self-check")
        return rulings

    def _ruled(self, sentences: Mapping[int, str], named: Mapping[int, Sequence[int]]) -> list[Ruling]:
        read_ahead(sentences.values())  # each is judged by the guard below
        vectors = dict(zip(sentences, self.grounding.embed(list(sentences.values())), strict=True))
        return [
            self.grounding.check(task, sentences[number], named[number], vectors[number])
            if number in sentences
            else None
            for number, task in enumerate(self._plan.tasks)
        ]


def settled(found: Sequence[Ruling]) -> list[Ruling]:
    """What stands: every sentence about the same things once, and nothing that was not proved."""
    seen: set[tuple[object, ...]] = set()
    rulings: list[Ruling] = []
    for each in found:
        ruling = each
        if isinstance(each, CheckedLabel):
            key = (each.sentence.casefold(), *(line.name for line in (*each.lines, *each.without)))
            if not each.ground:
                ruling = DroppedLabel("not grounded")
            elif key in seen:
                ruling = DroppedLabel("a duplicate")
            seen.add(key)
        rulings.append(ruling)
    return rulings


def _plain(sentence: str) -> str:
    """A sentence on one line, without the marks around it."""
    return " ".join(sentence.split()).strip(" \"'“”.")
