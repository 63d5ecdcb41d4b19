"""Everyone an audience can be picked from as of one day, their data card, and single users under masks."""

import base64
import hmac
import re
from collections.abc import Iterable
from datetime import date
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from encoders.data.erasing import Forgotten, changed_at
from encoders.data.events import ACTIVE_DAYS, HORIZON_DAYS
from encoders.features.counts import SLOTS, source_totals
from encoders.predictor import Forecast, Forecaster, Reason
from encoders.workspace import Workspace
from tools.audiences.catalogue import Catalogue, CatalogueSearch, lately
from tools.audiences.conditions import Conditions, unknown_key, value_key
from tools.audiences.data_report import DataReport, data_report
from tools.audiences.disclosure import UNKNOWN, Disclosure, Protected, Question
from tools.audiences.profile import Group, why
from tools.audiences.sizing import select, size_estimate
from tools.sentences.sentence import with_conditions, write
from tools.types import AudienceSpec, DataCard, Evidence, FieldCard, SampleUser, SizeEstimate, SourceCard, ValueCount

MASK_BITS = 80
"""Of a mask: among ten million users, two share one with odds of 4 in 10 ** 11."""
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, without the letters that look like others."""
_WRITTEN = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _DIGITS)
_READ = str.maketrans("ILO", "110", "- ")
_LETTERS, _GROUP = MASK_BITS // 5, 4


class MaskedUsers:
    """The users of one forecaster."""

    def __init__(self, forecaster: Forecaster, mask_key: bytes) -> None:
        """Show the users of ``forecaster`` under masks made with a key that nobody outside knows."""
        self._forecaster, self._key = forecaster, mask_key

    def sample(self, forecast: Forecast, row: int, digits: int | None = None) -> SampleUser:
        """One user, masked: the mask is the same as long as the workspace is.

        Args:
            forecast: of the demand.
            row: which user.
            digits: of the probability; None for all of them.
        """
        found = self._forecaster.reasons(forecast, row)
        probability = float(forecast.probabilities[row])
        return SampleUser(
            masked_id=f"{self._forecaster.dataset.card.unit} {self.masked(row)}",
            probability=probability if digits is None else round(probability, digits),
            evidence=self.evidence(found),
            why=self.why(found),
        )

    def row_of(self, mask: str) -> int | None:
        """The row of a user by the mask, in any case and with what is written before it; None where there is none."""
        return self._rows.get(mask[-2 * _LETTERS :].upper().translate(_READ)[-_LETTERS:])

    def unmasked(self, masks: Iterable[str]) -> dict[str, str]:
        """Per mask the id of its user; what is no mask stays as it is, with a mark that no id has."""
        users = self._forecaster.snapshot.histories.user_ids
        found = {mask: self.row_of(mask) for mask in masks}
        return {mask: f"{UNKNOWN}{mask}" if row is None else users[row] for mask, row in found.items()}

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows = range(len(self._forecaster.snapshot.histories.user_ids))
        return {self.masked(row).replace("-", ""): row for row in rows}

    def masked(self, row: int) -> str:
        """What stands for the id of a user where the id itself may not be shown: 'W3QK-7T1Z-0M9X-C5RD'."""
        return masks_of(self._key, self._forecaster.snapshot.histories.user_ids[row])[0]

    def evidence(self, reasons: list[Reason]) -> tuple[Evidence, ...]:
        """Reasons with the names of their items."""
        vocabulary = self._forecaster.snapshot.vocabulary
        return tuple(
            Evidence(
                item=vocabulary.texts[reason.item],
                source=vocabulary.sources[vocabulary.source_of[reason.item]],
                times=reason.times,
                last=reason.last,
                weight=reason.weight,
            )
            for reason in reasons
        )

    def why(self, reasons: list[Reason]) -> str:
        """Reasons in one sentence."""
        vocabulary = self._forecaster.snapshot.vocabulary
        return why([(vocabulary.texts[reason.item], reason) for reason in reasons])


def masks_of(key: bytes, user: str) -> tuple[str, ...]:
    """What stands for the id of a user, the same without hyphens, and what stood for it before 0.2."""
    digest = hmac.digest(key, user.encode(), "sha256")
    letters = base64.b32encode(digest[: MASK_BITS // 8]).decode("ascii").translate(_WRITTEN)
    groups = (letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
    return "-".join(groups), letters, digest.hex()[:6].upper()


_MASK = re.compile(rf"(?:.*\s)?(?:[{_DIGITS}]{{{_GROUP}}}-?){{{_LETTERS // _GROUP}}}(?<!-)", re.IGNORECASE)


def is_mask(text: str) -> bool:
    """Whether a text looks like the mask of a user, with or without hyphens and what is written before it."""
    return bool(_MASK.fullmatch(text.strip())) and not text.strip().isdigit()


_TOP_GROUPS = 40


def describe(
    forecaster: Forecaster, conditions: Conditions, search: CatalogueSearch, disclosure: Disclosure
) -> DataCard:
    """Count sources and attributes, as the counts are shown; attribute counts are over the population."""
    past, card = forecaster.snapshot.histories.past, forecaster.dataset.card
    population = forecaster.snapshot.histories.in_population
    return DataCard(
        title=card.title,
        note=card.note,
        unit=card.unit,
        unit_plural=card.unit_plural,
        population=disclosure.count(population) or 0,
        minimum_size=disclosure.minimum,
        as_of=past.as_of,
        horizon_days=HORIZON_DAYS,
        main_source=card.main_source,
        sources=_sources(forecaster, disclosure),
        fields=field_cards(conditions.attributes.filter(pl.Series(population)), disclosure),
        top_groups=search.common_groups(card.main_source, _TOP_GROUPS),
        model_version=forecaster.model.config.version,
        data_version=card.version,
    )


def _sources(forecaster: Forecaster, disclosure: Disclosure) -> tuple[SourceCard, ...]:
    histories = forecaster.snapshot.histories
    counted = source_totals(histories.past) if histories.totals is None else histories.totals
    cards = []
    slots = dict(zip(forecaster.snapshot.vocabulary.sources, histories.slots, strict=True))
    for row in counted.to_dicts():
        places = slots[row["source"]].indptr[:: len(SLOTS) + 1]
        row["users"] = int((places[1:] > places[:-1]).sum())
        row["items"] = len(np.unique(slots[row["source"]].indices))
        users = disclosure.count(row["users"], "source", row["source"])
        events = disclosure.total(row["events"], users, "source", row["source"])
        shown = {"actions": tuple(row["actions"]), "users": users, "events": None if events is None else int(events)}
        row["wording"] = forecaster.dataset.card.wordings.get(row["source"], "")
        cards.append(SourceCard.model_validate(row | shown))
    return tuple(cards)


def field_cards(attributes: pl.DataFrame, disclosure: Disclosure) -> tuple[FieldCard, ...]:
    """Every attribute of some users with its values, as counts are shown."""
    cards = []
    for name in (column for column in attributes.columns if column != "user_id"):
        counted = attributes.group_by(pl.col(name).alias("value")).len("users").drop_nulls("value").sort("value")
        counts: dict[str, int] = dict(counted.iter_rows())
        keys = [(value_key(name, value),) for value in counts] + [(unknown_key(name),)]
        *shown, unknown = disclosure.cells([*counts.values(), attributes[name].null_count()], keys)
        values = tuple(ValueCount(value=value, users=users) for value, users in zip(counts, shown, strict=True))
        cards.append(FieldCard(field=name, values=values, unknown=unknown))
    return tuple(cards)


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
        self.report_for = lru_cache(maxsize=2)(self._report)
        self.conditions = Conditions(forecaster, minimum_size)
        self.search = CatalogueSearch(forecaster)
        self.catalogue = Catalogue(self.search)
        self.people = MaskedUsers(forecaster, mask_key)
        self._looked_at = 0

    @property
    def _edition(self) -> str:
        """Which data, model and day are counted."""
        return f"{self.forecaster.dataset.card.version} {self.forecaster.model.config.version} {self.as_of}"

    @property
    def as_of(self) -> date:
        """The day that counts as now."""
        return self.forecaster.snapshot.histories.past.as_of

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[N], who was active lately, and so belongs to the population."""
        return self.conditions.population

    @property
    def user_ids(self) -> list[str]:
        """[N], in the order of the rows."""
        return self.forecaster.snapshot.histories.user_ids

    @property
    def row_of(self) -> dict[str, int]:
        """The row of every user."""
        return self.forecaster.snapshot.histories.row_of

    def leave_out_erased(self, workspace: Workspace) -> None:
        """Leave users out who were erased since the data was opened; the list is read where it has changed."""
        if (changed := changed_at(workspace)) == self._looked_at:
            return
        gone = [self.row_of[user] for user in Forgotten(workspace).among(self.user_ids)]
        if gone:
            self.conditions.gone[gone] = True
            self.size.cache_clear()
            self.card_for.cache_clear()
            self.report_for.cache_clear()
        self._looked_at = changed

    def _size(self, spec: AudienceSpec, disclosure: Disclosure) -> tuple[SizeEstimate, tuple[Question, ...]]:
        """``size`` remembers it: pages and agents ask for the same again and again. Not for tuned demands."""
        selection = select(self.forecaster.forecast(spec.demand), spec, self.conditions, disclosure)
        size = size_estimate(spec, selection, self.forecaster, disclosure, self.sentence(spec, disclosure))
        return size, (selection.asked, *selection.counts)

    def _stated(self, spec: AudienceSpec) -> AudienceSpec:
        """``stated`` remembers it: see ``tools.sentences.sentence.with_conditions``."""
        return with_conditions(spec, self.card)

    def sentence(self, spec: AudienceSpec, disclosure: Disclosure) -> str:
        """Everything that decides who is in, in one sentence, with what its stages of the life cycle stand for."""
        return write(spec, self.card, partial(self.conditions.meaning, disclosure=disclosure))

    def _card(self, disclosure: Disclosure) -> DataCard:
        return describe(self.forecaster, self.conditions, self.search, disclosure)

    def _report(self, disclosure: Disclosure) -> DataReport:
        return data_report(self.forecaster.dataset, self.as_of, disclosure)

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
