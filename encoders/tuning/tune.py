"""Few-shot: fitting a demand to a few users who are known to be what is meant.

The text encoders are frozen, so the prompt stands where the model reads: in front of the phrases of a demand there is
one learnable vector and in front of its sentence another, added as a sentence itself is added to its phrases. Nothing
else is trained. A triplet loss (Schroff et al. 2015, arXiv 1503.03832) asks that every seed ranks above the users of
the background. Two long vectors could learn five users by heart; so they may take only a few short steps, and how many
is decided by seeds that are left out: the demand stays as it is unless those gain.

Without a sentence, or where the seeds clearly say something else than the sentence, the demand begins at what the
seeds have in common (``encoders.tuning.tuned``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t
from torch import Tensor
from torch.nn import functional

from encoders.errors import RequestError
from encoders.model.dual import EncodedParts
from encoders.predictor import Forecaster
from encoders.text.demand import Demand, read_demand
from encoders.tuning.tuned import BaseRates, TunedDemand
from encoders.workspace import Progress, silent

Rows = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

FEWEST_SEEDS = 5
_FOLDS = 5
STEPS = 4
_STEP = 0.05
"""Length of a step of each of the two vectors; phrases and sentences have length one."""
_MARGIN = 1.0
"""By how much a seed shall rank above others, in standard deviations of the background."""
_SURELY, CLEARLY = 0.84, 0.975
"""How sure a gain of the seeds left out must be: for taking steps, and for giving up the sentence."""
_MOST_SEEDS, _MOST_OTHERS = 500, 1000
"""More of them are drawn from; they would only take longer."""


@dataclass(frozen=True)
class _Start:
    """A demand before the first step."""

    demand: Demand
    parts: EncodedParts
    """The parts of the demand once for every fold of seeds, then once for all seeds."""
    from_seeds: bool


@dataclass(frozen=True)
class _Found:
    """A demand after its last step."""

    parts: EncodedParts
    steps: int
    before: Vector
    """[seeds]: share of the background that each seed ranks above when it is left out, before the first step."""
    after: Vector
    """[seeds]: the same after the last."""


def tune(
    forecaster: Forecaster, sentence: str | None, seeds: Sequence[str], progress: Progress = silent
) -> TunedDemand:
    """Fit a demand to seeds; the same users in another order give the same demand.

    Args:
        forecaster: the model and the users.
        sentence: what is wanted, in words; None for a look-alike of the seeds.
        seeds: ids of users; those without a history before the as-of date are passed over.
        progress: called with every step.

    Raises:
        RequestError: fewer than ``FEWEST_SEEDS`` have a history, or hardly anybody is left beside them.
    """
    progress("Looking at the users given", 0.0)
    trial = _Trial(forecaster, seeds)
    demand = None if sentence is None else read_demand(sentence)
    starts = [] if demand is None else [trial.from_sentence(demand)]
    if demand is None or len(demand.parts) == 1:
        starts.append(trial.from_seeds(demand))
    tried = [trial.descend(start, _part(progress, number, len(starts))) for number, start in enumerate(starts)]
    start, found = starts[0], tried[0]
    if len(tried) == 2 and _sure_gain(tried[1].after - found.after, CLEARLY) > 0:
        start, found = starts[1], tried[1]
    return TunedDemand(
        demand=start.demand,
        parts=found.parts,
        model_version=forecaster.model.config.version,
        from_seeds=start.from_seeds,
        seeds=trial.known,
        steps=found.steps,
        auc_before=float(tried[0].before.mean()),
        auc_after=float(found.after.mean()),
    )


class _Trial:
    """The seeds in folds, the background, and how any prompt does on them."""

    def __init__(self, forecaster: Forecaster, seeds: Sequence[str]) -> None:
        self._forecaster = forecaster
        self._snapshot, self._model, self._placed = forecaster.snapshot, forecaster.model.encoder, forecaster.placed
        rng = np.random.default_rng(forecaster.model.config.seed)
        known, others = _split(forecaster, seeds)
        self.known = len(known)
        self._seeds = np.sort(rng.permutation(known)[:_MOST_SEEDS])
        self._others = np.sort(rng.permutation(others)[:_MOST_OTHERS])
        self._fold_of = rng.permutation(len(self._seeds)) % _FOLDS
        self._trained = [*(self._fold_of != fold for fold in range(_FOLDS)), np.ones(len(self._seeds), bool)]
        """For every list of seeds that a prompt is learned from, which of them are in it; the last has all."""
        self._rows = np.concatenate([self._seeds, self._others])
        self._users = torch.from_numpy(forecaster.user_vectors[self._rows])

    def from_sentence(self, demand: Demand) -> _Start:
        """Begin at a sentence."""
        parts = self._forecaster.encode(demand, self._forecaster.source_meant(demand.sentence))
        return _Start(demand, parts.take(np.tile(np.arange(len(parts)), len(self._trained))), from_seeds=False)

    def from_seeds(self, demand: Demand | None) -> _Start:
        """Begin at what each list of seeds has in common; a ``demand`` keeps its words, horizon and newcomers."""
        background = BaseRates(self._forecaster)
        grounds = [background.ground(self._seeds[trained], self._others) for trained in self._trained]
        alike = background.demand(grounds[-1])
        if demand is not None:
            alike = replace(demand, parts=alike.parts)
        return _Start(alike, background.encode(grounds), from_seeds=True)

    def descend(self, start: _Start, progress: Progress = silent) -> _Found:
        """Take the steps for every list of seeds at once, then go back to where seeds left out gained most surely."""
        wanted = torch.tensor([not part.negated for part in start.demand.parts])
        movable = wanted.repeat(len(self._trained))[:, None].float()
        phrase, sentence = torch.zeros_like(start.parts.sentences), torch.zeros_like(start.parts.sentences)
        path, ranks = [start.parts], []
        for step in range(STEPS + 1):
            progress("Tuning", step / (STEPS + 1))
            scores = self._scores(_behind(start.parts, phrase.requires_grad_(), sentence.requires_grad_()), wanted)
            ranks.append(self._left_out(scores.detach().numpy()))
            if step < STEPS:
                slopes = torch.autograd.grad(self._triplet_loss(scores), [phrase, sentence], materialize_grads=True)
                phrase, sentence = (
                    token.detach() - _STEP * movable * functional.normalize(slope, dim=-1)
                    for token, slope in zip((phrase, sentence), slopes, strict=True)
                )
                path.append(_behind(start.parts, phrase, sentence))
        steps = int(np.argmax([_sure_gain(after - ranks[0], _SURELY) for after in ranks]))
        parts = len(wanted)
        everyone = len(start.parts) - parts + np.arange(parts)
        return _Found(path[steps].take(everyone), steps, ranks[0], ranks[steps])

    def _scores(self, parts: EncodedParts, wanted: Tensor) -> Tensor:
        """[seeds and others, lists]: mean over the wanted parts, in standard deviations of the background."""
        near = self._model.nearness(self._placed, parts)
        raw = self._model.score(self._snapshot, parts, near, self._users, self._rows)
        others = raw[len(self._seeds) :]
        standard = (raw - others.mean(0)) / (others.std(0, correction=0) + 1e-6)
        return standard.reshape(len(raw), len(self._trained), len(wanted))[:, :, wanted].mean(-1)

    def _triplet_loss(self, scores: Tensor) -> Tensor:
        """Mean over all pairs of a seed and a user of the background, summed over the lists."""
        count = len(self._seeds)
        terms = [
            functional.relu(_MARGIN - scores[:count][trained, k][:, None] + scores[None, count:, k]).mean()
            for k, trained in enumerate(self._trained)
        ]
        return torch.stack(terms).sum()

    def _left_out(self, scores: npt.NDArray[np.float32]) -> Vector:
        """Share of the background that each seed ranks above in the fold that leaves it out, ties half: [seeds]."""
        mine = scores[np.arange(len(self._seeds)), self._fold_of]
        others = scores[len(self._seeds) :, self._fold_of]
        return np.asarray((others < mine).mean(0) + (others == mine).mean(0) / 2, np.float64)


def _part(progress: Progress, number: int, parts: int) -> Progress:
    """The progress of one of several equal parts, as progress of the whole."""

    def tell(description: str, fraction: float | None = None, /) -> None:
        progress(description, (number + (fraction or 0.0)) / parts)

    return tell


def _split(forecaster: Forecaster, seeds: Sequence[str]) -> tuple[Rows, Rows]:
    """Rows of the seeds that are known, and of the background: the population without them."""
    histories = forecaster.snapshot.histories
    known = np.array(sorted({histories.row_of[user] for user in seeds if user in histories.row_of}), np.int64)
    if len(known) < FEWEST_SEEDS:
        raise RequestError(
            f"Tuning needs at least {FEWEST_SEEDS} users with events before {histories.past.as_of}; "
            f"of the {len(set(seeds))} given, {len(known)} have any."
        )
    others = np.setdiff1d(np.flatnonzero(histories.in_population), known)
    if len(others) < FEWEST_SEEDS:
        raise RequestError("Nearly every user is among those given, so nothing sets them apart; give fewer.")
    return known, others


def _behind(parts: EncodedParts, phrase: Tensor, sentence: Tensor) -> EncodedParts:
    """The parts with one vector [B, D] in front of the phrases and another in front of the sentence of each."""
    return replace(
        parts,
        phrases=functional.normalize(parts.phrases + phrase[parts.owner], dim=-1),
        sentences=functional.normalize(parts.sentences + sentence, dim=-1),
    )


def _sure_gain(gains: Vector, confidence: float) -> float:
    """What the seeds gain on average at least, by Student's one-sided interval."""
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return float(gains.mean() - t.ppf(confidence, len(gains) - 1) * error)
