"""One sentence in, the users who will do it out: the trained model on one data set at one as-of date."""

import math
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from scipy.special import logit

from encoders.calibration import all_of, at_rate, standardise
from encoders.data.events import Dataset
from encoders.demand_reader import DemandReader, Items, Matrix
from encoders.errors import ModelError
from encoders.features.counts import did_any, level
from encoders.model.dual import EncodedParts
from encoders.model.users import FeatureSnapshot, open_snapshot, read_vocabulary
from encoders.model_folder import TrainedModel, read_model
from encoders.overdispersion import MOST_SPREAD
from encoders.reader import Reader
from encoders.reader.meaning import Meaning
from encoders.returning import ReturnForecast, fit_returning
from encoders.settings import Settings
from encoders.text.demand import Demand, Part
from encoders.text.encoders import TextEncoder, text_encoder
from encoders.user_vectors import UserVectors, fingerprints, stored_vectors
from encoders.workspace import Progress, Workspace, silent

Vector = npt.NDArray[np.float64]

_WITNESS = 1.0
"""How much somebody's own words count beside the things that they are read as."""
_MUCH, _MOST_OTHERS = 0.2, 3
"""From this deviation on (of the log of a number), other things that words may mean are told of; so many at most."""
_SAMPLED = 4096
"""So many users at most are looked at to see how far readings differ."""
_EVIDENCE_HALF_LIFE = 2
"""Evidence is weighed by the counts of this half-life (90 days)."""


@dataclass(frozen=True)
class Forecast:
    """What one demand gives for the N users of a snapshot."""

    demand: Demand
    scores: Vector
    """[N]: the higher, the likelier. Comparable between users, not between demands."""
    probabilities: Vector
    """[N]: calibrated, that the user does it within the horizon."""
    spread: float
    """How far the number of responders may be off beyond chance, see ``encoders.overdispersion``."""
    nearness: float
    """The cosine with what is nearest to its words in the data; of its parts, the least near one."""
    misread: float
    """How far the number may be off, likewise, because the words may mean something else; part of ``spread``."""
    items: Items
    """What the sentence was read as, best first; empty where the data has nothing of the kind."""
    own: npt.NDArray[np.float32]
    """[V]: what one event with an item adds to the match, by itself."""
    related: npt.NDArray[np.float32]
    """[V]: what it adds because it goes with what the demand means."""
    instead: tuple[str, ...] = ()
    """What its words may mean as well, likeliest first, where that changes the number of responders much."""


@dataclass(frozen=True)
class Reason:
    """Past events of one user with one item, and the share of their match that they carry."""

    item: int
    times: int
    last: date
    weight: float
    direct: bool
    """The item itself is meant, not one that goes with it."""


