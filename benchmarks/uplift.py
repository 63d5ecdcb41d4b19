"""Measure what is said about effects: false claims, persuadables found, intervals, daily looks, holdouts, real data.

    python -m benchmarks.uplift              worlds with known effects, and the experiment that causaldata ships
    python -m benchmarks.uplift --coupons    the same, and the coupon campaigns of the data in the workspace
    python -m benchmarks.uplift --render     only write docs/uplift.md again from benchmarks/measured/uplift.json

Worlds are drawn by a seed. What is true of them is known, so every figure here can be checked against it.
"""

import argparse
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from encoders.data.events import Dataset
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.audiences.effects import BANDS, EDGES, Cell, Measured, band_of, fit, scale_of
from tools.audiences.outcomes import difference, share
from tools.audiences.qini import qini
from tools.audiences.sequential import always_valid
from tools.audiences.uplift import verdict
from tools.storage.holdouts import hold_out

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "uplift.json"
PAGE = ROOT / "docs" / "uplift.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
CELLS = [Cell("one thing", band, habitual) for band in range(BANDS) for habitual in (False, True)]
PERSUADABLE = frozenset(Cell("one thing", band, False) for band in (2, 3))
PLANTED = 0.2
"""Effect of the planted persuadables in standard deviations of one response: 6 points at a chance of a tenth."""
USERS, HOLDOUT = 2000, 0.2
WORLDS, LOOKS = 100, 28
FEWEST = 50
"""Farmers of a group that is shown."""


class Found(BaseModel):
    """What was said of worlds of one sort after so many campaigns."""

    campaigns: int
    worlds: int
    claims: float
    """Share of worlds in which a group without an effect was said to be moved."""
    found: float | None
    """Share of the planted groups that were."""
    anyway: float
    """Share of the groups without an effect that were said to come anyway."""
    held: float
    """Share of the 95 % intervals that held the true effect."""
    ahead: float | None
    """Share of worlds in which the order by effect has the larger Qini coefficient than that by forecast."""


class Daily(BaseModel):
    """How often an interval misses the effect on any of 28 days, without an effect."""

    rate: float
    contacted: int
    held_out: int
    always: float
    usual: float
    wider: float
    """Of the interval for all days over the usual one, on the last day."""


class Drawn(BaseModel):
    """How far those held out differ from the others in their forecast, by chance."""

    plain: float
    banded: float
    """Standard deviation of the difference of the mean forecasts, in percentage points."""
    saved: float
    """How much less the variance of the uplift is, 0..1."""


class Group(BaseModel):
    """Users of the experiment whose forecast is alike."""

    low: float
    high: float
    users: int
    effect: tuple[float, float, float]
    verdict: str


class Experiment(BaseModel):
    """The experiment on insurance for farmers, one area after another as a campaign."""

    users: int
    campaigns: int
    treated: float
    plain: tuple[float, float, float]
    groups: list[Group]
    qini: dict[str, tuple[float, float, float]]


class Coupons(BaseModel):
    """Campaigns whose households were chosen and not drawn."""

    data: str
    campaigns: int
    mailed: int
    before: float
    """Median over campaigns of the difference to households not mailed, in the four weeks before it began."""
    after: float
    """The same in the four weeks from its first day on."""
    positive: int
    """Campaigns in which those chosen already bought more before."""


class Figures(BaseModel):
    """All of it."""

    null: list[Found]
    planted: list[Found]
    daily: list[Daily]
    drawn: Drawn
    experiment: Experiment
    coupons: Coupons | None = None


def world(
    rng: np.random.Generator,
    effect: Callable[[Cell], float],
    campaigns: int,
    users: int = USERS,
    varies: float = 0.03,
    holdout: float = HOLDOUT,
) -> tuple[list[Measured], Vector]:
    """Campaigns drawn from cells with known effects.

    Args:
        rng: draws them.
        effect: of a cell, in standard deviations of one response.
        campaigns: how many.
        users: of each.
        varies: how far campaigns differ from each other in all of their cells together.
        holdout: the share that is held out.

    Returns:
        What each showed, and the true effect of each of ``CELLS``.
    """
    true = {cell: effect(cell) for cell in CELLS}
    found = []
    for number in range(campaigns):
        shared = varies * rng.standard_normal()
        for cell, part in zip(CELLS, rng.dirichlet(np.full(len(CELLS), 2.0)), strict=True):
            held, contacted = max(2, round(holdout * part * users)), max(2, round((1 - holdout) * part * users))
            chance = float(rng.uniform(EDGES[cell.band] + 0.002, min(EDGES[cell.band + 1], 0.7)))
            moved = float(np.clip(chance + (true[cell] + shared) * scale_of(chance), 0, 1))
            did, theirs = int(rng.binomial(contacted, moved)), int(rng.binomial(held, chance))
            found.append(Measured(f"c{number}", cell, contacted, did, held, theirs, chance))
    return found, np.array(list(true.values()))


