"""How a saved audience did: outcome files, responders against the holdout, uplift with intervals."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import polars as pl
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from encoders.data.columns import identity, iso_time, number
from encoders.data.events import HORIZON_DAYS, Dataset
from encoders.errors import AudienceError, RequestError, WorkspaceError
from encoders.text.demand import Demand, read_demand
from tools.audiences.changes import saved_question
from tools.audiences.disclosure import UNKNOWN, Disclosure, Question, number_text
from tools.audiences.meaning import Items, Meaning, meaning_of
from tools.audiences.sequential import always_valid
from tools.operation_types import CampaignOutcome, Estimate, Side
from tools.stopping import go_on_unless_stopped
from tools.storage.holdouts import ControlGroup
from tools.storage.kept_counts import KeptCounts
from tools.storage.registry import Registry
from tools.storage.table_file import read_columns
from tools.types import AudienceSpec, Interval, SavedAudience

if TYPE_CHECKING:  # a file is counted without a model, and its libraries take seconds to import
    from encoders.predictor import Forecaster
    from tools.audiences.tuned import TunedDemands

COLUMN = "user_id"

_NEEDED = (COLUMN, "date", "value")
_TWELVE_HOURS = r"(?i)^T?\s*(0?[1-9]|1[0-2])(:[0-5]\d){1,2}\s*[ap]\.?m\.?$"
"""What of a time is no ISO 8601, and yet one."""
_SHOWN = 40
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Responses:
    """Who responded, each once."""

    values: dict[str, float | None]
    """Per user the sum of the values; None where the file has no values."""
    notes: tuple[str, ...]
    """What was left out, for people."""


def read_outcome(path: Path, start: date, end: date) -> Responses:
    """Read the responses from ``start`` up to, not including, ``end``.

    Raises:
        RequestError: the file cannot be read, or has no column of users.
    """
    table, columns = read_columns(path, _NEEDED)
    if COLUMN not in columns:
        named = ", ".join(columns[:8])
        raise RequestError(f"{path.name} has no column '{COLUMN}' (it has {named}); name the column of the users so.")
    if table.is_empty():
        raise RequestError(f"{path.name} has no rows, which cannot be told from a file cut short; bring it whole.")
    user, lost = identity(COLUMN, table[COLUMN].dtype)
    dated, valued = "date" in table.columns, "value" in table.columns
    read = table.select(
        user.alias(COLUMN),
        (_day(table["date"].dtype) if dated else pl.lit(start)).alias("day"),
        (number("value") if valued else pl.lit(1.0)).alias("value"),
        lost.alias("lost"),
        *(pl.col(name).cast(pl.String).alias(f"written {name}") for name in ("date", "value") if name in table.columns),
    )
    faults = [
        (pl.col("lost"), "have an id that lost its last digits (write ids as text)", ""),
        (pl.col(COLUMN).is_null(), "name no user", ""),
        (pl.col("day").is_null(), "have no date that can be read (as 2017-10-01)", "written date"),
        (pl.col("value").is_null(), "have no number as their value", "written value"),
    ]
    usable, notes = read, []
    for bad, what, written in faults:
        left = usable.filter(bad)
        if left.height:
            shown = left[written].drop_nulls().head(1).to_list() if written else []
            example = f", such as '{shown[0][:_SHOWN]}'," if shown else ""
            notes.append(f"{left.height:,} rows {what}{example} and were left out.")
        usable = usable.filter(~bad)
    inside = usable.filter(pl.col("day").is_between(start, end, closed="left"))
    outside = usable.filter(~pl.col("day").is_between(start, end, closed="left"))["day"]
    if outside.len():
        first, last = outside.sort().gather([0, -1]).to_list()
        days = f"on {first}" if first == last else f"from {first} to {last}"
        notes.append(f"{outside.len():,} rows lie outside {start} to before {end}, {days}, and were left out.")
    if inside.height < read.height - usable.height:  # those outside are no fault: a file may hold a whole year
        raise RequestError(
            f"More of the {read.height:,} rows of {path.name} cannot be read than the {inside.height:,} that can be "
            f"used, so nothing was recorded: {' '.join(notes)}"
        )
    if inside.is_empty():
        raise RequestError(f"No row of {path.name} can be used, so nothing was recorded: {' '.join(notes)}")
    summed = inside.group_by(COLUMN).agg(pl.col("value").sum()).filter(pl.col("value") > 0).sort(COLUMN)
    values = summed["value"] if valued else [None] * summed.height
    return Responses(dict(zip(summed[COLUMN], values, strict=True)), tuple(notes))


def _day(kind: pl.DataType) -> pl.Expr:
    """The day of a response, on whatever clock it was written."""
    if kind.is_temporal():
        return pl.col("date").cast(pl.Date)
    written = pl.col("date").cast(pl.String).str.strip_chars()
    day, clock = written.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False), written.str.slice(10)
    read = iso_time(written, "UTC", "UTC").dt.date()
    there = (clock == "") | read.is_not_null() | clock.str.strip_chars().str.contains(_TWELVE_HOURS)
    return pl.when(there).then(pl.coalesce(day, read))


CONFIDENCE = 0.95


def share(responders: int, users: int) -> Estimate | None:
    """Share of responders with Wilson's interval; None for no users."""
    if not users:
        return None
    found = binomtest(responders, users).proportion_ci(CONFIDENCE, "wilson")
    return Estimate(low=float(found.low), mid=responders / users, high=float(found.high))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """How far a share lies above another, with Newcombe's hybrid score interval.

    It is made of the Wilson intervals of both (Newcombe 1998, Statistics in Medicine 17:873, method 10), and so it
    holds where few respond, which is where the textbook interval does not.
    """
    mid = one.mid - other.mid
    return Estimate(
        low=mid - math.hypot(one.mid - one.low, other.high - other.mid),
        mid=mid,
        high=mid + math.hypot(one.high - one.mid, other.mid - other.low),
    )


