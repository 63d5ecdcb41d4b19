"""The figures of the conversation: is the sentence it ends with better than the request it began with?

Every dialogue is judged on what users then did: the request scored as it stands against the demand that came out of
the conversation. A conversation that ends without a demand has helped nobody, so it counts as a coin toss.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from agent.conversation import Conversation
from agent.evaluation.marketers import Goals, Kind, Marketer, Talk, converse, read_marketers
from encoders.benchmark.figures import Figure, difference, figure
from encoders.forecast import Forecaster
from encoders.history.histories import did_any, done_in
from encoders.metrics import auc, lift
from encoders.settings import Settings
from encoders.workspace import Progress, silent
from tools.service import AudienceService

_TOSS = (0.5, 1.0)
"""AUC and lift of no audience at all."""


class Judged(BaseModel):
    """One dialogue, and how it ended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    marketer: Marketer
    talk: Talk
    before: tuple[float, float] | None
    """AUC and lift@10 % of the request as it stands; None where there is no goal to judge by."""
    after: tuple[float, float] | None
    """The same of the demand."""


class KindFigures(BaseModel):
    """The dialogues of one kind together, with 95 % bootstrap intervals over them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class DialogueReport(BaseModel):
    """What ``audience evaluate --dialogue`` gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    dialogues: tuple[Judged, ...]


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
        histories = forecaster.scene.histories
        then = forecaster.dataset.outcome(histories.past.as_of)
        self.goals = goals
        self._here = histories.in_population
        self._future = done_in(then, histories.user_ids, len(forecaster.scene.vocabulary.texts))[self._here]
        self._scores = lru_cache(maxsize=512)(lambda sentence: forecaster.forecast(sentence).scores[self._here])

    def __call__(self, marketer: Marketer, talk: Talk) -> Judged:
        if not marketer.goal:
            return Judged(marketer=marketer, talk=talk, before=None, after=None)
        came = did_any(self._future, self.goals.items(marketer))
        before = self._judged(marketer.request, came)
        after = self._judged(talk.demand, came) if talk.demand else _TOSS
        return Judged(marketer=marketer, talk=talk, before=before, after=after)

    def _judged(self, sentence: str, came: npt.NDArray[np.bool_]) -> tuple[float, float]:
        scores = self._scores(sentence)
        return auc(scores, came), lift(scores, came)


def _figures(kind: Kind, judged: Sequence[Judged]) -> KindFigures:
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