def worlds(effect: Callable[[Cell], float], campaigns: int, varies: float, count: int = WORLDS) -> Found:
    """What is said of many worlds of one sort."""
    rng = np.random.default_rng(campaigns)
    middles = [(EDGES[cell.band] + min(EDGES[cell.band + 1], 0.7)) / 2 for cell in CELLS]
    claims, found, anyway, held, ahead = 0, [], [], [], []
    planted = [cell for cell in CELLS if effect(cell)]
    for seed in range(count):
        each, true = world(rng, effect, campaigns, varies=varies)
        drawn = fit(each, seed=seed).of(CELLS)
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        held.append(((low <= true) & (true <= high)).mean())
        said = {cell: verdict(drawn[:, k] * scale_of(middles[k]), middles[k]) for k, cell in enumerate(CELLS)}
        others = [said[cell] for cell in CELLS if cell not in planted]
        claims += "may be moved" in others
        anyway.append(others.count("would come anyway") / len(others))
        found += [said[cell] == "may be moved" for cell in planted]
        if planted and seed < 20 and (curves := qini(each)):
            ahead.append(curves[0].area.mid > curves[1].area.mid)
    return Found(
        campaigns=campaigns,
        worlds=count,
        claims=claims / count,
        found=float(np.mean(found)) if found else None,
        anyway=float(np.mean(anyway)),
        held=float(np.mean(held)),
        ahead=float(np.mean(ahead)) if ahead else None,
    )


def daily(rate: float, contacted: int, held_out: int, tries: int = 500) -> Daily:
    """Look at an outcome without an effect on each of 28 days."""
    rng = np.random.default_rng(7)
    each = [*np.full(LOOKS, rate / LOOKS), 1 - rate]
    missed, wider = np.zeros(2), []
    for _ in range(tries):
        sides = [rng.multinomial(users, each)[:LOOKS].cumsum().tolist() for users in (contacted, held_out)]
        out, widths = [False, False], [0.0, 0.0]
        for one, other in zip(*sides, strict=True):
            mine, theirs = share(one, contacted), share(other, held_out)
            found = always_valid(one, contacted, other, held_out, rate)
            assert mine
            assert theirs
            assert found
            for place, interval in enumerate((found, difference(mine, theirs))):
                out[place] |= not interval.low <= 0 <= interval.high
                widths[place] = interval.high - interval.low
        wider.append(widths[0] / widths[1])
        missed += out
    always, usually = (missed / tries).tolist()
    return Daily(
        rate=rate, contacted=contacted, held_out=held_out, always=always, usual=usually, wider=float(np.median(wider))
    )


def drawn_holdouts(users: int = 2000, tries: int = 400) -> Drawn:
    """Draw the holdout of one audience again and again, plainly and from bands of the forecast."""
    rng = np.random.default_rng(3)
    ids = [f"u{number}" for number in range(users)]
    chances = dict(zip(ids, np.exp(rng.uniform(np.log(0.01), np.log(0.8), users)).tolist(), strict=True))
    whole = sum(chances.values())
    differences: list[list[float]] = [[], []]
    uplifts: list[list[float]] = [[], []]
    for number in range(tries):
        did = {user: float(rng.random() < chance) for user, chance in chances.items()}
        for place, known in enumerate((None, chances)):
            held = hold_out(ids, 0.1, f"aud-{number}", known)
            mine, theirs = sum(chances[user] for user in held), sum(did[user] for user in held)
            differences[place].append(mine / len(held) - (whole - mine) / (users - len(held)))
            uplifts[place].append(theirs / len(held) - (sum(did.values()) - theirs) / (users - len(held)))
    plain, banded = (100 * float(np.std(each)) for each in differences)
    before, then = (float(np.var(each)) for each in uplifts)
    return Drawn(plain=plain, banded=banded, saved=1 - then / before)


