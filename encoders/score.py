"""What leaves the model: demands and groups of users as vectors, and every user's score and probability as a table."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.preprocessing import normalize

from encoders.data.erasing import Forgotten
from encoders.data.events import Dataset
from encoders.demand_reader import Items, Matrix
from encoders.errors import DataError, RequestError
from encoders.model_folder import usable_model
from encoders.predictor import Forecaster
from encoders.reader import open_reader
from encoders.settings import Settings
from encoders.text.demand import read_demand
from encoders.text.encoders import text_encoder
from encoders.train import train
from encoders.workspace import SHARED, Progress, Workspace, atomic_file, silent

# --- Sentences and groups of users as single vectors of one space: that of the item texts, which the
#     match attends to ---
#
# The vectors of the user tower are not what is wanted here: they add how much a user does and what goes with it, and
# tell topics apart no better than chance (dev/LOG.md has the figures).


_HALF_LIFE = 2
"""Events count by this half-life (90 days)."""
_SAME = 1e-5
"""Below this length, the difference of two means is rounding."""


def sentence_vector(forecaster: Forecaster, sentence: str) -> Matrix:
    """Unit vector of what a sentence wants, [D]; what it does not want is left out, as a direction has no "not"."""
    demand = read_demand(sentence)
    parts = forecaster.encode(demand, forecaster.source_meant(sentence))
    wanted = [not demand.parts[part].negated for part in parts.owner.tolist()]
    return _unit(parts.phrases.numpy()[wanted].mean(axis=0))


def common_vector(forecaster: Forecaster, users: Items) -> Matrix:
    """Unit vector of what some users do more than everyone does, [D].

    Args:
        forecaster: whose users they are.
        users: rows; so many that no single one can be read from their mean.

    Raises:
        RequestError: they do what everyone does.
    """
    histories = forecaster.snapshot.histories
    did = normalize(histories.counts[_HALF_LIFE].log1p() @ forecaster.snapshot.vocabulary.text_vectors)
    difference = did[users].mean(axis=0) - did[histories.in_population].mean(axis=0)
    if np.linalg.norm(difference) < _SAME:
        raise RequestError("This audience is everyone, so nothing sets it apart; make it narrower.")
    return _unit(difference)


def _unit(vector: Matrix) -> Matrix:
    return np.asarray(normalize(vector[None])[0], np.float32)


# --- ``audience score``: demands from a file, every user's score and probability into a table -----


class DemandLine(BaseModel):
    """One line of the input file."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    demand: str = Field(min_length=1, max_length=2000)


def read_demands(path: Path) -> list[DemandLine]:
    """Read a JSON-lines file of {"id", "demand"}.

    Raises:
        DataError: the file is missing, empty, has a line that cannot be read, or an id twice.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); give a UTF-8 file of JSON lines.") from error
    demands: dict[str, DemandLine] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            demand = DemandLine.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(place) for place in first["loc"]) or "the line"
            raise DataError(f"{path}, line {number}: {where}: {first['msg']}.") from error
        except ValueError as error:
            raise DataError(f'{path}, line {number} is not JSON; expected {{"id": "...", "demand": "..."}}.') from error
        if demand.id in demands:
            raise DataError(f"{path}, line {number}: the id '{demand.id}' occurs twice.")
        demands[demand.id] = demand
    if not demands:
        raise DataError(f'{path} holds no demand; expected lines like {{"id": "1", "demand": "people who will ..."}}.')
    return list(demands.values())


def score_file(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None,
    demands_path: Path,
    out_path: Path,
    progress: Progress = silent,
) -> int:
    """Score every user with a history before ``as_of`` against every demand of a file.

    No event on or after the date is read, and no model that was trained on one is used: where the workspace has no
    model old enough, one is trained first.

    Returns:
        Rows written: demand_id, user_id, score, probability.

    Raises:
        DataError: the file or the date cannot be used.
    """
    demands = read_demands(demands_path)
    dataset = Dataset.current(workspace)
    as_of = as_of or dataset.card.default_as_of
    dataset.before(as_of)
    model = usable_model(workspace, settings.text_encoder, dataset.card.name, as_of)
    if model is None:
        model = train(workspace, settings, as_of, progress, dataset=dataset)
    progress("Reading histories", None)
    forecaster = Forecaster.open(workspace, settings, model, as_of, dataset)
    vocabulary, encoder = forecaster.snapshot.vocabulary, text_encoder(settings.text_encoder)
    forecaster.read_with(open_reader(workspace, dataset.card.name, vocabulary, encoder, settings.seed, progress))
    users = forecaster.snapshot.histories.user_ids
    tables = []
    for number, line in enumerate(demands):
        forecast = forecaster.forecast(line.demand)
        tables.append(
            pl.DataFrame(
                {
                    "demand_id": [line.id] * len(users),
                    "user_id": users,
                    "score": forecast.scores,
                    "probability": forecast.probabilities,
                }
            )
        )
        progress("Scoring demands", (number + 1) / len(demands))
    gone = Forgotten(workspace).among(users)  # where an erasure was stopped before it came to the data
    table = pl.concat(tables).filter(~pl.col("user_id").is_in(sorted(gone)))
    with atomic_file(out_path, SHARED) as part:
        table.write_parquet(part)
    return len(table)
