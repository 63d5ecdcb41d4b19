"""The pooled effects: intervals that hold, nothing found where there is nothing, persuadables found where they are."""

from collections.abc import Callable

import numpy as np
import pytest

from tools.audiences.effects import BANDS, EDGES, Cell, Measured, band_of, fit, scale_of
from tools.audiences.uplift import verdict
from tools.operation_types import Kind

KINDS: tuple[Kind, Kind] = ("one thing", "first time")
CELLS = [Cell("one thing", band, habitual) for band in range(BANDS) for habitual in (False, True)]


def world(
    rng: np.random.Generator, effect: Callable[[Cell], float], campaigns: int, users: int = 1500, varies: float = 0.03
) -> tuple[list[Measured], np.ndarray]:
    """Campaigns drawn from cells with known effects, in standard deviations of one response."""
    true = {cell: effect(cell) for cell in CELLS}
    found = []
    for number in range(campaigns):
        shared = varies * rng.standard_normal()
        for cell, share in zip(CELLS, rng.dirichlet(np.full(len(CELLS), 2.0)), strict=True):
            held = max(2, round(0.15 * share * users))
            contacted = max(2, round(0.85 * share * users))
            chance = rng.uniform(EDGES[cell.band] + 0.002, min(EDGES[cell.band + 1], 0.7))
            moved = float(np.clip(chance + (true[cell] + shared) * scale_of(chance), 0, 1))
            did, theirs = int(rng.binomial(contacted, moved)), int(rng.binomial(held, chance))
            found.append(Measured(f"c{number}", cell, contacted, did, held, theirs, chance))
    return found, np.array(list(true.values()))


@pytest.mark.slow
@pytest.mark.parametrize(("campaigns", "spread"), [(2, 0.0), (6, 0.08), (15, 0.08)])
def test_the_intervals_hold_what_is_true(campaigns: int, spread: float) -> None:
    rng = np.random.default_rng(11)
    held = []
    for seed in range(60):
        level, step = rng.normal(0.12, 0.05), rng.normal(0, 0.05)
        drawn = {cell: level + step * cell.habitual + spread * rng.standard_normal() for cell in CELLS}
        each, true = world(rng, drawn.__getitem__, campaigns)
        low, high = np.quantile(fit(each, seed=seed).of(CELLS), (0.025, 0.975), axis=0)
        held.append(((low <= true) & (true <= high)).mean())
    assert np.mean(held) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("campaigns", [1, 4, 12])
def test_a_null_world_makes_no_more_false_claims_than_is_said(campaigns: int) -> None:
    rng = np.random.default_rng(3)
    claims, worlds = 0, 100
    for seed in range(worlds):
        each, _ = world(rng, lambda cell: 0.0, campaigns, varies=0.0)
        drawn = fit(each, seed=seed).of(CELLS)
        claims += any(verdict(column * 0.3, 0.1) == "may be moved" for column in drawn.T)
    assert claims / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def test_nothing_measured_is_nothing_known_and_more_campaigns_narrow_it() -> None:
    widths = []
    for campaigns in (0, 2, 10):
        each, _ = world(np.random.default_rng(1), lambda cell: 0.1, campaigns)
        low, high = np.quantile(fit(each, KINDS[:1]).of(CELLS), (0.025, 0.975), axis=0)
        widths.append(float((high - low).mean()))
        if not campaigns:
            assert (low < 0).all()
            assert (high > 0).all()
    assert widths[0] > 2 * widths[1] > 2 * widths[2]


def test_a_kind_that_was_never_measured_learns_from_the_others_and_is_less_sure() -> None:
    each, _ = world(np.random.default_rng(2), lambda cell: 0.2, 12)
    effects = fit(each, KINDS[1:])
    known, other = (effects.of([Cell(kind, 2, False)])[:, 0] for kind in KINDS)
    assert other.mean() > 0.05
    assert other.std() > known.std()


def test_what_is_said_of_campaigns_to_come_is_what_they_then_show() -> None:
    each, _ = world(np.random.default_rng(4), lambda cell: 0.1, 4)
    weights = dict.fromkeys(CELLS, 1 / len(CELLS))
    sizes = dict.fromkeys(CELLS, 125)
    before = fit(each)
    promised = before.deviation_after(8, weights, sizes, 0.15)
    more, _ = world(np.random.default_rng(5), lambda cell: 0.1, 12)
    then = float(fit(more).of(CELLS).mean(1).std())
    assert promised < 0.8 * float(before.of(CELLS).mean(1).std())
    assert 0.5 < then / promised < 2.0


def test_bands_have_their_bounds_and_the_same_figures_give_the_same_answer() -> None:
    assert band_of(np.array([0.0, 0.0199, 0.02, 0.4, 1.0])).tolist() == [0, 0, 1, 5, 5]
    each, _ = world(np.random.default_rng(6), lambda cell: 0.1, 3)
    assert (fit(each).draws == fit(each).draws).all()
