"""Tuned demands as they are kept and used: one small file each, and the forecast behind a prompt.

    tuned/<name>.safetensors    what the model reads, and in its header what the demand says and how it was tuned

No user id is kept.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from encoders.errors import ModelError, NotThereError, RequestError
from encoders.forecast import Forecast, Forecaster
from encoders.language.demand import Demand
from encoders.model.dual import EncodedParts
from encoders.tensors import load_tensors, save_tensors
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
