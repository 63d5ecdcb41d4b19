"""Simulated marketers, and whether the sentence they end with is better than their request."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from agent.conversation import Conversation
from agent.state import Clarification, Reply
from agent.steps import ALL, DECIDE, HORIZONS, NEWNESS
from benchmarks.forecasts.demands import GROUP_LEVEL, items_of, read_topics
from benchmarks.forecasts.figures import Figure, difference, figure
from encoders.data.events import Dataset
from encoders.errors import DataError
from encoders.features.counts import did_any, done_in
from encoders.metrics import auc, lift
from encoders.predictor import Forecaster
from encoders.records import Record
from encoders.settings import Settings
from encoders.workspace import Progress, silent
from tools.service import AudienceService

Items = npt.NDArray[np.int64]
Kind = Literal["vague", "precise", "foreign", "sensitive", "impossible"]

LEVEL = "product_category"
"""Where a data set divides its items in this way, goals are named so; elsewhere by the groups of its items."""
_MOST_TURNS = 6
_MINE = 0.3
"""An option is what they mean when it shares so much of its items, or of their goal's, with the goal."""


class Marketer(Record):
    """One person with one wish."""

    id: str
    kind: Kind
    language: str
    request: str
    goal: tuple[str, ...]
    """Topics of the data, any of which would do; empty for what must be refused or does not exist."""
    hint: str
    """What they say when none of the answers offered is what they mean."""


class SimulatedTalk(Record):
    """What came of one conversation."""

    questions: int
    lines: tuple[str, ...]
    """All that was said, theirs first."""
    demand: str | None
    """The sentence of the proposal; None where the conversation ended without one."""
    refused: bool


def read_marketers(data_name: str) -> list[Marketer]:
    """The marketers written for a data set.

    Raises:
        DataError: there are none for it, or a line cannot be read.
    """
    path = files("benchmarks.conversations").joinpath(f"dialogues_{data_name}.jsonl")
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
        """The items any of which fulfils their goal."""
        return items_of(self._topics, self._level, marketer.goal)

    def chosen(self, marketer: Marketer, options: tuple[str, ...]) -> list[str]:
        """The groups among ``options`` that are what they mean."""
        goal = self.items(marketer)
        return [option for option in options if self._is_meant(self._members.get(option, np.zeros(0, np.int64)), goal)]

    def _is_meant(self, items: Items, goal: Items) -> bool:
        return bool(len(items)) and len(np.intersect1d(items, goal)) >= _MINE * min(len(items), len(goal))


def converse(conversation: Conversation, marketer: Marketer, goals: Goals) -> SimulatedTalk:
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


def _ended(reply: Reply, questions: int, lines: list[str]) -> SimulatedTalk:
    demand = reply.draft.spec.demand if reply.draft else None
    return SimulatedTalk(questions=questions, lines=(*lines, reply.text), demand=demand, refused=bool(reply.refused))


def _answer(question: Clarification, marketer: Marketer, goals: Goals, hinted: bool) -> str:
    """What they click: everybody and four weeks, for nothing else was said; else what they mean, or a hint at it."""
    if question.topic == "newness":
        return NEWNESS[0]
    if question.topic == "horizon":
        return HORIZONS[1]
    if not marketer.goal:
        return DECIDE
    options = tuple(option for option in question.options if option not in (ALL, DECIDE))
    chosen = goals.chosen(marketer, options)
    return " and ".join(chosen) or (DECIDE if hinted or not marketer.hint else marketer.hint)


_TOSS = (0.5, 1.0)
"""AUC and lift of no audience at all."""


class JudgedDialogue(Record):
    """One dialogue, and how it ended."""

    marketer: Marketer
    talk: SimulatedTalk
    before: tuple[float, float] | None
    """AUC and lift@10 % of the request as it stands; None where there is no goal to judge by."""
    after: tuple[float, float] | None
    """The same of the demand."""


class KindFigures(Record):
    """The dialogues of one kind together, with 95 % bootstrap intervals over them."""

    kind: Kind
    dialogues: int
    auc_before: Figure | None
    auc_after: Figure | None
    gain: Figure | None
    lift_before: Figure | None
    lift_after: Figure | None
    questions: float
    """Mean number asked."""
    ended: float
    """Share that ended with an audience."""
    refused: float
    """Share that was declined."""


