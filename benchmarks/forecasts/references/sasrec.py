"""SASRec: causal self-attention over what a user did (Kang and McAuley 2018, arXiv 1808.09781).

A step of the sequence is a week, as the set of its items; empty weeks are steps too, so that the last step of every
user ends where the as-of date begins. At every step the network forecasts which items the user will touch in the weeks
of the horizon. As published, a step is one event and the next event is what is forecast: on 2017-09-01 that gives a
macro AUC of .665 (with activity added .771), this reading .778.

It is trained once, on every event before the windows of the study end, those of held-out topics included: it forecasts
items, and learns of no demand. A demand is read out as the chance of any of its items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from benchmarks.forecasts.references.parts import by_parts, standardised
from benchmarks.forecasts.references.simple import count_rule
from benchmarks.forecasts.study import Scores, Study
from encoders.data.events import HORIZON_DAYS, Past

Numbers = npt.NDArray[np.int64]

_DAYS = 7
"""Of a step."""
_AHEAD = HORIZON_DAYS // _DAYS
LENGTH = 26
_ENDS = 13
"""Training sequences end in one of so many latest weeks."""
_LONGEST = 104
_WIDTH = 64
_HEADS = 2
_DROPOUT = 0.05
_PASSES = 20
_MOST_STEPS = 2000
_USERS = 24
"""Per step of training, each with so many forecasts: that of the last week, the others drawn."""
_FORECASTS = 4
_RATE = 1e-2
_SHARE = 0.5
"""Weight of the forecast beside own counts; all of the above was chosen on 2017-08-01 and 2017-09-01."""
_AT_ONCE = 512


def sasrec(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """How likely each user is to touch any item of each demand."""
    return by_parts(study.snapshot, demands, lambda parts: _forecast(study, parts))


def sasrec_and_counts(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """The same with the count rule, each standardised: a vector of a user forgets counts."""

    def score(parts: list[Items]) -> Scores:
        counted = count_rule(study, [BenchmarkDemand("", (items,)) for items in parts])
        return _SHARE * standardised(_forecast(study, parts)) + standardised(counted)

    return by_parts(study.snapshot, demands, score)


def _forecast(study: Study, parts: list[Items]) -> Scores:
    """How sure it is that each of N users will touch any item of each of P parts, [N, P].

    The chance of none is the product of the chances of not touching each item; minus its logarithm, on a log scale.
    """
    latest = study.examples[0].snapshot.histories.past
    network = trained_network(latest.dataset.before(latest.as_of + timedelta(days=HORIZON_DAYS)), study.seed)
    histories = study.snapshot.histories
    weeks = _read_weeks(histories.past, histories.user_ids)
    rows = np.concatenate(parts)
    columns = np.repeat(np.arange(len(parts)), [len(items) for items in parts])
    indicator = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(weeks.bags.shape[1], len(parts)))
    found = []
    for some in np.array_split(np.arange(weeks.users), 1 + weeks.users // _AT_ONCE):
        bags, _ = weeks.until(some, np.full(len(some), weeks.count - 1))
        with torch.no_grad():
            logits = network.logits(network(bags)[:, -1])
        found.append(functional.softplus(logits).numpy().astype(np.float64) @ indicator)
    return np.asarray(np.log(np.concatenate(found) + 1e-12))


@dataclass(frozen=True)
class _Weeks:
    """What users did in each week before a date."""

    bags: sp.csr_matrix
    """[users * count + 1, V]: ones where a user touched an item in a week, earliest first; the last row is empty."""
    users: int
    count: int
    first: Numbers
    """[users]: the first week with anything in it."""

    def until(self, rows: Numbers, ends: Numbers) -> tuple[sp.csr_matrix, Numbers]:
        """The ``LENGTH`` weeks of some users that end with the weeks ``ends``.

        Returns:
            Their items, [rows * LENGTH, V], and the numbers of the weeks, [rows, LENGTH], negative before the first.
        """
        weeks = ends[:, None] + np.arange(1 - LENGTH, 1)
        places = np.where(weeks >= 0, rows[:, None] * self.count + weeks, self.users * self.count)
        return self.bags[places.ravel()], weeks

    def after(self, rows: Numbers, weeks: Numbers) -> Tensor:
        """Ones where a user touches an item in the weeks of the horizon after ``weeks``, [rows, V]."""
        places = rows * self.count + weeks
        touched = sum((self.bags[places + ahead] for ahead in range(2, _AHEAD + 1)), self.bags[places + 1])
        return torch.from_numpy((touched.toarray() > 0).astype(np.float32))


def _read_weeks(past: Past, user_ids: list[str]) -> _Weeks:
    today = datetime.combine(past.as_of, datetime.min.time())
    age = (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days()
    ago = ((age - 1) // _DAYS).alias("ago")
    row = pl.col("user_id").cast(pl.Enum(user_ids)).to_physical().cast(pl.Int64).alias("row")
    events = past.events(_LONGEST * _DAYS).select(row, ago, pl.col("item_id").cast(pl.Int64))
    table = events.unique().sort("row", "ago", "item_id").collect()
    rows, items = table["row"].to_numpy(), table["item_id"].to_numpy()
    count = max(int(table["ago"].to_numpy().max(initial=0)), _AHEAD) + 1
    weeks = count - 1 - table["ago"].to_numpy()
    first = np.full(len(user_ids), count)
    np.minimum.at(first, rows, weeks)
    shape = (len(user_ids) * count + 1, len(past.dataset.items))
    bags = sp.csr_matrix((np.ones(len(rows), np.float32), (rows * count + weeks, items)), shape=shape)
    return _Weeks(bags, len(user_ids), count, first)


class _Table(nn.Module):
    """A vector per item; items share what is common to their group."""

    def __init__(self, group_of: Numbers) -> None:
        """Draw vectors for V items; ``group_of`` [V] numbers their groups."""
        super().__init__()
        self.register_buffer("group_of", torch.tensor(group_of))
        self.item = nn.Parameter(0.02 * torch.randn(len(group_of), _WIDTH))
        self.group = nn.Parameter(0.15 * torch.randn(int(group_of.max()) + 1, _WIDTH))

    def forward(self) -> Tensor:
        """All of them, [V, _WIDTH]."""
        return self.item + self.group[self.get_buffer("group_of")]


class Network(nn.Module):
    """One block of causal self-attention over weeks."""

    def __init__(self, group_of: Numbers, rates: npt.NDArray[np.float64]) -> None:
        """Begin with the same forecast for everybody: ``rates`` [V], how often an item comes true."""
        super().__init__()
        self.read, self.written = _Table(group_of), _Table(group_of)
        self.level = nn.Parameter(torch.from_numpy(np.log(rates + 1e-5)).float())
        self.place = nn.Parameter(0.02 * torch.randn(LENGTH, _WIDTH))
        self.volume = nn.Linear(1, _WIDTH)
        self.block = nn.TransformerEncoderLayer(
            _WIDTH, _HEADS, 4 * _WIDTH, _DROPOUT, "gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(_WIDTH)
        self.register_buffer("later", torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1))

    def forward(self, bags: sp.csr_matrix) -> Tensor:
        """States after each week, [users, LENGTH, _WIDTH], from ``bags`` [users * LENGTH, V]."""
        items, starts = (torch.from_numpy(part.astype(np.int64)) for part in (bags.indices, bags.indptr[:-1]))
        sizes = torch.from_numpy(np.diff(bags.indptr).astype(np.float32))[:, None]
        pooled = functional.embedding_bag(items, self.read(), starts, mode="sum") / sizes.clamp(min=1).sqrt()
        steps = (pooled + self.volume(sizes.log1p())).unflatten(0, (-1, LENGTH)) + self.place
        states: Tensor = self.norm(self.block(steps, src_mask=self.get_buffer("later"), is_causal=True))
        return states

    def logits(self, states: Tensor) -> Tensor:
        """Log-odds of V items in the horizon, [S, V], from ``states`` [S, _WIDTH]."""
        logits: Tensor = states @ self.written().T + self.level
        return logits


@lru_cache(maxsize=2)
def trained_network(past: Past, seed: int) -> Network:
    """Train on everything in ``past``; asked again with the same past, the network is still there."""
    weeks = _read_weeks(past, past.events().select(pl.col("user_id").unique().sort()).collect()["user_id"].to_list())
    named = pl.concat_str("source", pl.coalesce("group", "text"), separator=": ")
    group_of = past.dataset.items.select(named.rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
    rates = _AHEAD * np.asarray(weeks.bags.mean(axis=0)).ravel()
    steps = min(_PASSES * weeks.users // _USERS + 1, _MOST_STEPS)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(group_of, rates)
        optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, _RATE, total_steps=steps, pct_start=0.1, cycle_momentum=False
        )
        for _ in range(steps):
            loss = _loss(network, weeks, rng)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
    return network.eval()


def _loss(network: Network, weeks: _Weeks, rng: np.random.Generator) -> Tensor:
    """Cross-entropy of some forecasts of a few users: the one after the last week, and others drawn."""
    rows = rng.choice(weeks.users, min(_USERS, weeks.users), replace=False)
    latest = weeks.count - _AHEAD
    bags, numbers = weeks.until(rows, rng.integers(max(0, latest - _ENDS), latest, len(rows)))
    order = rng.random(numbers.shape)
    order[:, -1] = -1.0
    order[numbers < weeks.first[rows][:, None]] = np.inf
    chosen = np.argsort(order, axis=1)[:, :_FORECASTS]
    user, step = np.repeat(np.arange(len(rows)), chosen.shape[1]), chosen.ravel()
    begun = np.isfinite(order[user, step])
    user, step = user[begun], step[begun]
    states = network(bags)[torch.from_numpy(user), torch.from_numpy(step)]
    truth = weeks.after(rows[user], numbers[user, step])
    summed = functional.binary_cross_entropy_with_logits(network.logits(states), truth, reduction="sum")
    return summed / max(len(user), 1)
