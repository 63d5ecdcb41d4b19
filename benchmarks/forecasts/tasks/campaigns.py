"""Real campaigns: among the users who were mailed one, who redeems a coupon of it before it ends.

A data folder may hold two tables about campaigns, which nothing but this task reads:

    campaigns.parquet        campaign, start, end, source, words, user_id, redeemed      one row per user who was mailed
    campaign_items.parquet   campaign, item_id                                           what its coupons are good for

``words`` completes the wording of ``source`` to the sentence. A campaign is scored as of its first day, so that its own
mailing is not in the past, by models trained on nothing after the date of the report.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.forecasts.demands import BenchmarkDemand, Items, no_items
from benchmarks.forecasts.figures import Figure
from benchmarks.forecasts.judging import AHEAD, AUC, LIFT_TENTH
from benchmarks.forecasts.references.simple import count_rule
from benchmarks.forecasts.report import Row, Section
from benchmarks.forecasts.study import Bench, Scored, Scorer, Scores, Study
from encoders.metrics import auc, lift
from encoders.model.users import read_snapshot

NAME = "campaigns"
CAMPAIGNS, CAMPAIGN_ITEMS = "campaigns.parquet", "campaign_items.parquet"
STARTS_WITHIN = 31
"""A campaign belongs to the report of a date when it starts in the month from then on."""
FEWEST = 15
"""It counts when so many of those who were mailed redeem, and so many do not."""

_DRAWS = 500


@dataclass(frozen=True)
class Campaign:
    """One campaign, the users who were mailed, and what every scorer says of them."""

    name: str
    scored: list[Scored]
    rows: npt.NDArray[np.int64]
    """[P]: the users who were mailed and have a history, as rows of the snapshot."""
    redeemed: npt.NDArray[np.bool_]
    """[P]"""


def campaigns(bench: Bench) -> Section | None:
    """AUC and lift per campaign; None where the data has no campaign in the month from the date of the report on."""
    folder = bench.dataset.folder
    if not (folder / CAMPAIGNS).exists():
        return None
    as_of = bench.study.snapshot.histories.past.as_of
    table = pl.read_parquet(folder / CAMPAIGNS).filter(
        (pl.col("start") >= as_of) & (pl.col("start") < as_of + timedelta(days=STARTS_WITHIN))
    )
    items = pl.read_parquet(folder / CAMPAIGN_ITEMS)
    counted = []
    for (name,), mailed in table.sort("start", "campaign", "user_id").group_by("campaign", maintain_order=True):
        redeemed = int(mailed["redeemed"].sum())
        if FEWEST <= redeemed <= len(mailed) - FEWEST:
            own = items.filter(pl.col("campaign") == name)["item_id"].unique().sort()
            counted.append(_score(bench, mailed, own.to_numpy().astype(np.int64)))
    return _section(counted, bench) if counted else None


def _score(bench: Bench, mailed: pl.DataFrame, items: Items) -> Campaign:
    start, source, words, name = mailed.select("start", "source", "words", "campaign").row(0)
    card, vocabulary = bench.dataset.card, bench.study.snapshot.vocabulary
    snapshot = read_snapshot(bench.dataset.before(start), vocabulary, bench.study.encoder)
    study = replace(bench.study, snapshot=snapshot)
    sentence = f"{card.unit_plural} that will {card.wordings[source].format(items=words)}"
    demand = BenchmarkDemand(sentence, (items,), kind="campaign")
    responses = np.flatnonzero(vocabulary.source_of == vocabulary.sources.index(source))
    known = mailed.filter(pl.col("user_id").is_in(snapshot.histories.user_ids))
    rows = np.array([snapshot.histories.row_of[user] for user in known["user_id"]], np.int64)
    scored = bench.score(study, [demand], [redeemed_before(responses)])
    return Campaign(name, scored, rows, known["redeemed"].to_numpy())


def redeemed_before(responses: Items) -> Scorer:
    """The count rule on what users redeemed before, whatever it was: most of those who redeem have done so before."""

    def score(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
        return count_rule(study, [replace(demand, all_of=(responses,), none_of=no_items()) for demand in demands])

    return Scorer("redeemed coupons before", "categories", score)


def _section(counted: list[Campaign], bench: Bench) -> Section:
    """Macro figures over the campaigns; users are drawn again within each of them, the same for all scorers."""
    rng = np.random.default_rng(bench.settings.seed)
    draws = [rng.integers(0, len(each.rows), (_DRAWS, len(each.rows))) for each in counted]
    names = [scored.name for scored in counted[0].scored]
    areas = {name: _measure(auc, counted, draws, number) for number, name in enumerate(names)}
    lifts = {name: _measure(lift, counted, draws, number) for number, name in enumerate(names)}
    rows = []
    for scored in counted[0].scored:
        mine = areas[scored.name]
        figures = {AUC: _figure(mine.mean(1)), LIFT_TENTH: _figure(lifts[scored.name].mean(1))}
        figures |= {f"campaign {each.name}": _figure(mine[:, number]) for number, each in enumerate(counted)}
        if scored.name != bench.ours:
            figures[AHEAD] = _figure((areas[bench.ours] - mine).mean(1))
        rows.append(Row(scorer=scored.name, told=scored.told, figures=figures))
    title = "Who redeems a coupon, among those who were mailed the campaign"
    return Section(name=NAME, title=title, demands=len(counted), rows=tuple(rows))


def _measure(
    metric: Callable[..., float], counted: list[Campaign], draws: list[npt.NDArray[np.int64]], number: int
) -> npt.NDArray[np.float64]:
    """A metric of scorer ``number`` for each campaign: [1 + _DRAWS, campaigns], first of all users as they are."""
    columns = []
    for each, drawn in zip(counted, draws, strict=True):
        scores = each.scored[number].scores[each.rows, 0]
        again = [metric(scores[chosen], each.redeemed[chosen]) for chosen in drawn]
        columns.append([metric(scores, each.redeemed), *again])
    return np.array(columns).T


def _figure(values: npt.NDArray[np.float64]) -> Figure:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return Figure(value=float(values[0]), low=float(low), high=float(high))
