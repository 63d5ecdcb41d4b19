"""What a job asks for: which windows, which users, which sentences, in which words."""

from dataclasses import dataclass
from datetime import date

from agent.labelling.job import LabelJob
from agent.labelling.sampling import Horizon, LabelTask, stratified, tasks
from encoders.data.events import Dataset, DatasetCard
from encoders.errors import DataError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent


@dataclass(frozen=True)
class Plan:
    """The sentences of a job, in order."""

    dataset: Dataset
    as_of: date
    tasks: list[LabelTask]
    users: int
    """Users that could have been chosen, all windows together."""

    @property
    def card(self) -> DatasetCard:
        """The card of the data that is written about."""
        return self.dataset.card


def plan(
    workspace: Workspace, settings: Settings, job: LabelJob, as_of: date | None = None, progress: Progress = silent
) -> Plan:
    """Choose whom to write about. Horizons end on or before the as-of date; the same seed chooses the same users.

    Raises:
        DataError: no window lies before the date, or nobody did anything in them.
        ModelError: active sampling, and no model is old enough to tell where it was wrong.
    """
    dataset = Dataset.current(workspace)
    past = dataset.before(as_of or dataset.card.default_as_of)
    horizons = []
    for number, window in enumerate(past.windows(count=job.windows)):
        progress("Reading what users did", number / job.windows)
        horizons.append(Horizon(window, dataset.card))
    users = sum(horizon.deeds["user_id"].n_unique() for horizon in horizons)
    if not users:
        raise DataError(f"Nobody did anything in a window that ended by {past.as_of}; choose a later as-of date.")
    if job.sampling == "active":
        from agent.labelling.sampling import surprising

        chosen = surprising(workspace, settings, horizons, past, job.units, progress)
    else:
        chosen = stratified(horizons, job.units, settings.seed)
    return Plan(dataset, past.as_of, tasks(horizons, chosen, job), users)
