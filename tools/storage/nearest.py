"""The users nearest to one user, by the vector store where it is up to date, else by comparing everybody."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.errors import BrokenIndexError, DiskError, MissingExtraError, RequestError, WorkspaceError
from encoders.predictor import Forecaster
from encoders.settings import Settings
from encoders.workspace import Workspace
from tools.storage.indexing import index_name
from tools.storage.vectors_process import nearest_apart
from tools.types import Filter

SEARCHED = 100
"""So many times as many as are wanted are asked for: of the nearest, only those in the audience count."""


class Neighbours(NamedTuple):
    """Rows of users, the nearest first."""

    rows: npt.NDArray[np.int64]
    found_by: Literal["index", "scan"]


def neighbours(
    workspace: Workspace,
    settings: Settings,
    forecaster: Forecaster,
    row: int,
    inside: npt.NDArray[np.bool_],
    filters: Sequence[Filter],
    count: int,
) -> Neighbours:
    """The ``count`` users nearest to the user ``row`` among those ``inside`` [N], without that user.

    The store is asked with the filters that all of them pass. Where it is not there, holds another state, is in use,
    or knows too few who are inside, everybody inside is compared.
    """
    found = _from_store(workspace, settings, forecaster, row, filters, SEARCHED * count)
    near = [each for each in found if inside[each] and each != row][:count]
    if len(near) == min(count, int(inside.sum()) - int(inside[row])):
        return Neighbours(np.array(near, np.int64), "index")
    others = np.flatnonzero(inside)
    others = others[others != row]
    cosines = forecaster.user_vectors[others] @ forecaster.user_vectors[row]
    return Neighbours(others[np.argsort(-cosines, kind="stable")[:count]], "scan")


def _from_store(
    workspace: Workspace, settings: Settings, forecaster: Forecaster, row: int, filters: Sequence[Filter], k: int
) -> list[int]:
    """Rows of the users that the store finds; none where it cannot be asked."""
    if not settings.chroma_url and not workspace.chroma.is_dir():
        return []
    vector = np.array(forecaster.user_vectors[row])
    try:
        ids = nearest_apart(workspace, settings.chroma_url, index_name(forecaster), vector, k, tuple(filters))
    except (BrokenIndexError, DiskError, MissingExtraError, RequestError, WorkspaceError):
        return []
    known = forecaster.snapshot.histories.row_of
    return [known[user] for user in ids if user in known]
