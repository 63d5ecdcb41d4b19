"""Everyone an audience can be picked from: the users as of one day, what they have, and what they did lately."""

from datetime import date
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.forecast import Forecaster
from encoders.history.events import ACTIVE_DAYS
from tools.conditions import Conditions
from tools.describe import describe
from tools.people import People
from tools.search import Search
from tools.selection import select
from tools.sizing import size_estimate
from tools.types import AudienceSpec, DataCard, SizeEstimate


class Population:
    """What does not depend on who asks; shared by all who ask."""

    def __init__(self, forecaster: Forecaster, minimum_size: int, mask_key: bytes) -> None:
        """Count nothing yet.

        Args:
            forecaster: scores the users.
            minimum_size: smaller audiences are not recommended.
            mask_key: what the ids of users are masked with.
        """
        self.forecaster, self._minimum_size = forecaster, minimum_size
        self.size = lru_cache(maxsize=1024)(self._size)
        self.conditions = Conditions(forecaster)
        self.search = Search(forecaster)
        self.people = People(forecaster, mask_key)

    @property
    def as_of(self) -> date:
        """The day that counts as now."""
        return self.forecaster.scene.histories.past.as_of

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[N], who was active lately, and so belongs to the population."""
        return self.forecaster.scene.histories.in_population

    @property
    def user_ids(self) -> list[str]:
        """[N], in the order of the rows."""
        return self.forecaster.scene.histories.user_ids

    @property
    def row_of(self) -> dict[str, int]:
        """The row of every user."""
        return self.forecaster.scene.histories.row_of

    def _size(self, spec: AudienceSpec) -> SizeEstimate:
        """``size`` remembers it: pages and agents ask for the same again and again. Not for tuned demands."""
        selection = select(self.forecaster.forecast(spec.demand), spec, self.conditions, self._minimum_size)
        return size_estimate(spec, selection, self.forecaster, self._minimum_size)

    @cached_property
    def card(self) -> DataCard:
        """What the data has."""
        return describe(self.forecaster, self.conditions, self.search)

    @cached_property
    def did_lately(self) -> sp.csr_matrix:
        """[N, G], events of each user in each group within the days that count as lately."""
        return self.search.by_group(self.forecaster.done_within(ACTIVE_DAYS))

    @cached_property
    def group_names(self) -> list[str]:
        """[G], with the source in front where it is not the main one."""
        main = self.forecaster.dataset.card.main_source
        return [group if source == main else f"{source}: {group}" for source, group in self.search.groups]
