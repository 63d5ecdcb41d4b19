"""From scores to probabilities, and from probabilities to an honest interval on a number of users.

Everything is fitted on labels of the latest window before the as-of date, of which the model saw little (see
``encoders.train``). A sentence never seen gets its level from the past: how many of the population did what it means
in the days before.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from encoders.metrics import calibration_error

Matrix = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

INTERVAL = 0.8
"""How often the truth shall lie inside an interval."""
CLOSE = 0.25
"""A predicted number of responders is close when it is off by at most this share."""
_USERS_PER_LABEL = 100
_FEWEST_RATES = 10
_SHARES = (1.0, 0.1)
"""Audiences whose responders are checked: everyone, and the best tenth."""


class Calibration(BaseModel):
    """Two logistic models: how many of the population respond, and how the scores divide them; and their spread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: tuple[float, float]
    """Intercept and slope from the logit of the level to the logit of the response rate."""
    weights: tuple[float, ...]
    """Of the features of the standardised score; every demand gets the intercept that meets its rate."""
    spread: float
    """Relative error of a predicted number of responders, beyond what chance alone explains."""

    def probabilities(self, standard: Vector, level: float, population: npt.NDArray[np.bool_]) -> Vector:
        """Probability that each user responds.

        Args:
            standard: [N], scores standardised over the population.
            level: share of the population that did it in as many days before the as-of date.
            population: [N], whose mean probability is the response rate.
        """
        return self._at_rate(_features(standard, level) @ np.array(self.weights), level, population)

    def joined(self, probabilities: Vector, level: float, population: npt.NDArray[np.bool_]) -> Vector:
        """Probabilities of a demand of several parts, shifted to the response rate of the whole demand.

        Args:
            probabilities: [N], what the parts give together.
            level: share of the population that did the whole in as many days before the as-of date.
            population: [N], whose mean probability is the response rate.
        """
        pull = logit(np.clip(probabilities, 1e-9, 1 - 1e-9))
        return self._at_rate(pull, level, population)

    def _at_rate(self, pull: Vector, level: float, population: npt.NDArray[np.bool_]) -> Vector:
        rate = float(expit(self.rate[0] + self.rate[1] * _logit(level)))
        here = pull[population]
        shift = brentq(lambda c: float(expit(here + c).mean()) - rate, -60.0, 60.0, xtol=1e-4)
        return np.asarray(expit(pull + shift), np.float64)

    def responders(self, probabilities: Vector) -> tuple[float, float, float]:
        """Expected responders among users with these probabilities: low, middle and high of the 80 % interval."""
        middle = float(probabilities.sum())
        half = norm.ppf(0.5 + INTERVAL / 2) * _deviation(probabilities, self.spread)
        return max(0.0, middle - half), middle, min(float(len(probabilities)), middle + half)


def standardise(scores: Matrix, population: npt.NDArray[np.bool_]) -> Vector:
    """Scores [N] in standard deviations of the population."""
    here = scores[population].astype(np.float64)
    return np.asarray((scores - here.mean()) / (here.std() + 1e-9), np.float64)


def fit_calibration(
    standard: Vector,
    levels: Vector,
    truth: npt.NDArray[np.bool_],
    sure: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Calibration, dict[str, float]]:
    """Fit on one half of B labels over N users, and measure on the other half.

    Args:
        standard: [N, B] standardised scores of the population.
        levels: [B], how common each label was in the days before.
        truth: [N, B], what came true.
        sure: [B], labels whose levels are sure enough to learn rates from.
        rng: divides the labels.

    Returns:
        The calibration, with its spread and the figures about it from the second half.
    """
    first = rng.permutation(len(levels)) % 2 == 0
    calibration = _fit(standard, levels, truth, sure, np.flatnonzero(first))
    others = np.flatnonzero(~first)
    everyone = np.ones(len(standard), bool)
    predicted = np.stack(
        [calibration.probabilities(standard[:, label], float(levels[label]), everyone) for label in others], axis=1
    )
    came = truth[:, others]
    spread = _fit_spread(predicted, came)
    expected, actual = predicted.sum(0), came.sum(0)
    usual = actual >= 25
    report = {
        "calibration_error": calibration_error(predicted.ravel(), came.ravel()),
        "responders_close": float((np.abs(expected - actual) <= CLOSE * actual)[usual].mean()) if usual.any() else 0.0,
        "interval_coverage": _coverage(predicted, came, spread),
        "spread": spread,
        "labels": float(len(levels)),
    }
    return calibration.model_copy(update={"spread": spread}), report


