"""Which groups and items of a data set a thing of everyday life is: a table, made once and read by people.

For the built-in data sets the table is in ``prompts/knowledge/grounded``, where every line was looked at. For others it
is made here and written into the workspace (``grounded.toml``), where lines can be changed: names first, then what both
text encoders find nearest, and nothing where they disagree or nothing is near. Nearest text alone is not enough: it
takes rice for rice cakes, and baking powder for coffee.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from encoders.errors import DataError
from encoders.language.naming import stemmed
from encoders.language.text import JoinedEncoders, Matrix, TextEncoder
from encoders.reader.targets import Targets
from encoders.workspace import atomic_file

GROUNDED = "grounded.toml"

Table = Mapping[str, tuple[str, ...]]
"""Names of groups, or whole texts of items, by thing; none where the data has nothing of the kind."""

_NEAR = 0.6
"""A group or item is meant by another name from this cosine on, where all encoders find the same one."""
_MOST = 3


def checked_table(data_name: str) -> Table:
    """The table of a built-in data set; empty for others."""
    file = files("prompts").joinpath("knowledge", "grounded", f"{data_name}.toml")
    return read_table(file) if file.is_file() else {}


def read_table(file: Path | Traversable) -> dict[str, tuple[str, ...]]:
    """Read a table: TOML, a thing and a list of names on each line.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    wrong = [thing for thing, names in found.items() if not isinstance(names, list)]
    if wrong:
        raise DataError(f"{file}: '{wrong[0]}' needs a list of groups in brackets, [] for none.")
    return {thing: tuple(map(str, names)) for thing, names in found.items()}


def write_table(path: Path, table: Table, remark: str) -> None:
    """Write a table, sorted by thing."""
    lines = [f"# {remark}", *(f"{json.dumps(thing)} = {json.dumps(list(table[thing]))}" for thing in sorted(table))]
    with atomic_file(path) as part:
        part.write_text("\n".join([*lines, ""]), "utf-8")


def ground_things(things: Sequence[str], targets: Targets, encoder: TextEncoder) -> dict[str, tuple[str, ...]]:
    """Find what things are in the data: by name where something is called so, else by both encoders."""
    found: dict[str, tuple[str, ...]] = {}
    unnamed = []
    for thing in things:
        numbers = _by_name(thing, targets)
        if numbers:
            found[thing] = tuple(targets.texts[number] for number in numbers)
        else:
            unnamed.append(thing)
    if unnamed:
        for thing, number in zip(unnamed, _by_vector(encoder.encode(unnamed), targets, encoder), strict=True):
            found[thing] = () if number is None else (targets.group_of[number],)
    return found


def _by_name(thing: str, targets: Targets) -> tuple[int, ...]:
    """The groups of this name, else the groups of the items of this name, else those of what ends like it."""
    words = stemmed(thing)
    numbers = targets.called.get(words, ())
    groups = tuple(number for number in numbers if number < targets.groups)
    if groups:
        return groups[:_MOST]
    if len(numbers) == 1:
        return numbers
    return targets.numbers(dict.fromkeys(targets.group_of[number] for number in numbers))[:_MOST]


def _by_vector(vectors: Matrix, targets: Targets, encoder: TextEncoder) -> list[int | None]:
    """For each of N vectors the target that every encoder finds nearest, as far as its group; None without one."""
    cosines = vectors @ targets.vectors.T
    parts = [(0, vectors.shape[1])]
    if isinstance(encoder, JoinedEncoders):
        ends = np.cumsum([each.encode([""]).shape[1] for each in encoder.encoders])
        parts = list(zip([0, *ends[:-1]], ends, strict=True))
    agreed = np.ones(len(vectors), bool)
    best = cosines.argmax(axis=1)
    group_of = np.array(targets.group_of)
    for start, end in parts:
        nearest = (vectors[:, start:end] @ targets.vectors[:, start:end].T).argmax(axis=1)
        agreed &= group_of[nearest] == group_of[best]
    sure = agreed & (cosines[np.arange(len(best)), best] >= _NEAR)
    return [int(number) if good else None for number, good in zip(best, sure, strict=True)]