def relative(responders: int, users: int, other_responders: int, other_users: int) -> Estimate | None:
    """How much larger a share is than another, as a share of the other; None where either has no responder."""
    if not responders or not other_responders:
        return None
    found = relative_risk(responders, users, other_responders, other_users)
    low, high = found.confidence_interval(CONFIDENCE)
    return Estimate(low=float(low) - 1, mid=float(found.relative_risk) - 1, high=float(high) - 1)


Ids = Callable[[Sequence[str]], tuple[list[str], dict[str, str]]]
"""From users as a caller names them to their ids, and from the ids back to what the caller named."""

_NAMED = 5
_NO_HOLDOUT = (
    "Nobody was held out, so it cannot be known how many of them would have done it anyway. Hold some out next time."
)
_NO_RATIO = "On one side nobody responded, so the uplift has no size relative to the holdout."


def needs_model() -> NoReturn:
    """Stands for the model where none is opened.

    Raises:
        RequestError: always.
    """
    raise RequestError(
        "It was saved without a note of what its words mean in the data; 'audience ledger --with-model' counts it."
    )


class Outcomes:
    """The outcomes of the saved audiences of one workspace."""

    def __init__(
        self,
        registry: Registry,
        dataset: Dataset,
        disclosure: Disclosure,
        ids: Ids,
        model: "Callable[[], tuple[Forecaster, TunedDemands]]",
        control: ControlGroup,
    ) -> None:
        """Read nothing yet.

        Args:
            registry: where the audiences and their outcomes are kept.
            dataset: whose users they are of.
            disclosure: how counts are shown to the caller.
            ids: the ids of users as the caller names them.
            model: gives the model, and the demands that were fitted to known users: asked what a demand means where
                that was not kept when the audience was saved.
            control: who is never contacted.
        """
        self._registry, self._dataset, self._model = registry, dataset, model
        self._disclosure, self._ids, self._control = disclosure, ids, control

    def from_file(self, audience: str, path: Path, by: str, version: int | None = None) -> CampaignOutcome:
        """Record the responses in a file; the same file twice is recorded once.

        Raises:
            RequestError: there is no such audience or version, or the file cannot be read.
        """
        saved, values, notes = self._read(audience, path, version)
        return self._record(saved, "file", values, notes, by)

    def look_at_file(self, audience: str, path: Path, version: int | None = None) -> CampaignOutcome:
        """What ``from_file`` would record; nothing is kept. Raises like it."""
        saved, values, notes = self._read(audience, path, version)
        return self._shown(self._judged(saved, "file", values, notes, ""), notes)

    def _read(
        self, audience: str, path: Path, version: int | None
    ) -> tuple[SavedAudience, dict[str, float | None], list[str]]:
        """The version that a file is about, who responded by it, and what has to be said."""
        saved = self._registry.get(audience, version)
        days = read_demand(saved.spec.demand).horizon_days if saved.spec else HORIZON_DAYS
        found = read_outcome(path, saved.as_of, saved.as_of + timedelta(days=days))
        members = set(self._registry.members(saved.id, saved.version)[0])
        ids, named = self._ids(list(found.values))
        values = {user: found.values[named.get(user, user)] for user in ids}
        self._check_ids(path, values, members)
        return saved, values, [*found.notes, *self._left_out(values, members)]

    def _check_ids(self, path: Path, values: Mapping[str, float | None], members: set[str]) -> None:
        """See that the file names users of this data.

        Raises:
            RequestError: most of its ids are nobody's.
        """
        strangers = sorted(values.keys() - members - self._known)
        if len(strangers) * 2 > len(values):
            named = ", ".join(repr(user.removeprefix(UNKNOWN)[: 8 * _NAMED]) for user in strangers[:_NAMED])
            raise RequestError(
                f"{len(strangers):,} of the {len(values):,} ids in {path.name} belong to nobody in this data, so "
                f"nothing was recorded: {named}. The column '{COLUMN}' must hold ids as the data has them."
            )

    @cached_property
    def _known(self) -> set[str]:
        return self._dataset.user_ids()

    def _left_out(self, values: Mapping[str, float | None], members: set[str]) -> list[str]:
        """What is said of those who are not in the audience; below admin, not whether the data knows them."""
        outside = values.keys() - members
        if not self._disclosure.exact:
            left = number_text(self._disclosure.measured(len(outside), *sorted(outside)), self._disclosure.minimum)
            return [f"{left} of the ids are not in the audience and were not counted."] if outside else []
        strangers, notes = sorted(outside - self._known), []
        if strangers:
            named = ", ".join(repr(user[: 8 * _NAMED]) for user in strangers[:_NAMED])
            more = f" and {len(strangers) - _NAMED:,} more" if len(strangers) > _NAMED else ""
            notes.append(f"{len(strangers):,} ids belong to nobody in this data: {named}{more}.")
        if others := len(outside) - len(strangers):
            notes.append(f"{others:,} responders are not in the audience and were not counted.")
        return notes

    def from_data(self, audience: str, by: str, version: int | None = None) -> CampaignOutcome:
        """Record who did what the demand says in the data itself, whose events after the as-of date are there by now.

        Raises:
            RequestError: there is no such audience, or its demand cannot be read off events.
            DataError: the horizon is not over in this data.
        """
        saved = self._registry.get(audience, version)
        return self._record(saved, "data", dict.fromkeys(sorted(self.responded(saved))), [], by)

    def responded(self, saved: SavedAudience) -> set[str]:
        """Everybody who did what the demand of a saved audience says, in the horizon after its day; nothing is kept.

        Raises:
            RequestError: its demand cannot be read off events.
            DataError: the horizon is not over in this data.
        """
        from encoders.metrics import responders

        demand, items = self.meant(saved)
        return responders(self._dataset, saved.as_of, demand, items)

    def meant(self, saved: SavedAudience) -> tuple[Demand, list[Items]]:
        """The demand of a saved audience, and per part the items of this data that it meant when it was saved.

        Where that was not kept, the model is asked, and its answer is kept from then on.

        Raises:
            RequestError: it has no demand, or there is nothing of the kind in the data.
        """
        if saved.spec is None:
            raise RequestError(
                f"'{saved.name}' was combined from others and has no demand; bring its outcome as a file."
            )
        demand, items = self._meaning(saved, saved.spec).in_data(self._dataset)
        if not all(map(len, items)):
            raise RequestError(
                f"Nothing in the data is what '{saved.name}' asks for, so its events cannot tell; bring a "
                "file of responders."
            )
        return demand, items

    def keep_meaning(self, saved: SavedAudience) -> None:
        """Keep what the demand of a saved audience means, so that its outcome can be counted without the model.

        It is saved already: where this fails, it is asked for again once the outcome is counted.
        """
        with suppress(AudienceError):
            if saved.spec is not None:
                self._meaning(saved, saved.spec)

    def _meaning(self, saved: SavedAudience, spec: AudienceSpec) -> Meaning:
        kept, place = KeptCounts(self._registry.database), (saved.id, saved.version)
        if known := kept.meaning(place):
            return Meaning.model_validate_json(known)
        forecaster, tuned = self._model()
        demand, items = tuned.meant(spec) if spec.like else forecaster.meant(spec.demand)
        meaning = meaning_of(demand, items, self._dataset)
        with suppress(WorkspaceError):  # on a disk that is only read, the model is asked again
            kept.keep_meaning(place, meaning.model_dump_json())
        return meaning

    def last(
        self, audience: str, version: int | None = None, source: Literal["file", "data"] | None = None
    ) -> CampaignOutcome | None:
        """What was recorded last, from one source or either, as it is shown to the caller; None where nothing was."""
        found = self._registry.outcome(audience, version, source)
        return None if found is None else self._shown(found, [_NO_HOLDOUT, _NO_RATIO])

    def _record(
        self, saved: SavedAudience, source: str, values: Mapping[str, float | None], notes: list[str], by: str
    ) -> CampaignOutcome:
        members = set(self._registry.members(saved.id, saved.version)[0])
        control = self._control.among(members)
        outcome = self._judged(saved, source, values, notes, by)
        content = sha256(json.dumps([source, sorted(values.items()), notes]).encode()).hexdigest()
        go_on_unless_stopped()
        responses = {user: value for user, value in values.items() if user in members}
        return self._shown(self._registry.record_outcome(outcome, content, by, responses, control), notes)

    def _judged(
        self, saved: SavedAudience, source: str, values: Mapping[str, float | None], notes: list[str], by: str
    ) -> CampaignOutcome:
        """What is to be recorded of a version; ``notes`` get what cannot be known."""
        members, held_out = (set(each) for each in self._registry.members(saved.id, saved.version))
        control = self._control.among(members)
        contacted, held = _side(members - held_out - control, values), _side(held_out, values)
        counted = (contacted.responders or 0) + (held.responders or 0)
        judged = _compared(contacted, held, counted, saved.forecast)
        if judged["uplift"] is None:
            notes.append(_NO_HOLDOUT)
        elif judged["relative"] is None:
            notes.append(_NO_RATIO)
        return CampaignOutcome(
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            as_of=saved.as_of,
            source="file" if source == "file" else "data",
            contacted=contacted,
            held_out=held,
            forecast=saved.forecast,
            **judged,
            notes=tuple(notes),
            recorded=datetime.now(UTC),
            recorded_by=by,
        )

    def _shown(self, outcome: CampaignOutcome, notes: Sequence[str]) -> CampaignOutcome:
        """An outcome with its counts as they are shown, and what follows from them.

        Args:
            outcome: as the registry has it.
            notes: those that a caller below admin may read; the others are about the file of somebody else.
        """
        saved = self._registry.get(outcome.audience_id, outcome.version)
        question = saved_question(saved)
        users = self._disclosure.count(saved.users or 0, *question)
        if self._disclosure.exact and users is not None:
            return outcome
        sides = {name: getattr(outcome, name) for name in ("contacted", "held_out")}
        if users is None:
            sides = dict.fromkeys(sides, Side(users=None, responders=None, rate=None))
        sides = {name: self._side(side, (*question, name)) for name, side in sides.items()}
        forecast = None if users is None else self._disclosure.interval(outcome.forecast, *question)
        read = tuple(each for each in outcome.notes if self._disclosure.exact or each in notes)
        if any(side.responders is None for side in sides.values()):
            read = tuple(each for each in read if each != _NO_RATIO)  # it says how many the withheld ones are
        shown = outcome.model_copy(update=sides | {"forecast": forecast, "notes": read})
        return shown.model_copy(update=_compared(shown.contacted, shown.held_out, shown.responders, forecast))

    def _side(self, side: Side, question: Question) -> Side:
        """One side as it is shown: its values only with its responders."""
        users = None if side.users is None else self._disclosure.count(side.users, *question)
        responders = None if side.responders is None else self._disclosure.measured(side.responders, *question)
        if users is None or responders is None:
            return Side(users=users, responders=None, rate=None)
        responders = min(users, responders)
        value = None if side.value is None else self._disclosure.total(side.value, responders, *question)
        return Side(users=users, responders=responders, rate=share(responders, users), value=value)


def _compared(contacted: Side, held: Side, counted: int | None, forecast: Interval | None) -> dict[str, Any]:
    """The uplift, and whether the forecast held, as far as the counts are known."""
    lift = difference(contacted.rate, held.rate) if contacted.rate and held.rate else None
    sizes = [contacted.responders or 0, contacted.users or 0, held.responders or 0, held.users or 0]
    expected = forecast.mid / (sizes[1] + sizes[3]) if forecast and lift else None
    return {
        "always": always_valid(sizes[0], sizes[1], sizes[2], sizes[3], expected) if lift else None,
        "uplift": lift,
        "relative": relative(*sizes) if lift else None,
        "forecast_held": forecast.low <= counted <= forecast.high if forecast and counted is not None else None,
    }


def _side(users: set[str], values: Mapping[str, float | None]) -> Side:
    """Responders among some users."""
    responded = [values[user] for user in sorted(users & values.keys())]
    amounts = [value for value in responded if value is not None]
    return Side(
        users=len(users),
        responders=len(responded),
        rate=share(len(responded), len(users)),
        value=sum(amounts) if amounts else None,
    )
