"""A model on disk: ``config.json``, ``model.safetensors`` and ``report.json``; never a pickle.

``lora.safetensors`` is there too where the text encoder was trained, and ``checksums.json`` says what every file was.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from encoders.calibration import Calibration, ItemGrounding
from encoders.checksums import adopt, clear_checksums, damaged_files, write_checksums
from encoders.errors import ModelError, NotThereError, WorkspaceError
from encoders.model.dual import Addition, DualEncoder
from encoders.records import Record
from encoders.text.encoders import text_encoder
from encoders.training.lora import AdaptedEncoder
from encoders.workspace import CURRENT, Workspace, atomic_file, atomic_folder, plain_faults, set_aside

FORMAT = 6
"""Raised whenever folders of an older version can no longer be read."""


class ModelConfig(Record):
    """What a model needs beside its weights, and what it was made from."""

    format: int
    version: str
    text_encoder: str
    dimension: int
    width: int
    without: tuple[Addition, ...] = ()
    """What an ablation left out."""
    lora_rank: int = 0
    """Rank of the text encoder's adapter; 0 where it has none."""
    as_of: date
    """No event on or after this date was read."""
    data_name: str
    """The data set it was trained on; its calendar is the one that ``as_of`` belongs to."""
    data_version: str
    seed: int
    grounding: ItemGrounding
    calibration: Calibration
    checked: bool = False
    """Whether the folder has had checksums, so that one without them has lost them."""


@dataclass(frozen=True)
class TrainedModel:
    """Weights and config together."""

    encoder: DualEncoder
    config: ModelConfig
    adapted: AdaptedEncoder | None = None
    """Reads demands, where the text encoder was trained."""


def write_model(folder: Path, model: TrainedModel, report: dict[str, Any]) -> Path:
    """Write a model folder, whole or not at all."""
    with atomic_folder(folder) as part:
        save_file(model.encoder.state_dict(), part / "model.safetensors")
        if model.adapted:
            save_file(model.adapted.state_dict(), part / "lora.safetensors")
        (part / "config.json").write_text(model.config.model_dump_json(indent=1), "utf-8")
        (part / "report.json").write_text(json.dumps(report, indent=1), "utf-8")
        write_checksums(part)
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


def damaged_model(folder: Path) -> list[str]:
    """Files of a model folder that are not as they were written."""
    with suppress(ModelError):
        return damaged_files(folder, always=read_config(folder).checked)
    return damaged_files(folder)


def read_model(folder: Path) -> TrainedModel:
    """Load a model folder; one that an earlier version wrote without checksums gets them, and a note that it did.

    Raises:
        ModelError: the folder is from another version or damaged.
    """
    config = read_config(folder)
    if damaged := damaged_files(folder, always=config.checked):
        raise ModelError(
            f"{folder / damaged[0]} is damaged: it is not what was written; run 'audience train' to make the model "
            "again."
        )
    encoder = DualEncoder(config.dimension, config.width, config.without)
    adapted = AdaptedEncoder(text_encoder(config.text_encoder), config.lora_rank) if config.lora_rank else None
    try:
        encoder.load_state_dict(load_file(folder / "model.safetensors"))
        if adapted:
            adapted.load_state_dict(load_file(folder / "lora.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"The weights in {folder} do not fit this program ({type(error).__name__}); "
            "run 'audience train' to make new ones."
        ) from error
    _adopt_model(folder)
    return TrainedModel(encoder.eval(), config, adapted)


def _adopt_model(folder: Path) -> None:
    """Give the folder of an earlier version checksums, and note in its config that they have to be there from now on.

    Nothing happens where it cannot be written; where it is stopped halfway, it is done when the model is opened again.
    """
    with suppress(OSError, WorkspaceError):
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if not config.get("checked"):
            clear_checksums(folder)
            with atomic_file(folder / "config.json") as part:
                part.write_text(json.dumps(config | {"checked": True}, indent=1), "utf-8")
    adopt(folder)


def usable_model(workspace: Workspace, text_encoder: str, data_name: str, as_of: date) -> Path | None:
    """The latest model of this data set that has read no event on or after ``as_of``; None where there is none.

    One that was chosen with ``choose_model`` comes before it, where it fits.

    Later rows of the same data set keep their model: it reads texts and counts, never row numbers. Models that are
    damaged are set aside, which is said, and the next older one is taken.
    """
    fitting: list[tuple[date, Path]] = []
    chosen = chosen_model(workspace)
    for folder in _set_damaged_aside(workspace):
        try:
            config = read_config(folder)
        except ModelError:
            continue
        if config.text_encoder == text_encoder and config.data_name == data_name and config.as_of <= as_of:
            if folder.name == chosen:
                return folder
            fitting.append((config.as_of, folder))
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def chosen_model(workspace: Workspace) -> str:
    """The version of the model that somebody went back to; empty: the latest one is used."""
    try:
        return (workspace.models_folder / CURRENT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def choose_model(workspace: Workspace, version: str) -> None:
    """Have everybody who opens the workspace from now on use one model; empty: the latest one again.

    Raises:
        NotThereError: there is no such model.
        WorkspaceError: it may not be written.
    """
    pointer = workspace.models_folder / CURRENT
    if version and version not in (there := [folder.name for folder in workspace.models()]):
        raise NotThereError(f"There is no model '{version[:60]}'; there are {', '.join(there) or 'none'}.")
    with plain_faults(pointer):
        if not version:
            pointer.unlink(missing_ok=True)
            return
        with atomic_file(pointer) as part:
            part.write_text(version, "utf-8")


def _set_damaged_aside(workspace: Workspace) -> list[Path]:
    """The models of a workspace that are what was written, newest first."""
    whole = []
    for folder in workspace.models():
        damaged = damaged_model(folder)
        if not damaged:
            whole.append(folder)
            continue
        with suppress(WorkspaceError):  # on a read-only disk it is passed over where it is
            lost = f"{', '.join(damaged)} is not what was written; an older model is taken where there is one"
            set_aside(folder, workspace.path / "damaged", f"{lost}, and 'audience train' makes it again")
    return whole
