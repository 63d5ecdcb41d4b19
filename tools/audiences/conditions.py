"""Hard conditions: attributes users have, things they did, where they stand; each becomes a mask over the users."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import lru_cache, reduce
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.demand_reader import Items
from encoders.errors import RequestError
from encoders.predictor import Forecast, Forecaster
from tools.audiences.disclosure import Disclosure
from tools.audiences.life_cycle import PastActivity, StageMembers, StagePopulation, standing
from tools.sentences.clauses import Phrasing
from tools.types import ANYTHING, AudienceSpec, Behaviour, Filter, LifeCycle, Membership

Mask = npt.NDArray[np.bool_]


class Condition(NamedTuple):
    """One hard condition."""

    words: str
    key: str
    """The same for all ways to say the same condition of the same data."""
    mask: Mask
    """[N], who meets it."""


class Members(NamedTuple):
    """Who is in a saved audience."""

    key: str
    """The audience and its version."""
    users: frozenset[str]


Lookup = Callable[[str], Members]
"""Finds a saved audience by name or id; raises RequestError where the caller has none of that name."""


def nobodys(name: str) -> Members:
    """Finds none.

    Raises:
        RequestError: always.
    """
    raise RequestError(f"There is no saved audience '{name}' here.")


class Conditions:
    """The conditions that the users of one forecaster can be held to."""

    def __init__(self, forecaster: Forecaster, fewest: int) -> None:
        """Line the attributes up with the forecaster's users; what fewer than ``fewest`` do has no usual way."""
        self._forecaster, self._exact = forecaster, Disclosure(fewest)
        self.gone = np.zeros(len(forecaster.snapshot.histories.user_ids), bool)
        """[N], who was erased since the data was opened."""
        ids = pl.DataFrame({"user_id": forecaster.snapshot.histories.user_ids})
        self.attributes = ids.join(forecaster.dataset.users, on="user_id", how="left", maintain_order="left")
        self._deeds = PastActivity(forecaster)
        self._items = lru_cache(maxsize=512)(self._find_items)
        self._phrasing = Phrasing(forecaster.dataset.card.wordings, forecaster.dataset.card.main_source)

    @property
    def population(self) -> Mask:
        """[N], everyone an audience can be picked from."""
        population: Mask = self._forecaster.snapshot.histories.in_population & ~self.gone
        return population

    def eligible(self, conditions: Sequence[Condition]) -> Mask:
        """[N], who of the population may be in the audience at all."""
        return reduce(np.logical_and, (each.mask for each in conditions), self.population)

    def of(
        self,
        spec: AudienceSpec,
        forecast: Forecast,
        lookup: Lookup = nobodys,
        disclosure: Disclosure | None = None,
    ) -> tuple[Condition, ...]:
        """The conditions of a spec.

        Args:
            spec: what has to hold.
            forecast: of its demand.
            lookup: finds the saved audiences that it names.
            disclosure: how thresholds of the life cycle are shown; None: as the owner sees them.

        Raises:
            RequestError: one names something the data does not have, or a saved audience that is not there.
        """
        named = [self._filter(each) for each in spec.filters]
        named += [condition for each in spec.behaviours for condition in self._behaviour(each)]
        named += [condition for each in spec.life_cycle for condition in self._life_cycle(each, disclosure)]
        named += [self._membership(each, lookup) for each in spec.memberships]
        never = any(not each.did and each.days is None for each in spec.behaviours)
        if forecast.demand.first_time and not never:
            named.append(self._did("has never done it before", False, forecast.items, None))
        return tuple(named)

    def meaning(self, stage: LifeCycle, disclosure: Disclosure | None = None) -> str:
        """What a stage of the life cycle stands for in this data: its thresholds in words, as they are shown.

        Raises:
            RequestError: the data does not say enough.
        """
        return self._standing(stage, self._items(stage.what, stage.source), disclosure).meaning

    # --- attributes -------------------------------------------------------------------------------

    def _filter(self, wanted: Filter) -> Condition:
        fields = {name.casefold(): name for name in self.attributes.columns if name != "user_id"}
        field = fields.get(wanted.field.casefold())
        if field is None:
            raise RequestError(
                f"No user has the attribute '{wanted.field}'; {_nearest(wanted.field, list(fields.values()))}."
            )
        words = self._phrasing.filter(wanted)
        if wanted.op == "is unknown":
            return Condition(words, unknown_key(field), self.attributes[field].is_null().to_numpy())
        known = self.attributes[field].drop_nulls().unique().sort().to_list()
        values = {each for value in wanted.values for each in _spelled(field, value, known)}
        kept = sorted(values if wanted.op == "is" else set(known) - values)
        mask = self.attributes[field].is_in(kept).fill_null(False).to_numpy()
        return Condition(words, value_key(field, *kept), mask)

    # --- the past ---------------------------------------------------------------------------------

    def _behaviour(self, wanted: Behaviour) -> tuple[Condition, ...]:
        """One condition; two where something was done, but not lately."""
        items = self._items(wanted.what, wanted.source)
        if wanted.ago:
            pieces = (
                wanted.model_copy(update={"ago": False, "days": None}),
                wanted.model_copy(update={"ago": False, "did": False}),
            )
            return tuple(self._did(self._phrasing.behaviour(each), each.did, items, each.days) for each in pieces)
        words = self._phrasing.behaviour(wanted)
        if wanted.amount is not None:
            self._check_values(wanted.source)
            return (self._worth(words, wanted.did, items, wanted.days, wanted.amount),)
        return (self._did(words, wanted.did, items, wanted.days, wanted.times or 1),)

    def _find_items(self, what: str, source: str) -> Items:
        """``_items`` remembers it: items that words mean.

        Raises:
            RequestError: there is no such source, or nothing like the words in it.
        """
        number = self._source(source)
        if what.casefold() == ANYTHING:
            return np.flatnonzero(self._forecaster.snapshot.of_source(np.array([number]))[0]).astype(np.int64)
        found = self._forecaster.grounded(what, number)
        if found.foreign or not len(found.items):
            near = f"; the nearest, though not near, is {', '.join(found.nearest)}" if found.nearest else ""
            raise RequestError(
                f"Nothing in the data is like '{found.foreign or what}'{near}. Search the data for the words it uses, "
                "then try again."
            )
        return found.items

    def _source(self, name: str) -> int:
        known = self._forecaster.snapshot.vocabulary.sources
        folded = [each.casefold() for each in known]
        if name and name.casefold() not in folded:
            raise RequestError(f"The data has no source '{name}'; there is {', '.join(map(repr, known))}.")
        return folded.index(name.casefold()) if name else 0

    def _check_values(self, source: str) -> None:
        everything = self._items(ANYTHING, source)
        if not self._deeds.value(everything, None).any():
            name = source or self._forecaster.dataset.card.main_source
            raise RequestError(f"The events of '{name}' have no values, so nothing can be said about amounts.")

    def _did(self, words: str, did: bool, items: Items, days: int | None, times: int = 1) -> Condition:
        """Who did (or did not do) any of some items on at least so many days; a window beyond the data is all of it."""
        days = self._within(days)
        if times == 1:
            done = np.asarray(self._forecaster.done_within(days)[:, items].sum(axis=1)).ravel() > 0
        else:
            done = self._deeds.days(items, days) >= times
        often = "" if times == 1 else f" {times} times"
        return Condition(words, f"{_did_or_not(did)} {_which(items)} {days}{often}", done if did else ~done)

    def _worth(self, words: str, did: bool, items: Items, days: int | None, amount: float) -> Condition:
        days = self._within(days)
        done = self._deeds.value(items, days) >= amount
        return Condition(words, f"{_did_or_not(did)} {_which(items)} {days} worth {amount!r}", done if did else ~done)

    def _within(self, days: int | None) -> int | None:
        return None if days is None or days > self._deeds.reaches_back else days

    # --- where users stand ------------------------------------------------------------------------

    def _standing(self, wanted: LifeCycle, items: Items, disclosure: Disclosure | None) -> StageMembers:
        if wanted.stage in ("high spending", "low spending"):
            self._check_values(wanted.source)
        return standing(
            wanted, StagePopulation(self._deeds, items, self.population, disclosure or self._exact, _which(items))
        )

    def _life_cycle(self, wanted: LifeCycle, disclosure: Disclosure | None) -> tuple[Condition, ...]:
        """A stage as the conditions it is made of, so that asking for those is the same question.

        Where it must not hold, that is one condition: not all of them.
        """
        items = self._items(wanted.what, wanted.source)
        found = self._standing(wanted, items, disclosure)
        pieces = [self._behaviour_of(each, items, wanted.stage) for each in found.behaviours]
        words = self._phrasing.life_cycle(wanted, found.meaning)
        if found.mask is not None:
            pieces.append(Condition(words, f"{found.key} {_which(items)}", found.mask))
        if wanted.holds:
            return tuple(pieces)
        if len(pieces) == 1 and found.behaviours:
            [each] = found.behaviours
            return (self._behaviour_of(each.model_copy(update={"did": not each.did}), items, f"not {wanted.stage}"),)
        together = np.logical_and.reduce([each.mask for each in pieces])
        return (Condition(words, f"not ({' and '.join(sorted(each.key for each in pieces))})", ~together),)

    def _behaviour_of(self, wanted: Behaviour, items: Items, stage: str) -> Condition:
        words = f"{self._phrasing.behaviour(wanted)} ({stage})"
        if wanted.amount is not None:
            return self._worth(words, wanted.did, items, wanted.days, wanted.amount)
        return self._did(words, wanted.did, items, wanted.days, wanted.times or 1)

    def _membership(self, wanted: Membership, lookup: Lookup) -> Condition:
        members = lookup(wanted.audience)
        inside = np.array([user in members.users for user in self._forecaster.snapshot.histories.user_ids], bool)
        key = f"{'in' if wanted.member else 'not in'} saved {members.key}"
        return Condition(self._phrasing.membership(wanted), key, inside if wanted.member else ~inside)


def _spelled(field: str, value: str, known: Sequence[str]) -> list[str]:
    """The values that a filter names: the one that is spelled so, or else all that differ in capital letters alone.

    Raises:
        RequestError: there is none.
    """
    alike = [value] if value in known else [each for each in known if each.casefold() == value.casefold()]
    if not alike:
        raise RequestError(f"'{field}' has no value '{value}'; {_nearest(value, known)}.")
    return alike


def value_key(field: str, *values: str) -> str:
    """The key of the condition that an attribute has one of some values."""
    return "\x1f".join((field, *values))


def unknown_key(field: str) -> str:
    """The key of the condition that an attribute is unknown."""
    return f"unknown {field}"


def _did_or_not(did: bool) -> str:
    return "did" if did else "did not"


def _which(items: Items) -> str:
    return sha256(np.sort(items).tobytes()).hexdigest()


def _nearest(word: str, known: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in known}
    near = [folded[each] for each in get_close_matches(word.casefold(), folded, n=3, cutoff=0.4)] or list(known)[:6]
    return f"there is {', '.join(repr(name) for name in near)}" if near else "users have no attributes in this data"
