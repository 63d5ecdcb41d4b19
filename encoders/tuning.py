"""Few-shot: demands fitted to a few users who are known to be what is meant, as they are fitted, kept and used."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from scipy.stats import t
from torch import Tensor
from torch.nn import functional

from encoders.data.events import HORIZON_DAYS
from encoders.errors import ModelError, NotThereError, RequestError
from encoders.model.dual import EncodedParts, encode_parts
from encoders.predictor import Forecast, Forecaster
from encoders.tensors import load_tensors, save_tensors
from encoders.text.demand import Demand, Part, read_demand
from encoders.workspace import Progress, Workspace, atomic_file, silent

# --- Tuned demands as they are kept and used, and what a list of users has in common --------------


NAME_LENGTH = 60
_NAME = re.compile(r"\w(?:[\w -]*\w)?")


@dataclass(frozen=True)
class TunedDemand:
    """A demand behind its prompt, and what the seeds that were left out say about it."""

    demand: Demand
    parts: EncodedParts
    """The parts of the demand as the model reads them, prompt included."""
    model_version: str
    from_seeds: bool
    """There was no sentence; the demand was made from the seeds."""
    seeds: int
    """Seeds that have a history."""
    steps: int
    """Steps that were taken; none where the demand was better left as it was."""
    auc_before: float
    """Chance that a seed ranks above a user of the background, before the first step."""
    auc_after: float
    """The same with the prompt; both were measured on seeds that were left out."""


def tuned_path(workspace: Workspace, name: str) -> Path:
    """Where the tuned demand ``name`` is kept; upper and lower case are the same name.

    Raises:
        RequestError: that is no name.
    """
    if len(name) > NAME_LENGTH or not _NAME.fullmatch(name):
        raise RequestError(
            f"'{name[:NAME_LENGTH]}' cannot name a tuned demand; take 1 to {NAME_LENGTH} letters, digits, "
            "spaces and hyphens."
        )
    return workspace.tuned / f"{name.casefold().replace(' ', '-')}.safetensors"


def write_tuned(workspace: Workspace, name: str, tuned: TunedDemand) -> Path:
    """Keep a tuned demand under a name; an earlier one of that name is replaced."""
    path = tuned_path(workspace, name)
    facts = asdict(tuned)
    parts = facts.pop("parts")
    tensors = {key: torch.as_tensor(value).contiguous() for key, value in parts.items()}
    with atomic_file(path) as part:
        save_tensors(tensors, part, tuned=json.dumps(facts))
    return path


def read_tuned(workspace: Workspace, name: str, model_version: str) -> TunedDemand:
    """Load the tuned demand ``name``.

    Raises:
        RequestError: there is none of that name.
        ModelError: it was tuned with another model, or the file is damaged.
    """
    path = tuned_path(workspace, name)
    try:
        read, metadata = load_tensors(path)
        tensors: dict[str, Any] = dict(read)
        facts: dict[str, Any] = json.loads(metadata["tuned"])
        parts = EncodedParts(**{**tensors, "source": tensors["source"].numpy(), "gain": float(tensors["gain"])})
        facts["demand"] = TypeAdapter(Demand).validate_python(facts["demand"])
        tuned = TunedDemand(parts=parts, **facts)
    except FileNotFoundError:
        there = sorted(each.stem for each in path.parent.glob("*.safetensors")) if path.parent.is_dir() else []
        known = f"there is {', '.join(map(repr, there))}" if there else "none is kept yet"
        raise NotThereError(f"There is no tuned demand '{name}'; {known}. 'audience tune' makes one.") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise ModelError(f"{path} is damaged ({type(error).__name__}); tune '{name}' again.") from error
    if tuned.model_version != model_version:
        raise ModelError(
            f"'{name}' was tuned with model {tuned.model_version} and cannot be read by model {model_version}; "
            "tune it again with 'audience tune'."
        )
    return tuned


def forecast_tuned(forecaster: Forecaster, tuned: TunedDemand) -> Forecast:
    """What a tuned demand gives for the users of ``forecaster``.

    Everything is read through the prompt: scores, which items are meant, and by how many people do those the level of
    the probabilities. How common the seeds are says nothing, so it is not used.
    """
    return forecaster.compute(tuned.demand, tuned.parts)


Rows = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]

_WINDOWS = (28, 91, None)
"""In days before the as-of date: seeds may have in common what they did lately, or at any time."""
_GROUPS = 10
"""At most so many groups take part."""
_SHARPNESS = 4
"""Power of the evidence of a group, relative to the best one's; see dev/LOG.md."""
_NAMED = 0.5
"""Groups of at least so much weight, relative to the best one's, are named in the sentence."""


