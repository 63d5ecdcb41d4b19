"""From scores to probabilities, and from cosines to a yes or no about the items a phrase means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from encoders.features.counts import level
from encoders.metrics import auc, calibration_error
from encoders.overdispersion import Counts, Overdispersion, count, coverage, fit_overdispersion
from encoders.records import Record
from encoders.training.labels import Label

# --- From scores to probabilities -----------------------------------------------------------------
#
# Everything is fitted on labels of the latest window before the as-of date, of which the model saw little (see
# ``encoders.train``). A sentence never seen gets its rate from the past: how many of the population did what it means
# in the days before, as far as the data comes near enough to its words for that to say anything.


Matrix = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CLOSE = 0.25
"""A predicted number of responders is close when it is off by at most this share."""
_USUAL = 25
"""So many responders make a label whose count is judged."""
_USERS_PER_LABEL = 100
_FEWEST_RATES = 10
_FEWEST_OF_KIND = 10
"""Demands of a kind that its figures are told of."""
_PAIRS = 200
"""Demands of two parts that are made from labels, to see how far off those are."""
_NEARLY_ALL = 0.1
_LEVEL = (0.0, 1.0, 0.0, 0.0)
"""The rate is the level."""
_SURE = Overdispersion(intercept=0.0, far=0.0, parts=0.0)
_SHARES = (1.0, 0.1)
"""Audiences whose responders are checked: everyone, and the best tenth."""


class Calibration(Record):
    """Two logistic models: how many of the population respond, and how the scores divide them; and the spread."""

    rate: tuple[float, float, float, float]
    """From the level to the logit of the response rate: intercept and slope, and how both give way with distance."""
    weights: tuple[float, ...]
    """Of the features of the standardised score; every demand gets the intercept that meets its rate."""
    usual: float
    """A usual level, for what nobody knows the level of."""
    plain: float
    """Nearness of sentences in the words of the data; what comes as near is read as surely as can be."""
    spread: Overdispersion

    def probabilities(self, standard: Vector, level: float, nearness: float, population: Mask) -> Vector:
        """Probability that each user responds.

        Args:
            standard: [N], scores standardised over the population.
            level: share of the population that did it in as many days before the as-of date; NaN where nobody knows,
                since the data has nothing that is surely meant.
            nearness: the cosine of the phrase with what is nearest to it in the data.
            population: [N], whose mean probability is the response rate.
        """
        far = self.far(nearness)
        rate = self._rate(level, far)
        return at_rate(_features(standard, rate, far) @ np.array(self.weights), rate, population)

    def joined(self, probabilities: Vector, level: float, nearness: float, population: Mask) -> Vector:
        """Probabilities of a demand of several parts, shifted to the response rate of the whole demand.

        Args:
            probabilities: [N], what the parts give together.
            level: share of the population that did the whole in as many days before the as-of date, or NaN.
            nearness: of the part that is least near.
            population: [N], whose mean probability is the response rate.
        """
        return at_rate(logit(np.clip(probabilities, 1e-9, 1 - 1e-9)), self._rate(level, self.far(nearness)), population)

    def far(self, nearness: float) -> float:
        """How far words are from the data: none where they are its own, one where nothing is near at all."""
        return float(np.clip(1.0 - nearness / self.plain, 0.0, 1.0))

    def spread_of(self, nearness: float, parts: int) -> float:
        """How far the number of responders may be off beyond chance, see ``Overdispersion``; arguments as above."""
        return self.spread.of(self.far(nearness), parts)

    def _rate(self, level: float, far: float) -> float:
        return float(expit(_rate_features(self.usual if np.isnan(level) else level, far) @ np.array(self.rate)))


@dataclass(frozen=True)
class Observed:
    """B labels over the N users of the population, and what became of them."""

    standard: Vector
    """[N, B] standardised scores."""
    doers: Mask
    """[N, B], who did what is meant in the days before."""
    known: Mask
    """[B], whether the data has anything that is surely meant."""
    nearness: Vector
    """[B]"""
    truth: Mask
    """[N, B], what came true."""
    main: Mask
    """[B], labels of the main source: what other sources do comes in bursts, as campaigns do."""
    plain: Mask
    """[B], names of groups in the words of the data."""

    @property
    def levels(self) -> Vector:
        """[B], how common each label was in the days before."""
        shares = np.array([level(column) for column in self.doers.T])
        return np.where(self.known, shares, np.nan)

    def take(self, chosen: Mask) -> "Observed":
        """Some of the labels."""
        return Observed(
            self.standard[:, chosen],
            self.doers[:, chosen],
            self.known[chosen],
            self.nearness[chosen],
            self.truth[:, chosen],
            self.main[chosen],
            self.plain[chosen],
        )


def standardise(scores: Matrix | Vector, population: Mask) -> Vector:
    """Scores [N] in standard deviations of the population."""
    here = scores[population].astype(np.float64)
    return np.asarray((scores - here.mean()) / (here.std() + 1e-9), np.float64)


def all_of(chances: list[Vector]) -> Vector:
    """Chance that all of several things happen to the same user.

    Between the two extremes, independence (the product) and one containing the other (the smallest), the geometric
    mean is taken: things people do together are neither.
    """
    if len(chances) == 1:
        return chances[0]
    stacked = np.stack(chances)
    return np.asarray(np.sqrt(stacked.prod(0) * stacked.min(0)))


def fit_calibration(observed: Observed, rng: np.random.Generator) -> tuple[Calibration, dict[str, Any]]:
    """Fit on one half of the labels, and measure on the other half.

    Returns:
        The calibration, and figures about it: spread and coverage from the second half, in-sample; the other figures
        are of labels it has not seen. ``kinds`` has them by kind of demand.
    """
    first = rng.permutation(len(observed.nearness)) % 2 == 0
    calibration, others = _fit(observed.take(first)), observed.take(~first)
    predicted = _predicted(calibration, others)
    counts = _counts(others, predicted, calibration, rng)
    calibration = calibration.model_copy(update={"spread": fit_overdispersion(counts)})
    figures = _figures(calibration, others, predicted, counts) | {"labels": float(len(first))}
    return calibration, figures | {"kinds": _by_kind(others, predicted, counts, calibration.spread)}


def measure(calibration: Calibration, observed: Observed, rng: np.random.Generator) -> dict[str, float]:
    """The figures of ``fit_calibration`` for a calibration that is there, on labels of another time."""
    predicted = _predicted(calibration, observed)
    counts = _counts(observed, predicted, calibration, rng)
    return _figures(calibration, observed, predicted, counts) | {"labels": float(len(observed.nearness))}


def _predicted(calibration: Calibration, observed: Observed) -> Vector:
    """[N, B], the probabilities of users of a population."""
    everyone = np.ones(len(observed.standard), bool)
    columns = zip(observed.standard.T, observed.levels, observed.nearness, strict=True)
    return np.stack([calibration.probabilities(*column, everyone) for column in columns], axis=1)


def _figures(calibration: Calibration, observed: Observed, predicted: Vector, counts: Counts) -> dict[str, float]:
    usual, spread = observed.truth.sum(0) >= _USUAL, calibration.spread
    ranked = [auc(observed.standard[:, k], observed.truth[:, k]) for k in np.flatnonzero(usual & observed.plain)]
    return {
        "calibration_error": calibration_error(predicted.ravel(), observed.truth.ravel()),
        "responders_close": _close(predicted, observed.truth) or 0.0,
        "interval_coverage": coverage(counts, spread),
        "interval_coverage_of_one": coverage(counts.take(counts.parts == 1), spread),
        "auc": float(np.nanmean(ranked)) if not np.isnan(ranked).all() else 0.5,
    }


def _close(predicted: Vector, truth: Mask) -> float | None:
    """Share of common labels [N, B] whose responders were close to those expected; None where none is common."""
    expected, actual = predicted.sum(0), truth.sum(0)
    usual = actual >= _USUAL
    return float((np.abs(expected - actual) <= CLOSE * actual)[usual].mean()) if usual.any() else None


def _by_kind(
    observed: Observed, predicted: Vector, counts: Counts, spread: Overdispersion
) -> dict[str, dict[str, float | None]]:
    """The figures of a report by kind of demand; kinds with too few demands to say anything are left out.

    Args:
        observed: B labels that were not fitted to.
        predicted: [N, B], what was forecast for them.
        counts: of them, in their order and one row for each share, and then of pairs.
        spread: how far counts may be off.
    """
    named, main = observed.plain, observed.main
    chosen = {"one thing by its name": main & named, "one thing in other words": main & ~named, "another source": ~main}
    pairs = len(counts.parts) - len(_SHARES) * len(main)
    kinds: dict[str, dict[str, float | None]] = {}
    for kind, labels in chosen.items():
        if labels.sum() >= _FEWEST_OF_KIND:
            rows = np.concatenate([np.repeat(labels, len(_SHARES)), np.zeros(pairs, bool)])
            kinds[kind] = {
                "demands": int(labels.sum()),
                "error": calibration_error(predicted[:, labels].ravel(), observed.truth[:, labels].ravel()),
                "close": _close(predicted[:, labels], observed.truth[:, labels]),
                "coverage": coverage(counts.take(rows), spread),
            }
    if pairs:
        both: dict[str, float | None] = {
            "demands": pairs // len(_SHARES),
            "coverage": coverage(counts.take(counts.parts == 2), spread),
        }
        kinds["two things at once"] = both
    return kinds


def _logit(share: float) -> float:
    return float(logit(np.clip(share, 1e-4, 1 - 1e-4)))


def at_rate(pull: Vector, rate: float, population: Mask) -> Vector:
    """Probabilities with these logits, shifted so that they meet ``rate`` in the population."""
    here = pull[population]
    shift = brentq(lambda c: float(expit(here + c).mean()) - rate, -60.0, 60.0, xtol=1e-4)
    return np.asarray(expit(pull + shift), np.float64)


def _rate_features(level: float, far: float) -> Vector:
    """[4]: one and the level, and both again where words are far from the data: a level fades late, but then fast."""
    return np.outer([1.0, far**2], [1.0, _logit(level)]).ravel()


def _features(standard: Vector, rate: float, far: float) -> Vector:
    """[N, 5]: the score, how steep it is at its ends, both again for rare demands, and for far ones the score."""
    score = np.clip(standard, -3.0, 6.0) / 3.0
    rare = _logit(rate) / 5.0
    return np.stack([score, score**2, score * rare, score**2 * rare, score * far], axis=-1)


def _fit(observed: Observed) -> Calibration:
    """The rates from how many responded; then the weights, beside a free intercept per label."""
    users, labels = observed.standard.shape
    named = observed.main if observed.main.any() else np.ones(labels, bool)
    usual = float(expit(np.mean([_logit(share) for share in observed.truth[:, named].mean(0)])))
    nothing = Calibration(rate=_LEVEL, weights=(), usual=usual, plain=_plain(observed), spread=_SURE)
    far = np.array(list(map(nothing.far, observed.nearness)))
    nothing = nothing.model_copy(update={"rate": _fit_rate(observed, far, usual)})
    rows = np.arange(0, users, max(1, users // _USERS_PER_LABEL))
    features = np.concatenate(
        [
            _features(column, nothing._rate(share, distance), distance)
            for column, share, distance in zip(observed.standard[rows].T, observed.levels, far, strict=True)
        ]
    )
    number = np.repeat(np.arange(labels), len(rows))
    own = sp.csr_matrix((np.ones(len(number)), (np.arange(len(number)), number)))
    outcome = observed.truth[rows].T.ravel()
    model = LogisticRegression(C=1.0, max_iter=1000, fit_intercept=False).fit(
        sp.hstack([features, own]).tocsr(), outcome
    )
    weights = tuple(float(weight) for weight in model.coef_[0][: features.shape[1]])
    return nothing.model_copy(update={"weights": weights})


def _plain(observed: Observed) -> float:
    """What nearly all plain names come as near as."""
    known = observed.nearness[observed.plain]
    return float(np.quantile(known if len(known) else observed.nearness, _NEARLY_ALL))


def _fit_rate(observed: Observed, far: Vector, usual: float) -> tuple[float, float, float, float]:
    """From levels to rates; a few labels say too little, so their rate is the level itself.

    Plain names say what a level is worth; then all labels, how that fades with distance.
    """
    sure = np.flatnonzero(observed.main & observed.plain)
    if len(sure) < _FEWEST_RATES:
        return _LEVEL
    features = np.stack(list(map(_rate_features, np.where(observed.known, observed.levels, usual), far)))
    rates = observed.truth.mean(0)
    model = LogisticRegression(C=100.0).fit(
        np.concatenate([features[sure, 1:2], features[sure, 1:2]]),
        np.repeat([True, False], len(sure)),
        sample_weight=np.concatenate([rates[sure], 1 - rates[sure]]),
    )
    first, slope = float(model.intercept_[0]), float(model.coef_[0, 0])
    others = np.flatnonzero(observed.main & (far > 0))
    nearby = features[others, :2] @ np.array([first, slope])

    def loss(fading: Vector) -> float:
        logits = nearby + features[others, 2:] @ fading
        return float((np.logaddexp(0.0, logits) - rates[others] * logits).mean() + 1e-4 * (fading**2).sum())

    faded, faded_slope = minimize(loss, np.zeros(2)).x if len(others) else (0.0, 0.0)
    return first, slope, float(faded), float(faded_slope)


def _counts(observed: Observed, predicted: Vector, calibration: Calibration, rng: np.random.Generator) -> Counts:
    """Predicted counts of all labels and of pairs of them, among everyone and in the best part."""
    demands = [
        (column, came, calibration.far(near), 1)
        for column, came, near in zip(predicted.T, observed.truth.T, observed.nearness, strict=True)
    ]
    everyone, labels = np.ones(len(predicted), bool), predicted.shape[1]
    for number in range(_PAIRS if labels > 1 else 0):
        one, other = rng.choice(labels, 2, replace=False)
        near = float(observed.nearness[[one, other]].min())
        taken_away = number % 2 == 1
        second = 1.0 - predicted[:, other] if taken_away else predicted[:, other]
        chance = predicted[:, one] * second if taken_away else all_of([predicted[:, one], second])
        did, came = (which[:, one] & (which[:, other] != taken_away) for which in (observed.doers, observed.truth))
        share = level(did) if observed.known[[one, other]].all() else np.nan
        chance = calibration.joined(chance, share, near, everyone)
        demands.append((chance, came, calibration.far(near), 2))
    rows = []
    for chances, came, far, parts in demands:
        for share in _SHARES:
            size = max(1, int(share * len(chances)))
            top = np.argpartition(-chances, size - 1)[:size]
            rows.append((*count(chances[top], came[top]), far, float(parts)))
    return Counts(**dict(zip(Counts.model_fields, np.array(rows).T, strict=True)))


# --- Which items a phrase really means: from cosines to a yes or no -------------------------------
#
# The match weighs every item a little; some questions need a set instead: who has done it already, how many do it in a
# usual month, which groups shall the marketer read. A logistic model over how near an item and its group are, and how
# far behind the nearest, is fitted on labels, whose items are known. Marketers do not use the words of the data, so
# most of those labels are blurred: their vectors are mixed with those of other sentences.


MEANT = 0.5
"""An item is meant from this probability on."""
_NEAREST = 150
_SINGLE, _CLEAR = 0.1, 0.5
"""Where no item is sure, but one is nearer than any group by so much, and clearly near, it is meant alone."""
_AS_NEAR = 0.03
"""With it, what is as near."""
_FAINT = 0.3
"""Where even the best item or group is less near than this (a cosine), the data has nothing of the kind."""


class ItemGrounding(Record):
    """Coefficients of the logistic model; the only state."""

    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, text: Matrix, group: Matrix, belongs: Mask, labels: list[Label]) -> "ItemGrounding":
        """Learn from labels.

        Args:
            text: [B, V] cosines with the items' own texts.
            group: [B, V] cosines with the names of their groups.
            belongs: [B, V], whether an item is of the source that the label speaks of.
            labels: B labels; their items are the truth.
        """
        features, truth = [], []
        for near, near_group, allowed, label in zip(text, group, belongs, labels, strict=True):
            items = np.flatnonzero(allowed)
            items = items[np.argsort(-(near + near_group)[items])[:_NEAREST]]
            features.append(_item_features(near[items], near_group[items]))
            truth.append(np.isin(items, label.items))
        model = LogisticRegression(C=10.0, max_iter=1000).fit(np.concatenate(features), np.concatenate(truth))
        return cls(weights=tuple(model.coef_[0]), intercept=float(model.intercept_[0]))

    def meant(self, text: Matrix, group: Matrix, belongs: Mask) -> npt.NDArray[np.int64]:
        """Items that a phrase means, nearest first; the nearest group where no item is sure.

        Nothing is meant where nothing is near.

        Args:
            text: [V] cosines with the items' own texts.
            group: [V] cosines with the names of their groups.
            belongs: [V], items that may be meant.
        """
        items = np.flatnonzero(belongs)
        if not len(items) or max(text[items].max(), group[items].max()) < _FAINT:
            return np.zeros(0, np.int64)
        logits = _item_features(text[items], group[items]) @ np.array(self.weights) + self.intercept
        chosen = logits >= np.log(MEANT / (1 - MEANT))
        if not chosen.any() and text[items].max() > max(_CLEAR, group[items].max() + _SINGLE):
            chosen = text[items] >= text[items].max() - _AS_NEAR
        if not chosen.any():
            chosen = group[items] == group[items][logits.argmax()]
        order = np.argsort(-logits[chosen], kind="stable")
        return np.asarray(items[chosen][order], np.int64)


def _item_features(text: Matrix, group: Matrix) -> npt.NDArray[np.float64]:
    """[V, 8]: nearness, distances from the nearest, and both again where a single item is nearer than any group."""
    behind, group_behind = text.max() - text, group.max() - group
    single = np.full_like(text, text.max() - group.max())
    columns = [text, group, behind, group_behind, single, single * behind, single * group_behind, group_behind**2]
    return np.stack(columns, axis=-1).astype(np.float64)
