"""Everyone an audience can be picked from: the users as of one day, what they have, and what they did lately."""

from datetime import date
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.forecast import Forecaster
from encoders.forgotten import Forgotten, changed_at
from encoders.history.events import ACTIVE_DAYS
from encoders.workspace import Workspace
from tools.catalogue import Catalogue
from tools.conditions import Conditions
from tools.describe import describe
from tools.disclosure import Disclosure, Protected, Question
from tools.people import People
from tools.profile import Group
from tools.search import Search, lately
from tools.selection import select
from tools.sentence import with_conditions, write
from tools.sizing import size_estimate
from tools.types import AudienceSpec, DataCard, SizeEstimate


class Population:
    """What does not depend on who asks; shared by all who ask."""

    def __init__(self, forecaster: Forecaster, minimum_size: int, mask_key: bytes) -> None:
        """Count nothing yet.

        Args:
            forecaster: scores the users.
            minimum_size: counts of fewer users are withheld.
            mask_key: what the ids of users are masked with, and the noise on their counts is drawn with.
        """
        self.forecaster = forecaster
        self.exact = Disclosure(minimum_size)
        self.protected = Protected(minimum_size, mask_key, self._edition)
        self.size = lru_cache(maxsize=1024)(self._size)
        self.stated = lru_cache(maxsize=1024)(self._stated)
        self.card_for = lru_cache(maxsize=2)(self._card)
        self.conditions = Conditions(forecaster, minimum_size)
        self.search = Search(forecaster)
        self.catalogue = Catalogue(self.search)
        self.people = People(forecaster, mask_key)
        self._looked_at = 0

    @property
    def _edition(self) -> str:
        """Which data, model and day are counted."""
        return f"{self.forecaster.dataset.card.version} {self.forecaster.model.config.version} {self.as_of}"

    @property
    def as_of(self) -> date:
        """The day that counts as now."""
        return self.forecaster.scene.histories.past.as_of

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[N], who was active lately, and so belongs to the population."""
        return self.conditions.population

    @property
    def user_ids(self) -> list[str]:
        """[N], in the order of the rows."""
        return self.forecaster.scene.histories.user_ids

    @property
    def row_of(self) -> dict[str, int]:
        """The row of every user."""
        return self.forecaster.scene.histories.row_of

    def leave_out_erased(self, workspace: Workspace) -> None:
        """Leave users out who were erased since the data was opened; the list is read where it has changed."""
        if (changed := changed_at(workspace)) == self._looked_at:
            return
        gone = [self.row_of[user] for user in Forgotten(workspace).among(self.user_ids)]
        if gone:
            self.conditions.gone[gone] = True
            self.size.cache_clear()
            self.card_for.cache_clear()
        self._looked_at = changed

    def _size(self, spec: AudienceSpec, disclosure: Disclosure) -> tuple[SizeEstimate, tuple[Question, ...]]:
        """``size`` remembers it: pages and agents ask for the same again and again. Not for tuned demands."""
        selection = select(self.forecaster.forecast(spec.demand), spec, self.conditions, disclosure)
        size = size_estimate(spec, selection, self.forecaster, disclosure, self.sentence(spec, disclosure))
        return size, (selection.asked, *selection.counts)

    def _stated(self, spec: AudienceSpec) -> AudienceSpec:
        """``stated`` remembers it: see ``tools.sentence.with_conditions``."""
        return with_conditions(spec, self.card)

    def sentence(self, spec: AudienceSpec, disclosure: Disclosure) -> str:
        """Everything that decides who is in, in one sentence, with what its stages of the life cycle stand for."""
        return write(spec, self.card, partial(self.conditions.meaning, disclosure=disclosure))

    def _card(self, disclosure: Disclosure) -> DataCard:
        return describe(self.forecaster, self.conditions, self.search, disclosure)

    @property
    def card(self) -> DataCard:
        """What the data has."""
        return self.card_for(self.exact)

    @cached_property
    def did_lately(self) -> sp.csr_matrix:
        """[N, G], events of each user in each group within the days that count as lately."""
        return self.search.by_group(self.forecaster.done_within(ACTIVE_DAYS))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """[G], with the source in front of their names where it is not the main one."""
        main = self.forecaster.dataset.card.main_source
        return tuple(
            Group(group if source == main else f"{source}: {group}", lately(source, group))
            for source, group in self.search.groups
        )