class Forecaster(DemandReader):
    """Scores, probabilities and evidence for any sentence. Reading it is safe from several threads."""

    def __init__(
        self,
        model: TrainedModel,
        snapshot: FeatureSnapshot,
        encoder: TextEncoder,
        vectors: Matrix | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        """Put a model in front of a snapshot.

        Args:
            model: trained on no event on or after the snapshot's date.
            snapshot: the users.
            encoder: the text encoder the model was trained with.
            vectors: [N, width] user vectors; None to compute them.
            workspace: where they are kept; None to compute them in memory.

        Raises:
            ModelError: the model has seen the future of the snapshot. A model of another data set has not: its calendar
                is another one.
        """
        same = model.config.data_name == snapshot.histories.past.dataset.card.name
        if same and model.config.as_of > snapshot.histories.past.as_of:
            raise ModelError(
                f"Model {model.config.version} was trained up to {model.config.as_of} and may not score "
                f"{snapshot.histories.past.as_of}; train one with --as-of {snapshot.histories.past.as_of}."
            )
        super().__init__(model, snapshot, encoder)
        self._vectors, self._workspace = vectors, workspace
        self._forecast = lru_cache(maxsize=256)(self._read)
        self._forecast_named = lru_cache(maxsize=64)(self.of_one_name)
        self._recent = lru_cache(maxsize=8)(snapshot.histories.done_within)
        self._returning = lru_cache(maxsize=8)(self._fit_returning)
        self._chance_of_anything = lru_cache(maxsize=32)(self._come_back)

    @classmethod
    def open(
        cls, workspace: Workspace, settings: Settings, model: Path, as_of: date, dataset: Dataset | None = None
    ) -> "Forecaster":
        """Load ``model`` and read everything before ``as_of`` of a data set (None: the current one).

        Raises:
            ModelError, DataError: the model or the data does not fit.
        """
        trained = read_model(model)
        dataset = dataset or Dataset.current(workspace)
        encoder = text_encoder(trained.config.text_encoder)
        vocabulary = read_vocabulary(dataset, encoder, workspace)
        forecaster = cls(trained, open_snapshot(dataset.before(as_of), vocabulary, encoder), encoder, None, workspace)
        if trained.adapted is None:
            forecaster.remember_names(workspace)
        return forecaster

    def read_with(self, reader: Reader) -> None:
        """Read words that are no names of the data with ``reader`` from now on."""
        if reader is not self._reader:
            self._reader = reader
            self._forecast.cache_clear()

    @property
    def user_vectors(self) -> Matrix:
        """Unit vectors of the users, [N, width]; computed where they are neither given nor kept."""
        if self._vectors is None:
            self._vectors = self.stored_vectors().vectors
        return self._vectors

    def stored_vectors(self, progress: Progress = silent) -> UserVectors:
        """The vectors with what they were made from, brought up to date in the workspace where there is one."""
        if self._workspace is not None:
            return stored_vectors(self._workspace, self.model, self.snapshot, progress)
        with torch.no_grad():
            vectors = self.model.encoder.user_vectors(self.snapshot).numpy()
        return UserVectors(vectors, fingerprints(self.model, self.snapshot), len(vectors))

    def forecast(self, sentence: str) -> Forecast:
        """Score every user against one sentence; repeated sentences come from memory."""
        return self._forecast(sentence)

    @torch.no_grad()
    def compute(self, demand: Demand, parts: EncodedParts, known: list[Items] | None = None) -> Forecast:
        """Score every user against a demand that is encoded already, whichever way; nothing of it is remembered.

        Args:
            demand: what the parts say.
            parts: the parts of the demand, in its order; scores, items and the level of the probabilities are all
                read through them.
            known: the items that each part means where they are known; None to find them.
        """
        model, population = self.model.encoder, self.snapshot.histories.in_population
        near = model.nearness(self.placed, parts)
        raw = model.score(self.snapshot, parts, near, torch.from_numpy(self.user_vectors)).numpy()
        belongs = self.snapshot.of_source(parts.source)
        meant = self._meant(demand, parts, belongs) if known is None else known
        recent = self.done_within(demand.horizon_days)[population]
        attention = model.attention(self.snapshot, parts, near)
        calibration = self.model.config.calibration
        anything = [part.anything for part in demand.parts]
        sure = len(demand.parts) * [True] if known is not None else anything
        nearest = [calibration.plain if sure[k] else best for k, best in enumerate(near.best.tolist())]
        doers = [did_any(recent, items) for items in meant]
        levels = [level(doers[k]) if len(items) else math.nan for k, items in enumerate(meant)]
        chances = []
        for k, source in enumerate(parts.source.tolist()):
            if anything[k]:
                chances.append(self._chance_of_anything(source, demand.horizon_days))
                continue
            standard = standardise(raw[:, k], population)
            chance = calibration.probabilities(standard, levels[k], nearest[k], population)
            if self._returning(source).learned:  # nobody does one thing likelier than anything at all
                chance = np.minimum(chance, self._chance_of_anything(source, demand.horizon_days))
            chances.append(chance)
        wanted = [k for k, part in enumerate(demand.parts) if not part.negated]
        unwanted = [k for k, part in enumerate(demand.parts) if part.negated]
        probability = chances[0]
        scores = self._returning(int(parts.source[0])).scores if anything[0] else raw[:, 0].astype(np.float64)
        if len(parts) > 1 or unwanted:
            together = np.prod([1.0 - chances[k] for k in unwanted], axis=0)
            together = together * all_of([chances[k] for k in wanted]) if wanted else together
            both = np.all([doers[k] for k in wanted], axis=0) & ~np.any([doers[k] for k in unwanted], axis=0)
            share = math.nan if np.isnan(levels).any() else level(both)
            sooner = [*(chances[k] for k in wanted), *(1.0 - chances[k] for k in unwanted)]
            probability = calibration.joined(together, share, min(nearest), population)
            probability = np.minimum(probability, np.min(sooner, axis=0))  # nobody does both likelier than either
            scores = logit(np.clip(probability, 1e-9, 1 - 1e-9))
        items = np.array(list(dict.fromkeys(item for k in wanted for item in meant[k].tolist())), np.int64)
        spread = calibration.spread_of(min(nearest), len(parts))
        looks = attention.items.mean(0)
        looks[anything] = torch.from_numpy(belongs[anything] / belongs[anything].sum(1, keepdims=True)).to(looks.dtype)
        weights = looks[wanted or unwanted].mean(0, keepdim=True)
        related = self.snapshot.structure.spread(weights)
        own, around = weights[0].numpy(), related[0].numpy()
        found = Forecast(demand, scores, probability, spread, min(nearest), 0.0, items, own, around)
        return self._newcomers(found, demand)

    def meant(self, sentence: str) -> tuple[Demand, list[Items]]:
        """A sentence taken apart, and per part the items that it means, best first."""
        demand = self.read(sentence)
        if len(demand.parts) == 1 and not demand.parts[0].negated:
            return demand, [self.forecast(sentence).items]
        source = self.source_meant(sentence)
        parts = self._parts(demand, source)
        if parts is None:
            return demand, self.items_of(demand, self.encode(demand, source))
        return demand, [part.items for part in parts]

    def done_within(self, days: int | None) -> sp.csr_matrix:
        """What every user did in the last ``days`` before the as-of date (None: ever), [N, V]."""
        return self._recent(days)

    def reasons(self, forecast: Forecast, row: int, limit: int = 5) -> list[Reason]:
        """The past events of one user that raise their score most, heaviest first."""
        counts = self.snapshot.histories.counts[_EVIDENCE_HALF_LIFE]
        mine = slice(counts.indptr[row], counts.indptr[row + 1])
        items, weights = counts.indices[mine], counts.data[mine]
        own, related = weights * forecast.own[items], weights * np.maximum(forecast.related[items], 0.0)
        carried = own + related
        if carried.sum() <= 0:
            return []
        best = np.argsort(-carried, kind="stable")[:limit]
        best = best[carried[best] >= 0.02 * carried.sum()]
        user = self.snapshot.histories.user_ids[row]
        seen = (
            self.snapshot.histories.past.events()
            .filter((pl.col("user_id") == user) & pl.col("item_id").is_in(items[best].tolist()))
            .group_by("item_id")
            .agg(pl.col("time").dt.date().n_unique().alias("times"), pl.col("time").max().dt.date().alias("last"))
            .collect()
        )
        facts = {item: (times, last) for item, times, last in seen.iter_rows()}
        total = float(carried.sum())
        return [
            Reason(int(items[k]), *facts[int(items[k])], float(carried[k]) / total, bool(items[k] in forecast.items))
            for k in best
        ]

    def _fit_returning(self, source: int) -> ReturnForecast:
        histories = self.snapshot.histories
        name = self.snapshot.vocabulary.sources[source]
        known = dict(zip(self.snapshot.vocabulary.sources, histories.regularity, strict=False))
        return fit_returning(histories.past, histories.user_ids, histories.in_population, name, known)

    def _come_back(self, source: int, days: int) -> Vector:
        """``_chance_of_anything`` remembers it: [N], the probability of any event of a source."""
        return self._returning(source).within(days)

    def _read(self, sentence: str) -> Forecast:
        demand = self.read(sentence)
        source = self.source_meant(demand.sentence)
        return self._newcomers(self._at_any_time(self._plain(demand, source), source), demand)

    def _plain(self, demand: Demand, source: int) -> Demand:
        """The same in the words of the data around what is wanted, so that other words around it change nothing."""
        asked = replace(demand, first_time=False)
        if demand.witness or len(demand.parts) > 1:
            return asked
        alone = self.alone(" or ".join(demand.parts[0].phrases), demand.horizon_days, source)
        read = self.read(alone)
        same = [part.phrases for part in read.parts] == [demand.parts[0].phrases] and self.source_meant(alone) == source
        return replace(asked, sentence=alone) if same else asked

    def _at_any_time(self, demand: Demand, source: int) -> Forecast:
        """Whether they have done it before or not."""
        if demand.witness:  # the things that it names are a reading of those words already
            return self._mixed(self._as_written(demand, source), self._as_written(self.read(demand.witness), source))
        if len(demand.parts) > 1 or demand.parts[0].negated:
            return self._joined(demand, source)
        found = self.meaning(demand, source)
        if found is None or not len(found.items):
            return self._as_written(demand, source)
        read = self._of_groups(demand, found)
        if found.by_name:
            return read
        return self._with_each(self._mixed(read, self._as_written(demand, source)), found)

    def _as_written(self, demand: Demand, source: int) -> Forecast:
        """By the text encoders alone; each of several parts as it is read by itself."""
        if len(demand.parts) > 1 or demand.parts[0].negated:
            return self._joined(demand, source)
        return self.compute(demand, self.encode(demand, source))

    def _with_each(self, forecast: Forecast, found: Meaning) -> Forecast:
        """The same, with nobody less likely to do any of several things than one of them by itself."""
        phrases, days = forecast.demand.parts[0].phrases, forecast.demand.horizon_days
        each = [self.alone(phrases[number], days) for number in found.alone]
        each = [alone for alone in each if self.read(alone).phrases != phrases and len(self.read(alone).parts) == 1]
        sooner = np.max([forecast.probabilities, *(self.forecast(alone).probabilities for alone in each)], axis=0)
        return replace(forecast, probabilities=sooner)

    # --- What words mean that are no names of the data

    def of_one_name(self, name: str, items: tuple[int, ...], days: int) -> Forecast:
        """What a demand for some items gives that go by one name; ``_forecast_named`` remembers it."""
        demand = self.read(self.alone(name, days))
        if len(demand.parts) > 1:  # whatever else its words say, it is one name
            demand = replace(demand, parts=(Part((name,)),))
        return self.compute(demand, self.encode(demand, 0), [np.array(items, np.int64)])

    def _of_groups(self, demand: Demand, found: Meaning) -> Forecast:
        """Who will do something with any group that a demand means; how many do, says the past of all of them."""
        population, days = self.snapshot.histories.in_population, demand.horizon_days
        calibration = self.model.config.calibration
        things = [(int(number), found.members[number]) for number in found.meant]
        each = [self._forecast_named(self.name_of(*thing), tuple(thing[1].tolist()), days) for thing in things]
        items, own = found.items, np.mean([one.own for one in each], axis=0)
        items = items[np.argsort(-own[items], kind="stable")]
        recent = self.done_within(days)[population]
        any_of_them = 1.0 - np.prod([1.0 - one.probabilities for one in each], axis=0)
        chance = calibration.joined(any_of_them, level(did_any(recent, items)), calibration.plain, population)
        chance = np.maximum(chance, np.max([one.probabilities for one in each], axis=0))
        if self._returning(0).learned:
            chance = np.minimum(chance, self._chance_of_anything(0, days))
        sample = recent[:: max(1, recent.shape[0] // _SAMPLED)]
        misread = found.misread(partial(did_any, sample))
        others = [self.name_of(int(number), found.members[number]) for number in found.others]
        return Forecast(
            demand,
            logit(np.clip(chance, 1e-9, 1 - 1e-9)),
            chance,
            float(min(np.hypot(calibration.spread_of(calibration.plain, 1), misread), MOST_SPREAD)),
            calibration.plain,
            misread,
            items,
            own,
            np.mean([one.related for one in each], axis=0),
            tuple(others[:_MOST_OTHERS]) if misread > _MUCH else (),
        )

    # --- Demands of several parts, and readings that are mixed

    def _joined(self, demand: Demand, source: int) -> Forecast:
        """All parts of a demand together: nobody does all of them likelier than any part by itself."""
        population, calibration = self.snapshot.histories.in_population, self.model.config.calibration
        recent = self.done_within(demand.horizon_days)[population]
        parts = self._parts(demand, source)
        if parts is None:
            return self.compute(demand, self.encode(demand, source))
        wanted = [one for one, part in zip(parts, demand.parts, strict=True) if not part.negated]
        unwanted = [one for one, part in zip(parts, demand.parts, strict=True) if part.negated]
        together = np.prod([1.0 - one.probabilities for one in unwanted], axis=0)
        if not wanted:
            return self._nobody(demand, together, unwanted)
        together = together * all_of([one.probabilities for one in wanted])
        doers = np.all([did_any(recent, one.items) for one in wanted], axis=0)
        doers &= ~np.any([did_any(recent, one.items) for one in unwanted], axis=0)
        known = all(len(one.items) for one in parts)
        nearest = min(one.nearness for one in parts)
        chance = calibration.joined(together, level(doers) if known else math.nan, nearest, population)
        sooner = [*(one.probabilities for one in wanted), *(1.0 - one.probabilities for one in unwanted)]
        chance = np.minimum(chance, np.min(sooner, axis=0))
        misread = math.hypot(*(one.misread for one in parts))
        spread = min(math.hypot(calibration.spread_of(nearest, len(parts)), misread), MOST_SPREAD)
        items = np.array(list(dict.fromkeys(np.concatenate([one.items for one in wanted]).tolist())), np.int64)
        return Forecast(
            demand,
            logit(np.clip(chance, 1e-9, 1 - 1e-9)),
            chance,
            spread,
            nearest,
            misread,
            items,
            np.mean([one.own for one in wanted], axis=0),
            np.mean([one.related for one in wanted], axis=0),
            tuple(dict.fromkeys(name for one in parts for name in one.instead)),
        )

    def _nobody(self, demand: Demand, chance: Vector, unwanted: list[Forecast]) -> Forecast:
        """Those who will not do some things: everyone less those who will, to the last user."""
        nothing = np.zeros(len(self.snapshot.vocabulary.texts), np.float32)
        return Forecast(
            demand,
            logit(np.clip(chance, 1e-9, 1 - 1e-9)),
            chance,
            max(one.spread for one in unwanted),
            min(one.nearness for one in unwanted),
            max(one.misread for one in unwanted),
            np.zeros(0, np.int64),
            nothing,
            nothing,
            tuple(dict.fromkeys(name for one in unwanted for name in one.instead)),
        )

    def _parts(self, demand: Demand, source: int) -> list[Forecast] | None:
        """Every part by itself; None where what is left out cannot be told from what is wanted.

        "Toothpaste but not mouthwash", where mouthwash is read as oral care, leaves out the rest of oral care.
        """
        parts = [self._part(part, demand, source) for part in demand.parts]
        wanted = [one.items for one, part in zip(parts, demand.parts, strict=True) if not part.negated]
        for number, part in enumerate(demand.parts):
            items = parts[number].items
            if not part.negated or not any(len(each) and np.isin(each, items).all() for each in wanted):
                continue
            rest = np.setdiff1d(items, np.concatenate(wanted))
            if not len(rest):
                return None
            name = " or ".join(part.phrases)
            parts[number] = self._forecast_named(name, tuple(rest.tolist()), demand.horizon_days)
        return parts

    def _part(self, part: Part, demand: Demand, source: int) -> Forecast:
        """One part of a demand by itself, as if it was asked for alone."""
        alone = self.alone(" or ".join(part.phrases), demand.horizon_days, source)
        if len(self.read(alone).parts) == 1 and self.source_meant(alone) == source:
            return self.forecast(alone)
        by_itself = replace(demand, sentence=alone, parts=(replace(part, negated=False),), first_time=False)
        return self.compute(by_itself, self.encode(by_itself, source))

    def _newcomers(self, forecast: Forecast, demand: Demand) -> Forecast:
        """What a demand gives: of those alone who have never done it, where it asks for the first time."""
        forecast = replace(forecast, demand=demand)
        if not demand.first_time or not len(forecast.items):
            return forecast
        before = np.asarray(self.done_within(None)[:, forecast.items].sum(axis=1)).ravel() > 0
        scores = np.where(before, forecast.scores - np.ptp(forecast.scores) - 1.0, forecast.scores)
        return replace(forecast, scores=scores, probabilities=np.where(before, 0.0, forecast.probabilities))

    def _mixed(self, forecast: Forecast, written: Forecast) -> Forecast:
        """Mix in how the words themselves rank the users; how many respond is what the things they mean say."""
        here = self.snapshot.histories.in_population
        ranks = standardise(forecast.scores, here) + _WITNESS * standardise(written.scores, here)
        logits = [logit(np.clip(each.probabilities, 1e-9, 1 - 1e-9)) for each in (forecast, written)]
        rate = float(forecast.probabilities[here].mean())
        mixed = at_rate((logits[0] + _WITNESS * logits[1]) / (1.0 + _WITNESS), rate, here)
        return replace(forecast, scores=ranks, probabilities=mixed)
