"""The ledger: what was forecast for every version of every saved audience, beside what then happened.

The truth is read from the events themselves, once the data reaches past the horizon, exactly as an outcome 'from the
data' is counted. What was counted is kept with the version of the data, so that it is counted once.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import cached_property
from statistics import median
from typing import Literal

import polars as pl

from encoders.data.events import Dataset
from encoders.errors import AudienceError, WorkspaceError
from encoders.text.demand import read_demand
from encoders.workspace import Progress, silent
from tools.audiences.changes import saved_question, shown_aside
from tools.audiences.disclosure import Disclosure, number_text
from tools.audiences.outcomes import Outcomes, share
from tools.operation_types import ForecastRecord, ForecastScore, Kind, LedgerPage, Standing, paged
from tools.storage.kept_counts import Counted, KeptCounts, Place
from tools.storage.registry import Registry
from tools.types import AudienceSpec, SavedAudience

LEVEL = 0.8
"""Share of the intervals of saved forecasts that should hold what then happens: they are 80 % intervals."""


class ForecastLedger:
    """The forecasts of the saved audiences of one tenant, and what became of them."""

    def __init__(
        self,
        registry: Registry,
        dataset: Dataset,
        disclosure: Disclosure,
        outcomes: Outcomes,
        shown: Callable[[SavedAudience], SavedAudience],
    ) -> None:
        """Count nothing yet.

        Args:
            registry: the saved audiences.
            dataset: the data whose events tell.
            disclosure: how counts are shown to the caller.
            outcomes: counts who responded.
            shown: a saved audience as the caller may read it.
        """
        self._registry, self._dataset, self._shown_audience = registry, dataset, shown
        self._disclosure, self._outcomes = disclosure, outcomes
        self._kept = KeptCounts(registry.database)
        self._populations: dict[date, frozenset[str]] = {}

    def page(self, limit: int = 100, cursor: str = "", progress: Progress = silent) -> LedgerPage:
        """The forecasts, the latest first, a page at a time; and how many of all of them held.

        Args:
            limit: forecasts of a page.
            cursor: what the page before gave; empty for the first.
            progress: told how far the counting is, which takes a while where the data is new.

        Raises:
            RequestError: the cursor is none of a page before.
        """
        records = self._records(progress)
        shown, following = paged(records, lambda each: f"{each.audience_id} {each.version}", limit, cursor)
        card = self._dataset.card
        return LedgerPage(
            level=LEVEL,
            data_version=card.version,
            data_ends=card.last,
            overall=score("all", "", records),
            groups=(
                *_scores("kind", records, lambda each: each.kind),
                *_scores("approved_by", records, lambda each: each.approved_by),
                *_scores("month", records, lambda each: f"{each.as_of:%Y-%m}"),
            ),
            deleted=self._kept.deleted(),
            forecasts=tuple(map(self._with_uplift, shown)),
            next_cursor=following,
        )

    def _records(self, progress: Progress) -> list[ForecastRecord]:
        versions, counted = self._registry.versions(), self._kept.counted(self._dataset.card.version)
        records = []
        for number, saved in enumerate(versions):
            progress("Counting who responded", number / len(versions))
            records.append(self._record(saved, counted))
        return records

    def _record(self, saved: SavedAudience, known: dict[Place, Counted]) -> ForecastRecord:
        spec, until, counted, note = saved.spec, None, None, ""
        if spec is None:
            note = "It was combined from others, so nothing was forecast; bring its outcome as a file."
        else:
            until = saved.as_of + timedelta(days=read_demand(spec.demand).horizon_days)
            if until > self._dataset.card.last + timedelta(days=1):
                return self._shown(saved, until, "open", None, f"The data ends on {self._dataset.card.last}.")
            try:
                counted = known.get((saved.id, saved.version)) or self._count(saved)
            except AudienceError as error:
                note = str(error)
        if counted is not None and not counted.events:
            counted, note = None, "The data has no events of that kind from then on, so nobody could have done it."
        if counted is not None and counted.gone == counted.members:
            counted, note = None, "None of its users is in this data."
        if counted is None:
            return self._shown(saved, until, "not counted", None, note)
        if saved.forecast is None:
            return self._shown(saved, until, "not counted", counted, "No forecast was kept when it was saved.")
        if counted.gone:
            gone = number_text(shown_aside(counted.gone, self._disclosure, saved, "gone"), self._disclosure.minimum)
            note = f"{gone} of its users are not in this data any more, and count as if they did not respond."
        return self._shown(saved, until, "kept", counted, note)

    def _count(self, saved: SavedAudience) -> Counted:
        """Count in the data, and keep the numbers.

        Raises:
            AudienceError: the data cannot tell, or the model is needed and not open.
        """
        demand, items = self._outcomes.meant(saved)
        responded = self._outcomes.responded(saved)
        members = set(self._registry.members(saved.id, saved.version)[0])
        everyone = self._population(saved.as_of)
        sources = {str(name) for meant in items for name in self._dataset.items["source"].gather(meant).unique()}
        horizon = self._dataset.outcome(saved.as_of, demand.horizon_days)
        counted = Counted(
            members=len(members),
            gone=len(members - self._here),
            responders=len(members & responded),
            population=len(everyone),
            population_responders=len(everyone & responded),
            events=horizon.filter(pl.col("source").is_in(sorted(sources))).height,
        )
        with suppress(WorkspaceError):  # on a disk that is only read, it is counted again
            self._kept.keep((saved.id, saved.version), self._dataset.card.version, counted)
        return counted

    def _population(self, as_of: date) -> frozenset[str]:
        if as_of not in self._populations:
            self._populations[as_of] = frozenset(self._dataset.before(as_of).population)
        return self._populations[as_of]

    @cached_property
    def _here(self) -> set[str]:
        return self._dataset.user_ids()

    def _shown(
        self, saved: SavedAudience, until: date | None, status: Standing, counted: Counted | None, note: str
    ) -> ForecastRecord:
        """A forecast as it may be shown, with what follows from the counts that are shown beside it."""
        shown = self._shown_audience(saved)
        users, forecast, responders = shown.users, shown.forecast, None
        if counted is not None and users is not None:
            measured = self._disclosure.measured(counted.responders, *saved_question(saved))
            responders = None if measured is None else min(users, measured)
        if status == "kept" and (forecast is None or responders is None):
            status = "withheld"
        elif status == "kept" and forecast and responders is not None:
            status = "kept" if forecast.low <= responders <= forecast.high else "missed"
        return ForecastRecord(
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            definition=shown.definition,
            approved_by=saved.approved_by,
            kind=kind_of(saved.spec, self._dataset.card.unit_plural),
            as_of=saved.as_of,
            until=until,
            users=users,
            forecast=forecast,
            status=status,
            responders=responders,
            lift=self._lift(saved, users, responders, counted),
            ratio=None if not forecast or not forecast.mid or responders is None else responders / forecast.mid,
            uplift=None,
            note=note,
        )

    def _lift(
        self, saved: SavedAudience, users: int | None, responders: int | None, counted: Counted | None
    ) -> float | None:
        """Share of responders in the audience over the share among everyone, of the counts as they are shown."""
        if not users or responders is None or counted is None or saved.spec is None:
            return None
        question = ("everyone", saved.spec.demand, saved.spec.like, str(saved.as_of))
        everyone = self._disclosure.count(counted.population, *question)
        did = self._disclosure.measured(counted.population_responders, *question)
        return self._disclosure.share(responders / users / (did / everyone)) if did and everyone else None

    def _with_uplift(self, record: ForecastRecord) -> ForecastRecord:
        brought = self._outcomes.last(record.audience_id, record.version, "file")
        return record.model_copy(update={"uplift": brought.uplift}) if brought else record


def kind_of(spec: AudienceSpec | None, unit: str = "users") -> Kind:
    """What an audience asks for, by what is hardest about forecasting it.

    Args:
        spec: None for a combination of saved audiences.
        unit: what users are called in the data, in the plural.
    """
    if spec is None:
        return "combination"
    if spec.like:
        return "known users"
    spending = {"high spending", "low spending"}
    if any(each.amount for each in spec.behaviours) or spending & {each.stage for each in spec.life_cycle}:
        return "spending"
    if spec.behaviours or spec.life_cycle:
        return "history"
    demand = read_demand(spec.demand, (), unit)
    if demand.anything:
        return "attributes"
    if demand.first_time:
        return "first time"
    return "several things" if len(demand.parts) > 1 else "one thing"


def score(
    by: Literal["all", "kind", "approved_by", "month"], value: str, records: Sequence[ForecastRecord]
) -> ForecastScore:
    """How many of some forecasts held, and how far they were off in the middle."""
    known = [each for each in records if each.status in ("kept", "missed")]
    kept = sum(each.status == "kept" for each in known)
    ratios = [each.ratio for each in known if each.ratio is not None]
    return ForecastScore(
        by=by,
        value=value,
        forecasts=len(records),
        open=sum(each.status == "open" for each in records),
        counted=len(known),
        kept=kept,
        share=share(kept, len(known)),
        ratio=median(ratios) if ratios else None,
    )


def _scores(
    by: Literal["kind", "approved_by", "month"],
    records: Sequence[ForecastRecord],
    value_of: Callable[[ForecastRecord], str],
) -> list[ForecastScore]:
    grouped: dict[str, list[ForecastRecord]] = {}
    for each in records:
        grouped.setdefault(value_of(each), []).append(each)
    return [score(by, value, grouped[value]) for value in sorted(grouped)]