@dataclass(frozen=True)
class SharedGroups:
    """What seeds have in common: names of groups, best first, and weights of which the first is one."""

    groups: tuple[str, ...]
    weights: Weights


class BaseRates:
    """Everything the users of one forecaster did, by group of the main source."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Count by group; takes one pass over the events for each window."""
        vocabulary = forecaster.snapshot.vocabulary
        main = np.flatnonzero(vocabulary.main_items)
        self._forecaster = forecaster
        names, number = np.unique([vocabulary.groups[item] for item in main], return_inverse=True)
        self._names = [str(name) for name in names]
        shape = (len(vocabulary.texts), len(names))
        belongs = sp.csr_matrix((np.ones(len(main), np.float32), (main, number)), shape=shape)
        self._did = [sp.csr_matrix((forecaster.done_within(days) @ belongs) > 0) for days in _WINDOWS]

    def ground(self, seeds: Rows, others: Rows) -> SharedGroups:
        """The groups that more of ``seeds`` than of ``others`` did something with.

        The evidence of a group is the log-likelihood ratio of the seeds' share against the others' (Dunning, "Accurate
        Methods for the Statistics of Surprise and Coincidence", 1993), in the window where it is largest.
        """
        evidence = np.max([_surprise(did, seeds, others) for did in self._did], axis=0)
        best = np.argsort(-evidence, kind="stable")[:_GROUPS]
        best = best[evidence[best] > 0]
        if not len(best):
            best = np.argsort(-np.asarray(self._did[-1][others].sum(0)).ravel(), kind="stable")[:1]
            return SharedGroups((self._names[best[0]],), np.ones(1, np.float32))
        weights = (evidence[best] / evidence[best[0]]) ** _SHARPNESS
        return SharedGroups(tuple(self._names[group] for group in best), weights.astype(np.float32))

    def demand(self, ground: SharedGroups) -> Demand:
        """The sentence that comes nearest to what the seeds have in common."""
        named = tuple(group for group, weight in zip(ground.groups, ground.weights, strict=True) if weight >= _NAMED)
        return Demand(self._sentence(" or ".join(named)), (Part(named),), HORIZON_DAYS)

    def encode(self, grounds: list[SharedGroups]) -> EncodedParts:
        """One part per ground, of a single phrase: the mean of its groups by weight."""
        distinct = sorted({group for ground in grounds for group in ground.groups})
        number = {group: place for place, group in enumerate(distinct)}
        demands = [Demand(self._sentence(group), (Part((group,)),)) for group in distinct]
        single, _ = encode_parts(self._forecaster.encoder, demands, [0] * len(distinct))
        weights = torch.zeros(len(grounds), len(distinct))
        for row, ground in enumerate(grounds):
            weights[row, [number[group] for group in ground.groups]] = torch.from_numpy(ground.weights)
        return EncodedParts(
            phrases=functional.normalize(weights @ single.phrases, dim=-1),
            owner=torch.arange(len(grounds)),
            sentences=functional.normalize(weights @ single.sentences, dim=-1),
            source=np.zeros(len(grounds), np.int64),
        )

    def _sentence(self, items: str) -> str:
        card = self._forecaster.dataset.card
        return f"{card.unit_plural} that will {card.wordings.get(card.main_source, 'do {items}').format(items=items)}"


def _surprise(did: sp.csr_matrix, seeds: Rows, others: Rows) -> npt.NDArray[np.float64]:
    """Log-likelihood ratio of each group, zero where the seeds did less than the others."""
    count = np.asarray(did[seeds].sum(0), np.float64).ravel()
    usual = (np.asarray(did[others].sum(0), np.float64).ravel() + 0.5) / (len(others) + 1)
    share = (count + usual) / (len(seeds) + 1)
    ratio = count * np.log(share / usual) + (len(seeds) - count) * np.log((1 - share) / (1 - usual))
    return np.asarray(np.where(share > usual, np.maximum(ratio, 0.0), 0.0))


# --- Few-shot: fitting a demand to a few users who are known to be what is meant ------------------
#
# The text encoders are frozen, so the prompt stands where the model reads: in front of the phrases of a demand there is
# one learnable vector and in front of its sentence another, added as a sentence itself is added to its phrases. Nothing
# else is trained. A triplet loss (Schroff et al. 2015, arXiv 1503.03832) asks that every seed ranks above the users of
# the background. Two long vectors could learn five users by heart; so they may take only a few short steps, and how
# many is decided by seeds that are left out: the demand stays as it is unless those gain.
#
# Without a sentence, or where the seeds clearly say something else than the sentence, the demand begins at what the
# seeds have in common, see ``SharedGroups``.


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
