"""Sentences and groups of users as single vectors of one space: that of the item texts, which the match attends to.

The vectors of the user tower are not what is wanted here: they add how much a user does and what goes with it, and tell
topics apart no better than chance (dev/LOG.md has the figures).
"""

import numpy as np
from sklearn.preprocessing import normalize

from encoders.errors import RequestError
from encoders.predictor import Forecaster, Items, Matrix
from encoders.text.demand import read_demand

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
