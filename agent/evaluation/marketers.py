"""Simulated marketers: each hides a goal, speaks as people do, answers by the goal, and stops at the first proposal.

After RecoWorld (arXiv 2509.10397): the simulated person knows what she wants, not what the data calls it.
"""

from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.conversation import Conversation
from agent.rules.replying import ALL, DECIDE, HORIZONS, NEWNESS
from agent.state import Clarification, Reply
from encoders.benchmark.topics import GROUP_LEVEL, items_of, read_topics
from encoders.errors import DataError
from encoders.history.events import Dataset

Items = npt.NDArray[np.int64]
Kind = Literal["vague", "precise", "foreign", "sensitive", "impossible"]

LEVEL = "product_category"
"""Where a data set divides its items in this way, goals are named so; elsewhere by the groups of its items."""
_MOST_TURNS = 6
_MINE = 0.3
"""An option is what she means when it shares so much of its items, or of her goal's, with the goal."""


class Marketer(BaseModel):
    """One person with one wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: Kind
    language: str
    request: str
    goal: tuple[str, ...]
    """Topics of the data, any of which would do; empty for what must be refused or does not exist."""
    hint: str
    """What she says when none of the answers offered is what she means."""


class Talk(BaseModel):
    """What came of one conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: int
    lines: tuple[str, ...]
    """All that was said, hers first."""
    demand: str | None
    """The sentence of the proposal; None where the conversation ended without one."""
    refused: bool


def read_marketers(data_name: str) -> list[Marketer]:
    """The marketers written for a data set.

    Raises:
        DataError: there are none for it, or a line cannot be read.
    """
    path = files("agent.evaluation").joinpath("dialogues", f"{data_name}.jsonl")
    if not path.is_file():
        raise DataError(f"No dialogues are written for the data set '{data_name}'; there are some for completejourney.")
    try:
        return [Marketer.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]
    except ValidationError as error:
        raise DataError(f"A dialogue for '{data_name}' cannot be read: {error.errors()[0]['msg']}.") from error


class Goals:
    """What goals and answers are in the data."""

    def __init__(self, dataset: Dataset) -> None:
        """Read the topics of ``dataset``."""
        self._topics = read_topics(dataset)
        self._level = LEVEL if LEVEL in set(self._topics["level"]) else GROUP_LEVEL
        members = dataset.items.group_by("group").agg(pl.col("item_id"))
        self._members = {group: np.array(items, np.int64) for group, items in members.iter_rows()}

    def items(self, marketer: Marketer) -> Items:
        """The items any of which fulfils her goal."""
        return items_of(self._topics, self._level, marketer.goal)

    def chosen(self, marketer: Marketer, options: tuple[str, ...]) -> list[str]:
        """The groups among ``options`` that are what she means."""
        goal = self.items(marketer)
        return [option for option in options if self._is_meant(self._members.get(option, np.zeros(0, np.int64)), goal)]

    def _is_meant(self, items: Items, goal: Items) -> bool:
        return bool(len(items)) and len(np.intersect1d(items, goal)) >= _MINE * min(len(items), len(goal))


def converse(conversation: Conversation, marketer: Marketer, goals: Goals) -> Talk:
    """Let one marketer talk until a proposal, a refusal, or an answer that leads nowhere."""
    lines, questions, hinted = [marketer.request], 0, False
    reply = conversation.say(marketer.id, marketer.request)
    while reply.draft is None and not reply.refused and len(lines) < 2 * _MOST_TURNS:
        lines.append(reply.text)
        if reply.question is not None:
            questions += 1
            said = _answer(reply.question, marketer, goals, hinted)
        else:
            said = "" if hinted else marketer.hint
        if not said:
            break
        hinted = hinted or said == marketer.hint
        lines.append(said)
        reply = conversation.say(marketer.id, said)
    return _ended(reply, questions, lines)


def _ended(reply: Reply, questions: int, lines: list[str]) -> Talk:
    demand = reply.draft.spec.demand if reply.draft else None
    return Talk(questions=questions, lines=(*lines, reply.text), demand=demand, refused=bool(reply.refused))


def _answer(question: Clarification, marketer: Marketer, goals: Goals, hinted: bool) -> str:
    """What she clicks: everybody and four weeks, for nothing else was said; else what she means, or a hint at it."""
    if question.topic == "newness":
        return NEWNESS[0]
    if question.topic == "horizon":
        return HORIZONS[1]
    if not marketer.goal:
        return DECIDE
    options = tuple(option for option in question.options if option not in (ALL, DECIDE))
    chosen = goals.chosen(marketer, options)
    return " and ".join(chosen) or (DECIDE if hinted or not marketer.hint else marketer.hint)
