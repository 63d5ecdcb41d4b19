"""Hard conditions: attributes users have, things they did; each becomes a mask over the users."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import reduce
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.errors import RequestError
from encoders.forecast import Forecast, Forecaster, Items
from tools.types import AudienceSpec, Behaviour, Filter

Mask = npt.NDArray[np.bool_]


class Condition(NamedTuple):
    """One hard condition."""

    words: str
    key: str
    """The same for all ways to say the same condition of the same data."""
    mask: Mask
    """[N], who meets it."""


class Conditions:
    """The conditions that the users of one forecaster can be held to."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Line the attributes up with the forecaster's users."""
        self._forecaster = forecaster
        self.gone = np.zeros(len(forecaster.scene.histories.user_ids), bool)
        """[N], who was erased since the data was opened."""
        ids = pl.DataFrame({"user_id": forecaster.scene.histories.user_ids})
        self.attributes = ids.join(forecaster.dataset.users, on="user_id", how="left", maintain_order="left")

    @property
    def population(self) -> Mask:
        """[N], everyone an audience can be picked from."""
        population: Mask = self._forecaster.scene.histories.in_population & ~self.gone
        return population

    def eligible(self, conditions: Sequence[Condition]) -> Mask:
        """[N], who of the population may be in the audience at all."""
        return reduce(np.logical_and, (each.mask for each in conditions), self.population)

    def of(self, spec: AudienceSpec, forecast: Forecast) -> tuple[Condition, ...]:
        """The conditions of a spec.

        Raises:
            RequestError: one names something the data does not have.
        """
        named = [self._filter(each) for each in spec.filters]
        named += [self._behaviour(each) for each in spec.behaviours]
        never = any(not each.did and each.days is None for each in spec.behaviours)
        if forecast.demand.first_time and not never:
            named.append(self._did("has never done it before", False, forecast.items, None))
        return tuple(named)

    def _filter(self, wanted: Filter) -> Condition:
        fields = {name.casefold(): name for name in self.attributes.columns if name != "user_id"}
        field = fields.get(wanted.field.casefold())
        if field is None:
            raise RequestError(
                f"No user has the attribute '{wanted.field}'; {_nearest(wanted.field, list(fields.values()))}."
            )
        known = self.attributes[field].drop_nulls().unique().sort().to_list()
        by_name = {value.casefold(): value for value in known}
        values = []
        for value in wanted.values:
            if value.casefold() not in by_name:
                raise RequestError(f"'{field}' has no value '{value}'; {_nearest(value, known)}.")
            values.append(by_name[value.casefold()])
        kept = sorted(set(values) if wanted.op == "is" else set(known) - set(values))
        mask = self.attributes[field].is_in(kept).fill_null(False).to_numpy()
        return Condition(_in_words(wanted), value_key(field, *kept), mask)

    def _behaviour(self, wanted: Behaviour) -> Condition:
        items = self._forecaster.items_meant(wanted.what)
        if not len(items):
            raise RequestError(
                f"Nothing in the data is like '{wanted.what}'; search the data for the words it uses, then try again."
            )
        return self._did(_behaviour_in_words(wanted), wanted.did, items, wanted.days)

    def _did(self, words: str, did: bool, items: Items, days: int | None) -> Condition:
        """Who did (or did not do) any of some items; more days than there are data are all of them."""
        past = self._forecaster.scene.histories.past
        days = None if days is None or days > (past.as_of - past.dataset.card.first).days else days
        done = np.asarray(self._forecaster.done_within(days)[:, items].sum(axis=1)).ravel() > 0
        which = sha256(np.sort(items).tobytes()).hexdigest()
        return Condition(words, f"{'did' if did else 'did not'} {which} {days}", done if did else ~done)


def value_key(field: str, *values: str) -> str:
    """The key of the condition that an attribute has one of some values."""
    return "\x1f".join((field, *values))


def _nearest(word: str, known: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in known}
    near = [folded[each] for each in get_close_matches(word.casefold(), folded, n=3, cutoff=0.4)] or list(known)[:6]
    return f"there is {', '.join(repr(name) for name in near)}" if near else "users have no attributes in this data"


def _in_words(each: Filter) -> str:
    return f"{each.field} {each.op} {' or '.join(each.values)}"


def _behaviour_in_words(each: Behaviour) -> str:
    verb = "did" if each.did else "did not do"
    when = "ever" if each.days is None else f"in the last {each.days} days"
    return f"{verb} '{each.what}' {when}"
