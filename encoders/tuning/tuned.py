"""Tuned demands as they are kept and used, and what a list of users has in common."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from torch.nn import functional

from encoders.data.events import HORIZON_DAYS
from encoders.errors import ModelError, NotThereError, RequestError
from encoders.model.dual import EncodedParts, encode_parts
from encoders.predictor import Forecast, Forecaster
from encoders.tensors import load_tensors, save_tensors
from encoders.text.demand import Demand, Part
from encoders.workspace import Workspace, atomic_file

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
