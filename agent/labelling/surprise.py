"""Where the model is most wrong: users whose horizon it foresaw worst come first.

A model sees the users as of the beginning of a window, and says how likely each is to turn to each group. What a user
then did, and the model had given little chance, is her surprise. A model that was trained with what came after a window
knows its outcome, so the windows have to be later than the model.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from agent.labelling.horizon import Horizon
from encoders.errors import ModelError
from encoders.forecast import Forecaster
from encoders.history.events import DatasetCard, Past
from encoders.model_folder import read_config
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent

_GROUPS = 120
"""Groups that are forecast per window: the commonest of the horizon."""
_LEAST = 1e-4
_WORST = 3
"""Things per user whose surprise counts, the most surprising ones."""


def surprising(
    workspace: Workspace,
    settings: Settings,
    horizons: Sequence[Horizon],
    past: Past,
    units: int,
    progress: Progress = silent,
) -> list[tuple[int, str]]:
    """Number of the horizon and id of the user, the most surprising first; the windows take turns.

    Raises:
        ModelError: every model knows what came in one of the windows.
    """
    first = min(horizon.as_of for horizon in horizons)
    folder = next((each for each in workspace.models() if read_config(each).as_of <= first), None)
    if folder is None:
        raise ModelError(
            f"No model is as old as the first window, so all know what came in it; train one with 'audience train "
            f"--as-of {first}', take fewer windows, or sample 'stratified'."
        )
    ranked = []
    for number, horizon in enumerate(horizons):
        progress("Looking where the model was wrong", number / len(horizons))
        forecaster = Forecaster.open(workspace, settings, folder, horizon.as_of, past.dataset)
        ranked.append([(number, user) for user in _ranked(forecaster, horizon, past.dataset.card)])
    turns = [each for together in _in_turns(ranked) for each in together]
    return turns[:units]


def _ranked(forecaster: Forecaster, horizon: Horizon, card: DatasetCard) -> list[str]:
    """Users of the population who did anything, the most surprising first."""
    histories = forecaster.scene.histories
    groups = horizon.deeds.filter((pl.col("level") == "group") & (pl.col("source") == horizon.main_source))
    common = groups.group_by("name").len().sort(["len", "name"], descending=[True, False])["name"][:_GROUPS]
    wording = card.wordings.get(horizon.main_source, "do {items}")
    surprise = np.zeros((len(histories.user_ids), len(common)))
    for column, name in enumerate(common):
        chances = forecaster.forecast(f"{card.unit_plural} that will {wording.format(items=name)}").probabilities
        doers = groups.filter(pl.col("name") == name)["user_id"].to_list()
        rows = [histories.row_of[user] for user in doers if user in histories.row_of]
        surprise[rows, column] = -np.log(np.maximum(chances[rows], _LEAST))
    worst = np.sort(surprise, axis=1)[:, -_WORST:].mean(axis=1)
    order = np.argsort(-worst, kind="stable")
    return [histories.user_ids[row] for row in order if histories.in_population[row] and worst[row] > 0]


def _in_turns(ranked: list[list[tuple[int, str]]]) -> list[list[tuple[int, str]]]:
    longest = max(map(len, ranked), default=0)
    return [[each[place] for each in ranked if place < len(each)] for place in range(longest)]
