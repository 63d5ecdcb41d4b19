"""What campaigns change, pooled over campaigns: a small hierarchical model of the difference to those held out.

A cell is a kind of demand, a band of the forecast, and whether the user had done the thing before. Its effect is given
in standard deviations of one response, ``sqrt(p (1 - p))`` of the chance p, where an effect of one size is about as
likely in every band (Cohen's h), and counted back to shares for the users who are asked about. It is

    effect of a cell = level + slope * band + step * habitual + kind + cell,

and what one campaign measures in a cell is that, with a part that all cells of the campaign share, and chance. Kinds
and cells vary by ``tau``, campaigns by ``omega``; both are integrated over on a grid, and not fixed at their likeliest
value: with few campaigns that would make the intervals too narrow. Everything else is Gaussian and exact. All effects
are drawn towards none, the more the less was measured.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular

from tools.operation_types import Kind

Vector = npt.NDArray[np.float64]

EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
"""Bounds of the bands of the forecast."""
BANDS = len(EDGES) - 1
FIXED_SCALE = 0.2
"""Prior deviation of level, slope and step: at a chance of a tenth, 6 percentage points."""
VARIES = 0.1
"""Scale of the half-normal priors of tau and omega."""
GRID = (0.005, 0.02, 0.04, 0.07, 0.11, 0.16, 0.25, 0.4)
DRAWS = 4000
SMOOTHED = 2.0
"""So many responders, as forecast, count beside those who were counted, where the rate of a cell is told."""


class Cell(NamedTuple):
    """Users who are taken together."""

    kind: Kind
    band: int
    habitual: bool


class Measured(NamedTuple):
    """What one campaign showed in one cell."""

    campaign: str
    cell: Cell
    contacted: int
    responded: int
    """Of those contacted."""
    held_out: int
    held_responded: int
    chance: float
    """The mean forecast of all of them."""
    noise: float = 0.0
    """Variance that was put on each count of responders, to protect them."""

    @property
    def effect(self) -> float:
        """The share of responders among those contacted minus that of those held out."""
        return self.responded / self.contacted - self.held_responded / self.held_out

    @property
    def scale(self) -> float:
        """Standard deviation of one response without us, by the forecast."""
        return scale_of(self.chance)

    def deviation(self, rate: float) -> float:
        """How far the effect is off by chance, in standard deviations of one response.

        Args:
            rate: the share of both sides that is taken to respond.
        """
        chance = scale_of(rate) ** 2 * (1 / self.contacted + 1 / self.held_out)
        protected = self.noise * (1 / self.contacted**2 + 1 / self.held_out**2)
        return float(np.sqrt(chance + protected)) / self.scale


def band_of(chances: Vector) -> npt.NDArray[np.int64]:
    """The band of each chance."""
    return np.asarray(np.clip(np.searchsorted(EDGES, chances, side="right") - 1, 0, BANDS - 1), np.int64)


def scale_of(rate: float) -> float:
    """Standard deviation of one response."""
    kept = min(max(rate, 1e-4), 1 - 1e-4)
    return float(np.sqrt(kept * (1 - kept)))


@dataclass(frozen=True)
class Effects:
    """What is believed of every cell after some campaigns."""

    cells: tuple[Cell, ...]
    draws: Vector
    """[DRAWS, cells]: effects in standard deviations of one response, drawn from what is believed."""
    _loads: Vector
    """[cells, D]: what each cell is made of."""
    _precision: Vector
    """[D, D]: of the parts, at the mean of tau and omega."""
    _tau: float
    _omega: float

    def of(self, wanted: Sequence[Cell]) -> Vector:
        """[DRAWS, wanted]: the effects of some cells."""
        place = {cell: number for number, cell in enumerate(self.cells)}
        return np.asarray(self.draws[:, [place[cell] for cell in wanted]])

    def deviation_after(
        self, campaigns: int, weights: dict[Cell, float], users: dict[Cell, int], share: float
    ) -> float:
        """How uncertain a weighted effect will be after further campaigns, in the unit of the weights.

        Args:
            campaigns: how many more.
            weights: what the effect of each cell counts.
            users: how many of each cell are in every campaign.
            share: of them that is held out.
        """
        place = {cell: number for number, cell in enumerate(self.cells)}
        rows = [place[cell] for cell in users]
        sizes = np.maximum(np.array(list(users.values()), float), 1e-9)
        spread = 1 / (sizes * share) + 1 / (sizes * (1 - share))
        covariance = np.diag(spread) + self._omega**2
        loads = self._loads[rows]
        precision = self._precision + campaigns * loads.T @ np.linalg.solve(covariance, loads)
        load = sum((weight * self._loads[place[cell]] for cell, weight in weights.items()), np.zeros(loads.shape[1]))
        return float(np.sqrt(load @ np.linalg.solve(precision, load)))


def fit(measured: Sequence[Measured], kinds: Collection[Kind] = (), seed: int = 0) -> Effects:
    """Pool what campaigns showed.

    Args:
        measured: each campaign and cell once, with users on both sides.
        kinds: of demands that are asked about beside those measured.
        seed: of the draws.
    """
    known = sorted({each.cell.kind for each in measured} | set(kinds))
    cells = tuple(Cell(kind, band, habitual) for kind, band, habitual in product(known, range(BANDS), (False, True)))
    campaigns = sorted({each.campaign for each in measured})
    loads = _loads(cells, known)
    place = {cell: number for number, cell in enumerate(cells)}
    shared = np.zeros((len(measured), len(campaigns)))
    for row, each in enumerate(measured):
        shared[row, campaigns.index(each.campaign)] = 1.0
    design = np.hstack([loads[[place[each.cell] for each in measured]], shared])
    more = _above_forecast(measured)
    spread = np.array([each.deviation(more[each.cell] * each.chance) for each in measured])
    seen = np.array([each.effect / each.scale for each in measured]) / spread
    design = design / spread[:, None]
    gram, pulled = design.T @ design, design.T @ seen
    parts, varied = loads.shape[1], loads.shape[1] - _FIXED
    found = []
    for tau, omega in product(GRID, GRID):
        prior = np.concatenate([np.full(_FIXED, FIXED_SCALE), np.full(varied, tau), np.full(len(campaigns), omega)])
        root = cholesky(gram + np.diag(prior**-2.0), lower=True)
        mean = cho_solve((root, True), pulled)
        fits = 0.5 * float(mean @ pulled) - float(np.log(np.diag(root)).sum() + np.log(prior).sum())
        believed = fits - (tau**2 + omega**2) / (2 * VARIES**2) + np.log(tau * omega)  # the grid is about even in logs
        found.append((believed, tau, omega, root, mean))
    logs = np.array([each[0] for each in found])
    odds = np.exp(logs - logs.max())
    odds /= odds.sum()
    rng = np.random.default_rng(seed)
    drawn = []
    for count, (_, _, _, root, mean) in zip(rng.multinomial(DRAWS, odds), found, strict=True):
        noise = solve_triangular(root, rng.standard_normal((len(mean), count)), lower=True, trans="T")
        drawn.append((mean[:, None] + noise)[:parts].T @ loads.T)
    tau, omega = (float(odds @ np.array([each[number] for each in found])) for number in (1, 2))
    return Effects(cells, np.vstack(drawn), loads, _marginal(gram, parts, varied, tau, omega), tau, omega)


_FIXED = 3


def _above_forecast(measured: Sequence[Measured]) -> dict[Cell, float]:
    """How many times as many responded in each cell as were forecast, over all campaigns and both sides.

    The deviations are told from it. Told from the responders of the campaign itself, one in which few happened to
    respond would count more than one in which many did.
    """
    counts: dict[Cell, list[float]] = {}
    for each in measured:
        summed = counts.setdefault(each.cell, [SMOOTHED, SMOOTHED])
        summed[0] += each.responded + each.held_responded
        summed[1] += each.chance * (each.contacted + each.held_out)
    return {cell: responded / forecast for cell, (responded, forecast) in counts.items()}


def _loads(cells: Sequence[Cell], kinds: Sequence[Kind]) -> Vector:
    """[cells, D]: level, slope, step, one part for each kind, and one for each cell."""
    bands = np.array([cell.band for cell in cells])
    middle = (BANDS - 1) / 2
    habitual = np.array([cell.habitual for cell in cells]) - 0.5
    kind = np.array([[cell.kind == each for each in kinds] for cell in cells], float)
    return np.column_stack([np.ones(len(cells)), (bands - middle) / middle, habitual, kind, np.eye(len(cells))])


def _marginal(gram: Vector, parts: int, varied: int, tau: float, omega: float) -> Vector:
    """The precision of the parts of the cells alone, once those of the campaigns are integrated out."""
    inside, across, others = gram[:parts, :parts], gram[:parts, parts:], gram[parts:, parts:]
    own = np.diag(np.concatenate([np.full(_FIXED, FIXED_SCALE), np.full(varied, tau)]) ** -2.0)
    if not others.size:
        return np.asarray(inside + own)
    rest = others + np.eye(len(others)) * omega**-2.0
    return np.asarray(inside + own - across @ np.linalg.solve(rest, across.T))
