"""Tuned demands for the service: fitted to users that are known, kept by name, forecast like any sentence."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from encoders.demand_reader import Items
from encoders.errors import RequestError
from encoders.predictor import Forecast, Forecaster
from encoders.text.demand import Demand
from encoders.tuning import TunedDemand, forecast_tuned, read_tuned, tune, tuned_path, write_tuned
from encoders.workspace import Progress, Workspace, silent
from tools.types import AudienceSpec, TunedSummary

_READS_AS = 8
_NAMED = 5
_SURE = 2.0
"""Users with nothing in common come so many standard errors above one half in one case of forty."""


class TunedDemands:
    """The tuned demands of one workspace in front of one forecaster."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster) -> None:
        """Read nothing yet."""
        self._workspace, self._forecaster = workspace, forecaster
        self._computed = lru_cache(maxsize=16)(self._compute)

    def tune(
        self,
        name: str,
        demand: str | None,
        seeds: Sequence[str],
        progress: Progress = silent,
        named: Mapping[str, str] | None = None,
    ) -> TunedSummary:
        """Fit a demand to users and keep it under a name, in place of an earlier one; raises like the service.

        Args:
            name: what ``AudienceSpec.like`` will call it.
            demand: the sentence to begin with; None for none.
            seeds: ids of users.
            progress: called as the work goes on.
            named: how the caller named them, where that is not by their ids.
        """
        tuned_path(self._workspace, name)
        tuned = tune(self._forecaster, demand, seeds, progress)
        progress("Keeping the tuned demand", 1.0)
        write_tuned(self._workspace, name, tuned)
        return self._summary(name, tuned, self._warnings(tuned, demand, seeds, named or {}))

    def summary(self, name: str) -> TunedSummary:
        """What is kept under a name."""
        return self._summary(name, self._read(name), ())

    def forecast(self, spec: AudienceSpec) -> Forecast:
        """The forecast of a spec that names a tuned demand; raises like ``meant``."""
        self._named(spec)
        return self._forecast(spec.like)

    def meant(self, spec: AudienceSpec) -> tuple[Demand, list[Items]]:
        """The demand of a spec that names a tuned one, and per part the items that it means.

        Raises:
            RequestError: there is none of that name, or the spec says another sentence.
        """
        tuned = self._named(spec)
        return tuned.demand, self._forecaster.items_of(tuned.demand, tuned.parts)

    def _named(self, spec: AudienceSpec) -> TunedDemand:
        tuned = self._read(spec.like)
        if spec.demand != tuned.demand.sentence:
            raise RequestError(
                f"'{spec.like}' was tuned for \"{tuned.demand.sentence}\", which is not the demand that was given; "
                "repeat that sentence, or tune another."
            )
        return tuned

    def _read(self, name: str) -> TunedDemand:
        return read_tuned(self._workspace, name, self._forecaster.model.config.version)

    def _forecast(self, name: str) -> Forecast:
        return self._computed(name, tuned_path(self._workspace, name).stat().st_mtime_ns)

    def _compute(self, name: str, _written: int) -> Forecast:
        return forecast_tuned(self._forecaster, self._read(name))

    def _summary(self, name: str, tuned: TunedDemand, warnings: tuple[str, ...]) -> TunedSummary:
        groups = self._forecaster.snapshot.vocabulary.groups
        reads_as = dict.fromkeys(groups[item] for item in self._forecast(name).items)
        return TunedSummary(
            name=name,
            demand=tuned.demand.sentence,
            from_seeds=tuned.from_seeds,
            seeds=tuned.seeds,
            auc_before=tuned.auc_before,
            auc_after=tuned.auc_after,
            reads_as=tuple(reads_as)[:_READS_AS],
            warnings=warnings,
        )

    def _warnings(
        self, tuned: TunedDemand, demand: str | None, seeds: Sequence[str], named: Mapping[str, str]
    ) -> tuple[str, ...]:
        warnings = []
        histories = self._forecaster.snapshot.histories
        unknown = sorted(set(seeds) - histories.row_of.keys())
        if unknown:
            examples = ", ".join(repr(named.get(user, user)[: _NAMED * 8]) for user in unknown[:_NAMED])
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            warnings.append(f"{len(unknown)} have no events before {histories.past.as_of}: {examples}{more}.")
        if demand is not None and tuned.from_seeds:
            warnings.append("The users given have something else in common than the sentence says; they are followed.")
        elif demand is not None and not tuned.steps:
            warnings.append("The users given add nothing to the sentence, so it is kept as it is.")
        if tuned.auc_after < 0.5 + _SURE / np.sqrt(12 * tuned.seeds):
            warnings.append("The users given have little in common, so this is close to picking at random.")
        return tuple(warnings)