def experiment() -> Experiment:
    """Cai, de Janvry and Sadoulet (2015): whether farmers, drawn to an intensive session, take up an insurance.

    Each area is a campaign. The forecast of a farmer is told from those of other areas who were not in such a session.
    """
    from causaldata import social_insure

    table = pl.DataFrame(social_insure.load_pandas().data.to_dict("list")).fill_nan(None).drop_nulls()
    traits = ("age", "agpop", "ricearea_2010", "disaster_prob", "male", "literacy", "risk_averse", "default")
    known = table.select(pl.col(traits).cast(pl.Float64)).to_numpy()
    treated, took = (table[name].cast(pl.Int64).to_numpy() for name in ("intensive", "takeup_survey"))
    area = table["address"].cast(pl.String).to_numpy()
    areas = [name for name in np.unique(area) if len(set(treated[area == name])) == 2]
    chances = np.zeros(len(table))
    for name in areas:
        others = (area != name) & (treated == 0)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(known[others], took[others])
        chances[area == name] = model.predict_proba(known[area == name])[:, 1]
    measured, bands = [], band_of(chances)
    for name in areas:
        for band in np.unique(bands[area == name]).tolist():
            mine = (area == name) & (bands == band)
            sides = [mine & (treated == side) for side in (1, 0)]
            if all(side.any() for side in sides):
                (users, did), (others, theirs) = ((int(side.sum()), int(took[side].sum())) for side in sides)
                cell, chance = Cell("one thing", band, False), float(chances[mine].mean())
                measured.append(Measured(name, cell, users, did, others, theirs, chance))
    inside = np.isin(area, areas)
    return _experiment(measured, took[inside], treated[inside], bands[inside], chances[inside], len(areas))


def _experiment(
    measured: list[Measured], took: Places, treated: Places, bands: Places, chances: Vector, areas: int
) -> Experiment:
    sides = [share(int(took[treated == side].sum()), int((treated == side).sum())) for side in (1, 0)]
    one, other = sides
    assert one
    assert other
    plain = difference(one, other)
    effects, groups = fit(measured), []
    for band in np.unique(bands).astype(int).tolist():
        chance = float(chances[bands == band].mean())
        drawn = effects.of([Cell("one thing", band, False)])[:, 0] * scale_of(chance)
        low, mid, high = np.quantile(drawn, (0.025, 0.5, 0.975)).tolist()
        users = int((bands == band).sum())
        if users < FEWEST:
            continue
        said = verdict(drawn, chance)
        groups.append(Group(low=EDGES[band], high=EDGES[band + 1], users=users, effect=(low, mid, high), verdict=said))
    return Experiment(
        users=len(took),
        campaigns=areas,
        treated=float(treated.mean()),
        plain=(plain.low, plain.mid, plain.high),
        groups=groups,
        qini={each.ranking: (each.area.low, each.area.mid, each.area.high) for each in qini(measured)},
    )


def coupons() -> Coupons:
    """The coupon campaigns of the data in the workspace: who was mailed, against who was not, before and after."""
    dataset = Dataset.current(Workspace(settings().workspace))
    table = pl.read_parquet(dataset.folder / "campaigns.parquet")
    items = pl.read_parquet(dataset.folder / "campaign_items.parquet")
    before: list[float] = []
    after: list[float] = []
    mailed = 0
    days = timedelta(days=28)
    for (name, start), users in table.group_by("campaign", "start", maintain_order=True):
        if start - days < dataset.card.first or start + days > dataset.card.last + timedelta(days=1):
            continue
        chosen = set(users["user_id"])
        rest = set(dataset.before(start).population) - chosen
        own = items.filter(pl.col("campaign") == name)["item_id"].to_list()
        groups = dataset.items.filter(pl.col("item_id").is_in(own)).select("text", "group")
        meant = dataset.items.join(groups, on=["text", "group"], how="semi")["item_id"].to_list()
        if min(len(chosen), len(rest)) < 50:
            continue
        for found, day in ((before, start - days), (after, start)):
            did = set(dataset.outcome(day, 28).filter(pl.col("item_id").is_in(meant))["user_id"])
            found.append(len(did & chosen) / len(chosen) - len(did & rest) / len(rest))
        mailed += len(chosen)
    return Coupons(
        data=dataset.card.title,
        campaigns=len(before),
        mailed=mailed,
        before=float(np.median(before)),
        after=float(np.median(after)),
        positive=sum(each > 0 for each in before),
    )


def measure(with_coupons: bool) -> Figures:
    """All figures."""
    return Figures(
        null=[worlds(lambda _: 0.0, campaigns, 0.0) for campaigns in (1, 3, 6, 12)],
        planted=[
            worlds(lambda cell: PLANTED * (cell in PERSUADABLE), campaigns, 0.03) for campaigns in (1, 3, 6, 12, 24)
        ],
        daily=[daily(0.1, 1800, 200), daily(0.03, 9000, 3000), daily(0.4, 900, 300)],
        drawn=drawn_holdouts(),
        experiment=experiment(),
        coupons=coupons() if with_coupons else None,
    )


