"""Who changes because of us: the pooled effects of all campaigns, and what they mean for one audience."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tools.audiences.disclosure import Disclosure, Question
from tools.audiences.effects import EDGES, Cell, Effects, Measured, Vector, band_of, fit, scale_of
from tools.audiences.ledger import kind_of
from tools.audiences.qini import qini
from tools.effect_types import EffectGroup, IncrementalCut, UpliftAnswer, UpliftPart, UpliftReport, Verdict
from tools.operation_types import Estimate, Kind
from tools.storage.exposures import Exposed, Exposures
from tools.storage.registry import Registry

ANYWAY = 0.2
"""Where at most so many of the responders come because of us, they would come anyway."""
_BOUNDS = (0.025, 0.5, 0.975)
_MORE = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 125, 150, 200)
SURE = 0.005
"""A claim that users may be moved needs so little belief that they are not: a report has a dozen groups, and in at most
one of twenty reports shall any of them be claimed falsely."""
_NORMAL, _SURELY = 1.96, 2.576
_STEPS = 200
"""Cuts that are tried for the profit."""
VERDICTS: tuple[Verdict, ...] = ("would come anyway", "may be moved", "unknown")


@dataclass(frozen=True)
class Asked:
    """The users of an audience who are asked about, the likeliest first."""

    name: str
    kind: Kind
    chances: Vector
    habitual: Vector
    """Whether each had done it before."""
    inside: int
    """So many of them, from the first on, are in the audience; the others would be in a larger one."""
    question: Question


class Uplift:
    """The effects of the campaigns of one tenant, as one caller may see them."""

    def __init__(self, registry: Registry, disclosure: Disclosure, unit: str) -> None:
        """Count nothing yet.

        Args:
            registry: the campaigns.
            disclosure: how counts are shown; below admin, effects are told from counts as they are shown.
            unit: what users are called in the data, in the plural.
        """
        self._registry, self._disclosure, self._unit = registry, disclosure, unit

    def report(
        self, asked: Asked | None = None, holdout: float = 0.1, value: float | None = None, cost: float | None = None
    ) -> UpliftReport:
        """What all campaigns say, and what that means for one audience.

        Args:
            asked: the audience; None for the campaigns alone.
            holdout: the share that further campaigns would hold out.
            value: of a responder.
            cost: of a contact.
        """
        effects = fit(self.measured, [asked.kind] if asked else ())
        campaigns = len({each.campaign for each in self.measured})
        answer = cut = None
        notes = list(self._notes())
        if asked is not None:
            answer = self._answer(asked, effects, holdout)
            if value is not None and cost is not None and not self._disclosure.exact:
                notes.append("A cut by profit is told to the owner and to tokens with the scope 'admin' alone.")
            elif value is not None and cost is not None:
                cut = self._cut(asked, effects, value, cost) if answer.effect else None
                if cut is None:
                    notes.append("It is not sure of any cut that it would pay more than its contacts cost.")
        return UpliftReport(
            campaigns=campaigns,
            groups=tuple(self._groups(effects)),
            answer=answer,
            cut=cut,
            qini=qini(self.measured),
            notes=tuple(notes),
        )

    @cached_property
    def measured(self) -> list[Measured]:
        """Each campaign and group of users with both sides, by the counts that the caller may read."""
        versions = {(each.id, each.version): each for each in self._registry.versions()}
        sides: dict[tuple[str, int, int, bool], dict[bool, Exposed]] = {}
        for each in Exposures(self._registry.database).counted(EDGES):
            sides.setdefault((each.audience, each.version, each.band, each.habitual), {})[each.held_out] = each
        found = []
        for (audience, version, band, habitual), both in sides.items():
            if len(both) < 2:
                continue
            kind = kind_of(versions[audience, version].spec, self._unit)
            place = ("effects", audience, str(version), str(band), str(habitual))
            made = self._measured(f"{audience} {version}", Cell(kind, band, habitual), both, place)
            found += [made] if made else []
        return found

    def _measured(self, campaign: str, cell: Cell, both: dict[bool, Exposed], place: Question) -> Measured | None:
        users = sum(each.users for each in both.values())
        chance = sum(each.chances for each in both.values()) / users
        if self._disclosure.exact:
            counts = [both[side].users for side in (False, True)] + [both[side].responders for side in (False, True)]
            return Measured(campaign, cell, counts[0], counts[2], counts[1], counts[3], chance)
        shown: list[int] = []
        for side in (False, True):
            count = self._disclosure.count(both[side].users, *place, str(side))
            responders = self._disclosure.measured(both[side].responders, *place, str(side))
            if count is None or responders is None:
                return None
            shown += [count, min(count, responders)]
        contacted, responded, held_out, held_responded = shown
        chance, noise = self._disclosure.share(chance), self._disclosure.noise_variance
        return Measured(campaign, cell, contacted, responded, held_out, held_responded, chance, noise)

    def _notes(self) -> list[str]:
        notes = []
        if unknown := len(Exposures(self._registry.database).unknown()):
            notes.append(
                f"{unknown} outcomes are not counted: they were recorded before it was kept who responded, or their "
                "audience has no forecast. Bring the outcome of an audience with a demand again to count it."
            )
        if not self.measured:
            notes.append("No outcome of an audience with a holdout is known yet, so nobody can say who changes.")
        if not self._disclosure.exact:
            notes.append("Effects are told from protected counts, so they are less sure than those of the owner.")
        return notes

    def _groups(self, effects: Effects) -> list[EffectGroup]:
        """The groups that have enough users to be shown."""
        together: dict[Cell, list[Measured]] = {}
        for each in self.measured:
            together.setdefault(each.cell, []).append(each)
        rows = []
        for cell in sorted(together):
            parts = together[cell]
            sides = ((each.contacted, each.responded, each.held_out, each.held_responded) for each in parts)
            counts = [sum(column) for column in zip(*sides, strict=True)]
            users = counts[0] + counts[2]
            if users < self._disclosure.minimum:
                continue
            chance = sum(each.chance * (each.contacted + each.held_out) for each in parts) / users
            drawn = effects.of([cell])[:, 0] * scale_of(chance)
            contacted, held = (self._shown(each) for each in (counts[0], counts[2]))
            rows.append(
                EffectGroup(
                    kind=cell.kind,
                    low=EDGES[cell.band],
                    high=EDGES[cell.band + 1],
                    habitual=cell.habitual,
                    campaigns=len(parts),
                    contacted=contacted,
                    contacted_responders=None if contacted is None else counts[1],
                    held_out=held,
                    held_out_responders=None if held is None else counts[3],
                    effect=self._estimate(drawn),
                    verdict=verdict(drawn, chance),
                )
            )
        return rows

    def _shown(self, count: int) -> int | None:
        """A sum of counts that are shown; it has their noise already."""
        return count if count >= self._disclosure.minimum else None

    def _answer(self, asked: Asked, effects: Effects, holdout: float) -> UpliftAnswer:
        parts = self._composition(asked)
        shown = self._disclosure.count(asked.inside, *asked.question)
        if not self.measured or shown is None or not parts:
            unknown = (UpliftPart(verdict="unknown", users=shown),) if shown else ()
            return UpliftAnswer(
                audience=asked.name, users=shown, verdict="unknown", effect=None, anyway=None, parts=unknown,
                more_campaigns=None,
            )  # fmt: skip
        whole = sum(users for users, _ in parts.values())
        weights = {cell: users / whole * scale_of(chance) for cell, (users, chance) in parts.items()}
        drawn = effects.of(list(weights)) @ np.array(list(weights.values()))
        base = sum(users * chance for users, chance in parts.values()) / whole
        said = verdict(drawn, base)
        more: int | None
        if said != "unknown":
            more = 0
        else:
            sizes = {cell: users for cell, (users, _) in parts.items()}
            more = more_campaigns(effects, weights, sizes, holdout, drawn, base)
        return UpliftAnswer(
            audience=asked.name,
            users=shown,
            verdict=said,
            effect=self._estimate(drawn),
            anyway=self._estimate(1 - incremental(drawn, base)),
            parts=self._parts(asked, parts, effects),
            more_campaigns=more,
        )

    def _composition(self, asked: Asked) -> dict[Cell, tuple[int, float]]:
        """How many users of the audience are in each cell, and their mean forecast, as the caller may know them."""
        cells, places = self._cells(asked, asked.inside)
        found = {}
        for number, cell in enumerate(cells):
            mine = places == number
            users, chance = int(mine.sum()), float(asked.chances[: asked.inside][mine].mean())
            if not self._disclosure.exact:
                place = (*asked.question, "cell", str(cell.band), str(cell.habitual))
                users, chance = self._disclosure.count(users, *place) or 0, self._disclosure.share(chance)
            if users:
                found[cell] = (users, chance)
        return found

    def _parts(self, asked: Asked, parts: dict[Cell, tuple[int, float]], effects: Effects) -> tuple[UpliftPart, ...]:
        """How many users are in cells of each verdict."""
        counts: Counter[Verdict] = Counter()
        for number, drawn in enumerate(effects.of(list(parts)).T):
            users, chance = list(parts.values())[number]
            counts[verdict(drawn * scale_of(chance), chance)] += users
        present = [each for each in VERDICTS if counts[each]]
        exact = Disclosure(self._disclosure.minimum)  # below admin the counts have their noise already
        shown = exact.cells([counts[each] for each in present], [()] * len(present))
        return tuple(UpliftPart(verdict=each, users=users) for each, users in zip(present, shown, strict=True))

    def _cut(self, asked: Asked, effects: Effects, value: float, cost: float) -> IncrementalCut | None:
        """The cut with the highest profit that comes because of us, where it is sure that there is one."""
        everyone = len(asked.chances)
        smallest = min(self._disclosure.smallest, everyone)
        cells, places = self._cells(asked, everyone)
        sizes = np.unique(np.linspace(smallest, everyone, _STEPS).astype(int))
        scales = np.sqrt(np.clip(asked.chances * (1 - asked.chances), 1e-4, None))
        loads = np.array([np.cumsum(np.where(places == number, scales, 0.0)) for number in range(len(cells))])
        gained = effects.of(cells) @ loads[:, sizes - 1]
        profit = gained * value - sizes * cost
        best = int(profit.mean(0).argmax())
        if np.quantile(profit[:, best], _BOUNDS[0]) <= 0:
            return None
        return IncrementalCut(
            cut=float(sizes[best]) / everyone,
            users=self._disclosure.count(int(sizes[best]), *asked.question, "profit"),
            incremental=self._estimate(gained[:, best]),
            profit=self._estimate(profit[:, best]),
        )

    def _cells(self, asked: Asked, users: int) -> tuple[list[Cell], npt.NDArray[np.intp]]:
        """The cells of the first so many users, and which of them each is in."""
        keys = band_of(asked.chances[:users]) * 2 + asked.habitual[:users].astype(np.int64)
        known, places = np.unique(keys, return_inverse=True)
        return [Cell(asked.kind, int(key) // 2, bool(key % 2)) for key in known], places

    def _estimate(self, drawn: Vector) -> Estimate:
        low, mid, high = np.quantile(drawn, _BOUNDS).tolist()
        if self._disclosure.exact:
            return Estimate(low=low, mid=mid, high=high)
        low, mid, high = (float(f"{each:.2g}") for each in (low, mid, high))
        return Estimate(low=low, mid=mid, high=high)


def incremental(drawn: Vector, base: float) -> Vector:
    """Which share of the responders come because of us.

    Args:
        drawn: effects, in shares of users.
        base: the share that responds without us.
    """
    return np.asarray(drawn / np.maximum(base + drawn, 1e-9))


def verdict(drawn: Vector, base: float) -> Verdict:
    """What can be said of users whose effect is believed to be one of ``drawn``; ``base`` as for ``incremental``."""
    if np.quantile(drawn, _BOUNDS[2]) <= _most(base):
        return "would come anyway"
    return "may be moved" if np.quantile(drawn, SURE) > 0 else "unknown"


def _most(base: float) -> float:
    """The largest effect at which at most ``ANYWAY`` of the responders come because of us."""
    return base * ANYWAY / (1 - ANYWAY)


def more_campaigns(
    effects: Effects, weights: dict[Cell, float], users: dict[Cell, int], holdout: float, drawn: Vector, base: float
) -> int | None:
    """How many campaigns like one more would decide, if the effect is what it seems; None for more than 200.

    Args:
        effects: what is believed now.
        weights: what the effect of each cell counts in the audience.
        users: how many of each cell are in it.
        holdout: the share that is held out of each campaign.
        drawn: what its effect is believed to be.
        base: the share that responds without us.
    """
    mid = float(np.median(drawn))
    for count in _MORE if 0 < holdout < 1 else ():
        deviation = effects.deviation_after(count, weights, users, holdout)
        if mid - _SURELY * deviation > 0 or mid + _NORMAL * deviation <= _most(base):
            return count
    return None
