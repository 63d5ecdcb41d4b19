"""What is to be written: which styles, languages and users, for how much, and where it is kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from encoders.errors import RequestError
from encoders.workspace import Workspace
from prompts.loader import table

Sampling = Literal["stratified", "active"]

STYLES = tuple(table("labelling/write")["styles"])
LANGUAGES = tuple(table("labelling/write")["languages"])
STANDARD_STYLES = ("need", "occasion", "life_stage", "product")
NEGATIVE, CONTRAST, PRODUCT = "negative", "contrast", "product"


@dataclass(frozen=True)
class LabelJob:
    """One set of labels."""

    name: str
    units: int = 500
    """User-windows."""
    windows: int = 3
    styles: tuple[str, ...] = STANDARD_STYLES
    languages: tuple[str, ...] = ("en",)
    per_unit: int = 1
    """Styles per user-window, in turns."""
    lines: int = 4
    """Lines that a writer reads of one user."""
    sampling: Sampling = "stratified"
    self_check: bool = False
    temperature: float | None = None
    """None leaves it to the server."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises:
            RequestError: a style or language that there is not, or a name that is no plain name of a folder.
        """
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise RequestError(f"'{self.name}' cannot name a set of labels; use letters, digits, - and _.")
        for given, known, what in ((self.styles, STYLES, "style"), (self.languages, LANGUAGES, "language")):
            if wrong := [each for each in given if each not in known]:
                raise RequestError(f"'{wrong[0]}' is no {what} of labels; there is {', '.join(known)}.")


@dataclass(frozen=True)
class Paths:
    """Where labels are kept in a workspace."""

    workspace: Workspace
    name: str = ""
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        """Labels of one name share a folder."""
        object.__setattr__(self, "folder", self.workspace.path / "labels" / self.name)

    @property
    def ledger(self) -> Path:
        """Every request of every set: what two sets ask alike is asked once."""
        return self.workspace.path / "labels" / "ledger.db"

    @property
    def labels(self) -> Path:
        """The labels themselves."""
        return self.folder / "labels.parquet"

    @property
    def report(self) -> Path:
        """How they came about, for machines."""
        return self.folder / "report.json"

    @property
    def card(self) -> Path:
        """What they are, in words."""
        return self.folder / "card.md"