def figures(found: Figures) -> str:
    """The figures as they stand in the page."""
    lines = [
        f"**Worlds without any effect** ({found.null[0].worlds} for each row, {USERS:,} users a campaign, "
        f"{HOLDOUT:.0%} held out, {len(CELLS)} groups): in how many a group was said to be moved, which is false.",
        "",
        "| campaigns | false claim in any group | groups said to come anyway | 95 % intervals that held |",
        "|---|---|---|---|",
        *(f"| {each.campaigns} | {each.claims:.1%} | {each.anyway:.0%} | {each.held:.1%} |" for each in found.null),
        "",
        f"**Worlds with planted persuadables**: those new to it with a forecast of 5 to 20 % are moved by {PLANTED} "
        "standard deviations of a response (6 points at a chance of a tenth), the ten other groups are not, and "
        "campaigns differ among each other by 0.03.",
        "",
        "| campaigns | planted groups found | false claim in any other group | said to come anyway | intervals held "
        "| order by effect ahead of that by forecast (Qini) |",
        "|---|---|---|---|---|---|",
        *(
            f"| {each.campaigns} | {each.found or 0:.0%} | {each.claims:.1%} | {each.anyway:.0%} | {each.held:.1%} | "
            f"{'-' if each.ahead is None else f'{each.ahead:.0%}'} |"
            for each in found.planted
        ),
        "",
        f"**Looking every day** for {LOOKS} days, without an effect: how often an interval misses it on any day.",
        "",
        "| respond by the end | contacted | held out | for all days | the usual one | wider by |",
        "|---|---|---|---|---|---|",
        *(
            f"| {each.rate:.0%} | {each.contacted:,} | {each.held_out:,} | {each.always:.1%} | {each.usual:.1%} | "
            f"{each.wider - 1:.0%} |"
            for each in found.daily
        ),
        "",
        f"**Holdouts from bands of the forecast**: among 2,000 users, a tenth held out, the mean forecast of those "
        f"held out is off by {found.drawn.banded:.2f} percentage points (standard deviation) instead of "
        f"{found.drawn.plain:.2f}, and the variance of the uplift is {found.drawn.saved:.0%} lower.",
        "",
        *_experiment_lines(found.experiment),
    ]
    if found.coupons:
        lines += ["", *_coupon_lines(found.coupons)]
    return "\n".join(lines)


def _experiment_lines(found: Experiment) -> list[str]:
    low, mid, high = (100 * each for each in found.plain)
    rows = []
    for each in found.groups:
        points = [f"{100 * value:+.1f}" for value in each.effect]
        said = f"{points[1]} ({points[0]} to {points[2]}) | {each.verdict}"
        rows.append(f"| {each.low:.0%} to {each.high:.0%} | {each.users:,} | {said} |")
    orders = []
    for name, area in found.qini.items():
        below, middle, above = (f"{100 * value:+.2f}" for value in area)
        orders.append(f"by {name} {middle} ({below} to {above})")
    return [
        "**A real experiment**: insurance for rice farmers in China (Cai, de Janvry and Sadoulet 2015, as the package "
        f"causaldata ships it): {found.users:,} farmers in {found.campaigns} areas, {found.treated:.0%} of them drawn "
        f"to an intensive session; being drawn changed {mid:+.1f} points ({low:+.1f} to {high:+.1f}) of the take-up. "
        "With each area as a campaign, and the forecast told from other areas:",
        "",
        "| forecast | farmers | effect in points | said |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Qini coefficients, per 100 farmers: {'; '.join(orders)}.",
    ]


def _coupon_lines(found: Coupons) -> list[str]:
    return [
        f"**The coupon campaigns of the demo** ({found.data}): {found.campaigns} campaigns, {found.mailed:,} mailings. "
        "Nobody was held out; households were chosen. In the four weeks from the first day of a campaign, those mailed "
        "bought what its coupons are good for more often than those who were not, by "
        f"{100 * found.after:.1f} points (median). In the four weeks before that, before anybody was mailed, they "
        f"did so by {100 * found.before:.1f} points, above zero in {found.positive} of {found.campaigns} campaigns. "
        "Who was chosen cannot be told apart from what the coupons changed, so this data does not say the latter.",
    ]


def page(found: Figures, text: str) -> str:
    """The page with these figures in it."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{figures(found)}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Measure, keep the figures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coupons", action="store_true", help="also the campaigns of the data in the workspace")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    given = parser.parse_args()
    if not given.render:
        found = measure(given.coupons)
        MEASURED.write_text(json.dumps(found.model_dump(), indent=1) + "\n", "utf-8")
    found = Figures.model_validate_json(MEASURED.read_text("utf-8"))
    PAGE.write_text(page(found, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