class DialogueReport(Record):
    """What ``python -m benchmarks.evaluate --dialogue`` gives."""

    title: str
    as_of: date
    horizon_days: int
    population: int
    model_version: str
    data_version: str
    chat_model: str
    seed: int
    questions: float
    """Mean over all dialogues that have a goal."""
    kinds: tuple[KindFigures, ...]
    dialogues: tuple[JudgedDialogue, ...]


def evaluate_dialogues(
    settings: Settings, as_of: date | None = None, progress: Progress = silent, marketers: Sequence[Marketer] = ()
) -> DialogueReport:
    """Let every marketer of the data set talk to the model in the settings, and judge what comes out.

    Args:
        settings: workspace, chat model, seed.
        as_of: the day that counts as now; the horizon after it is only looked at to judge.
        progress: told how far it is.
        marketers: others than those written for the data set.

    Raises:
        AudienceError: there is no model, no index, no horizon in the data, or no dialogue for it.
    """
    progress("Opening the workspace", None)
    service = AudienceService.open(settings, as_of)
    forecaster = service.forecaster
    marketers = marketers or read_marketers(forecaster.dataset.card.name)
    judge = _Judge(forecaster, Goals(forecaster.dataset))
    judged = []
    with TemporaryDirectory() as folder:
        conversation = Conversation(service, settings, path=Path(folder) / "checkpoints.db")
        for number, marketer in enumerate(marketers):
            progress(f"Talking: {marketer.request[:60]}", number / len(marketers))
            judged.append(judge(marketer, converse(conversation, marketer, judge.goals)))
        conversation.close()
    card = service.describe_data()
    service.close()
    return DialogueReport(
        title=card.title,
        as_of=card.as_of,
        horizon_days=card.horizon_days,
        population=card.population,
        model_version=card.model_version,
        data_version=card.data_version,
        chat_model=settings.chat_model,
        seed=settings.seed,
        questions=float(np.mean([each.talk.questions for each in judged if each.marketer.goal])),
        kinds=tuple(_figures(kind, judged) for kind in dict.fromkeys(each.kind for each in marketers)),
        dialogues=tuple(judged),
    )


class _Judge:
    """AUC and lift of sentences for goals, on what the population then did."""

    def __init__(self, forecaster: Forecaster, goals: Goals) -> None:
        histories = forecaster.snapshot.histories
        then = forecaster.dataset.outcome(histories.past.as_of)
        self.goals = goals
        self._here = histories.in_population
        self._future = done_in(then, histories.user_ids, len(forecaster.snapshot.vocabulary.texts))[self._here]
        self._scores = lru_cache(maxsize=512)(lambda sentence: forecaster.forecast(sentence).scores[self._here])

    def __call__(self, marketer: Marketer, talk: SimulatedTalk) -> JudgedDialogue:
        if not marketer.goal:
            return JudgedDialogue(marketer=marketer, talk=talk, before=None, after=None)
        came = did_any(self._future, self.goals.items(marketer))
        before = self._judged(marketer.request, came)
        after = self._judged(talk.demand, came) if talk.demand else _TOSS
        return JudgedDialogue(marketer=marketer, talk=talk, before=before, after=after)

    def _judged(self, sentence: str, came: npt.NDArray[np.bool_]) -> tuple[float, float]:
        scores = self._scores(sentence)
        return auc(scores, came), lift(scores, came)


def _figures(kind: Kind, judged: Sequence[JudgedDialogue]) -> KindFigures:
    some = [each for each in judged if each.marketer.kind == kind]
    before, after = (
        np.array([getattr(each, name) or (np.nan, np.nan) for each in some]) for name in ("before", "after")
    )
    return KindFigures(
        kind=kind,
        dialogues=len(some),
        auc_before=figure(before[:, 0]),
        auc_after=figure(after[:, 0]),
        gain=difference(after[:, 0], before[:, 0]),
        lift_before=figure(before[:, 1]),
        lift_after=figure(after[:, 1]),
        questions=float(np.mean([each.talk.questions for each in some])),
        ended=float(np.mean([each.talk.demand is not None for each in some])),
        refused=float(np.mean([each.talk.refused for each in some])),
    )
