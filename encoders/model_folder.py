"""A model on disk: ``config.json``, ``model.safetensors`` and ``report.json``; never a pickle."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from encoders.calibrate import Calibration
from encoders.dual import DualEncoder
from encoders.errors import ModelError
from encoders.grounding import Grounding
from encoders.workspace import Workspace, atomic_folder

FORMAT = 3
"""Raised whenever folders of an older version can no longer be read."""


class ModelConfig(BaseModel):
    """What a model needs beside its weights, and what it was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    version: str
    text_encoder: str
    dimension: int
    width: int
    as_of: date
    """No event on or after this date was read."""
    data_version: str
    seed: int
    grounding: Grounding
    calibration: Calibration


@dataclass(frozen=True)
class TrainedModel:
    """Weights and config together."""

    encoder: DualEncoder
    config: ModelConfig


def write_model(folder: Path, model: TrainedModel, report: dict[str, Any]) -> Path:
    """Write a model folder, whole or not at all."""
    with atomic_folder(folder) as part:
        save_file(model.encoder.state_dict(), part / "model.safetensors")
        (part / "config.json").write_text(model.config.model_dump_json(indent=1), "utf-8")
        (part / "report.json").write_text(json.dumps(report, indent=1), "utf-8")
    return folder


def read_config(folder: Path) -> ModelConfig:
    """Read the config of a model folder.

    Raises:
        ModelError: the folder is from another version or damaged.
    """
    remedy = "run 'audience train' to make a new one"
    try:
        raw = json.loads((folder / "config.json").read_text("utf-8"))
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise ModelError(f"The model in {folder} has format {found}, this program reads format {FORMAT}; {remedy}.")
        return ModelConfig.model_validate(raw)
    except (OSError, ValueError, ValidationError) as error:
        raise ModelError(f"The model in {folder} cannot be read ({type(error).__name__}); {remedy}.") from error


def read_model(folder: Path) -> TrainedModel:
    """Load a model folder.

    Raises:
        ModelError: the folder is from another version or damaged.
    """
    config = read_config(folder)
    encoder = DualEncoder(config.dimension, config.width)
    try:
        encoder.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"The weights in {folder} do not fit this program ({type(error).__name__}); "
            "run 'audience train' to make new ones."
        ) from error
    return TrainedModel(encoder.eval(), config)


def usable_model(workspace: Workspace, text_encoder: str, data_version: str, as_of: date) -> Path | None:
    """The latest model that fits the data and has read no event on or after ``as_of``; None where there is none."""
    fitting = []
    for folder in workspace.models():
        try:
            config = read_config(folder)
        except ModelError:
            continue
        if config.text_encoder == text_encoder and config.data_version == data_version and config.as_of <= as_of:
            fitting.append((config.as_of, folder))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None