def _logit(share: float) -> float:
    return float(logit(np.clip(share, 1e-4, 1 - 1e-4)))


def _features(standard: Vector, level: float) -> Vector:
    """[N, 4]: the score, how steep it is at its ends, and both again for rare demands; all of them near one."""
    score = np.clip(standard, -3.0, 6.0) / 3.0
    rare = _logit(level) / 5.0
    return np.stack([score, score**2, score * rare, score**2 * rare], axis=-1)


def _fit(
    standard: Vector,
    levels: Vector,
    truth: npt.NDArray[np.bool_],
    sure: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
) -> Calibration:
    """The rate from how many responded; the weights beside a free intercept per label."""
    users = len(standard)
    rows = np.arange(0, users, max(1, users // _USERS_PER_LABEL))
    features = np.concatenate([_features(standard[rows, label], float(levels[label])) for label in labels])
    number = np.repeat(np.arange(len(labels)), len(rows))
    own = sp.csr_matrix((np.ones(len(number)), (np.arange(len(number)), number)))
    outcome = np.concatenate([truth[rows, label] for label in labels])
    model = LogisticRegression(C=1.0, max_iter=1000, fit_intercept=False).fit(
        sp.hstack([features, own]).tocsr(), outcome
    )
    weights = tuple(float(weight) for weight in model.coef_[0][: features.shape[1]])
    known = labels[sure[labels]]
    return Calibration(rate=_fit_rate(levels[known], truth[:, known].mean(0)), weights=weights, spread=0.0)


def _fit_rate(levels: Vector, rates: Vector) -> tuple[float, float]:
    """Intercept and slope from levels to rates; a few demands say too little, so their rate is the level itself."""
    if len(levels) < _FEWEST_RATES:
        return 0.0, 1.0
    base = np.array([_logit(float(level)) for level in levels])
    model = LogisticRegression(C=100.0).fit(
        np.concatenate([base, base])[:, None],
        np.repeat([True, False], len(levels)),
        sample_weight=np.concatenate([rates, 1 - rates]),
    )
    return float(model.intercept_[0]), float(model.coef_[0, 0])


def _deviation(probabilities: Vector, spread: float) -> float:
    chance = float((probabilities * (1 - probabilities)).sum())
    return float(np.sqrt(chance + (spread * probabilities.sum()) ** 2 + 0.25))


def _errors(predicted: Vector, truth: npt.NDArray[np.bool_], spread: float) -> Vector:
    """Errors of predicted counts in deviations, for every label and every audience of ``_SHARES``."""
    found = []
    for share in _SHARES:
        size = max(1, int(len(predicted) * share))
        for label in range(predicted.shape[1]):
            top = np.argpartition(-predicted[:, label], size - 1)[:size]
            chosen = predicted[top, label]
            found.append((truth[top, label].sum() - chosen.sum()) / _deviation(chosen, spread))
    return np.asarray(np.abs(np.array(found)), np.float64)


def _coverage(predicted: Vector, truth: npt.NDArray[np.bool_], spread: float) -> float:
    return float((_errors(predicted, truth, spread) <= norm.ppf(0.5 + INTERVAL / 2)).mean())


def _fit_spread(predicted: Vector, truth: npt.NDArray[np.bool_]) -> float:
    """The spread at which the intervals hold as often as they promise."""
    if _coverage(predicted, truth, 0.0) >= INTERVAL:
        return 0.0
    if _coverage(predicted, truth, 2.0) <= INTERVAL:
        return 2.0
    return float(brentq(lambda spread: _coverage(predicted, truth, spread) - INTERVAL, 0.0, 2.0, xtol=1e-3))
