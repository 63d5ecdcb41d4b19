"""Hard conditions: attributes users have, things they did; each becomes a mask over the users."""

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.errors import RequestError
from encoders.forecast import Forecast, Forecaster, Items
from tools.types import AudienceSpec, Behaviour, Dropped, Filter

Mask = npt.NDArray[np.bool_]


class Conditions:
    """The conditions that the users of one forecaster can be held to."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Line the attributes up with the forecaster's users."""
        self._forecaster = forecaster
        ids = pl.DataFrame({"user_id": forecaster.scene.histories.user_ids})
        self.attributes = ids.join(forecaster.dataset.users, on="user_id", how="left", maintain_order="left")

    def apply(self, spec: AudienceSpec, forecast: Forecast) -> tuple[Mask, tuple[Dropped, ...]]:
        """Who may be in the audience at all.

        Returns:
            A mask over the N users, and per condition how many of the population it keeps and drops.

        Raises:
            RequestError: a condition names something the data does not have.
        """
        population = self._forecaster.scene.histories.in_population
        eligible = population.copy()
        counted = []
        for words, mask in self.masks(spec, forecast):
            kept = int((population & mask).sum())
            counted.append(Dropped(condition=words, kept=kept, dropped=int(population.sum()) - kept))
            eligible &= mask
        return eligible, tuple(counted)

    def masks(self, spec: AudienceSpec, forecast: Forecast) -> list[tuple[str, Mask]]:
        """Each condition in words, with the mask over the N users of those who meet it; raises like ``apply``."""
        named = [(_in_words(each), self._filter(each)) for each in spec.filters]
        named += [(_behaviour_in_words(each), self._behaviour(each)) for each in spec.behaviours]
        never = any(not each.did and each.days is None for each in spec.behaviours)
        if forecast.demand.first_time and not never:
            named.append(("has never done it before", ~self._did(forecast.items, None)))
        return named

    def _filter(self, wanted: Filter) -> Mask:
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
        among = self.attributes[field].is_in(values)
        mask = among if wanted.op == "is" else ~among
        return mask.fill_null(False).to_numpy()

    def _behaviour(self, wanted: Behaviour) -> Mask:
        items = self._forecaster.items_meant(wanted.what)
        if not len(items):
            raise RequestError(
                f"Nothing in the data is like '{wanted.what}'; search the data for the words it uses, then try again."
            )
        did = self._did(items, wanted.days)
        return did if wanted.did else ~did

    def _did(self, items: Items, days: int | None) -> Mask:
        return np.asarray(self._forecaster.done_within(days)[:, items].sum(axis=1)).ravel() > 0


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
