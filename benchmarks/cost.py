"""Measure what the product costs: training, encoding users, scoring one sentence, a day's new events.

    python -m benchmarks.cost            measure (a quarter of an hour, 20 GB of memory), then write docs/cost.md
    python -m benchmarks.cost --render   only write docs/cost.md again from benchmarks/measured/cost.json

Leave the machine alone meanwhile: times of a machine that does something else say nothing.
"""

import argparse
import gc
import os
import resource
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.cost_report import Cost, Encoding, Incremental, Scoring, Training, page
from encoders.data.built_in import prepare_built_in
from encoders.features.counts import read_user_features
from encoders.features.sparse import Rows, take_rows
from encoders.features.structure import Factors
from encoders.model.dual import encode_parts
from encoders.model.users import FeatureSnapshot
from encoders.predictor import Forecaster
from encoders.settings import Settings, settings
from encoders.text.demand import read_demand
from encoders.text.encoders import text_encoder
from encoders.train import train
from encoders.training.fit import Recipe
from encoders.workspace import Workspace
from tools.storage.indexing import build_index, open_forecaster

AS_OF = date(2017, 10, 1)
DATA = "completejourney"
SENTENCE = "households that will buy coffee"
SIZES = (10_000, 100_000, 1_000_000)
REPEATS = 9
PROFILES = 128
"""Users whose profile texts are embedded."""
PROFILE_ITEMS = 30

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "cost.json"
PAGE = ROOT / "docs" / "cost.md"


def measure_training(workspace: Workspace, used: Settings, as_of: date, recipe: Recipe | None = None) -> Training:
    """Train once in ``workspace``, which has data and nothing else."""
    began, busy = perf_counter(), process_time()
    train(workspace, used, as_of, recipe=recipe)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in kilobytes
    return Training(seconds=perf_counter() - began, cpu_seconds=process_time() - busy, peak_gigabytes=peak)


def profile_texts(snapshot: FeatureSnapshot, rows: Rows) -> list[str]:
    """What a user did most, in words: the text that somebody without a user tower would embed."""
    texts, ever = snapshot.vocabulary.texts, snapshot.histories.counts[-1]
    written = []
    for row in rows:
        mine = slice(ever.indptr[row], ever.indptr[row + 1])
        best = np.argsort(-ever.data[mine], kind="stable")[:PROFILE_ITEMS]
        items, counts = ever.indices[mine][best], ever.data[mine][best]
        written.append(", ".join(f"{texts[item]} x {count:.0f}" for item, count in zip(items, counts, strict=True)))
    return written


@torch.no_grad()
def measure_encoding(forecaster: Forecaster, profiles: int, repeats: int) -> list[Encoding]:
    """The user tower, counting histories, and profile texts through both text encoders."""
    snapshot, tower = forecaster.snapshot, forecaster.model.encoder
    everyone = len(snapshot.histories.user_ids)
    rows = np.random.default_rng(0).choice(everyone, min(profiles, everyone), replace=False)
    texts = profile_texts(snapshot, rows)
    ways: list[tuple[str, int, Callable[[], Any]]] = [
        ("user tower, from histories that are counted", everyone, lambda: tower.user_vectors(snapshot)),
        ("counting the histories from the events", everyone, lambda: read_user_features(snapshot.histories.past)),
    ]
    for name in ("use", "minilm"):
        embed = partial(text_encoder(name).encode, texts)
        ways.append((f"profile text of at most {PROFILE_ITEMS} items, {name}", len(texts), embed))
    return [Encoding(way=way, users=users, seconds=_medians([do], repeats)[0]) for way, users, do in ways]


def crowd(snapshot: FeatureSnapshot, rows: Rows) -> FeatureSnapshot:
    """A snapshot whose users are those of ``snapshot`` in ``rows``, each as often as they come."""
    histories, directions = snapshot.histories, snapshot.directions
    *counts, value = take_rows((*histories.counts, histories.value), rows)
    *days, last = take_rows((*histories.group_days, histories.group_last), rows)
    many = replace(
        histories,
        counts=tuple(counts),
        value=value,
        group_days=tuple(days),
        group_last=last,
        in_population=histories.in_population[rows],
    )
    return replace(
        snapshot,
        histories=many,
        inputs=replace(snapshot.inputs, activity=snapshot.inputs.activity[rows]),
        directions=Factors(directions.users[torch.from_numpy(rows)], directions.things),
    )


def read_by_scoring(snapshot: FeatureSnapshot, users: Tensor) -> tuple[list[npt.NDArray[Any]], list[npt.NDArray[Any]]]:
    """The arrays that scoring one sentence reads: those with something of every user, and the others."""
    counted, inputs = snapshot.counted(), snapshot.inputs
    items = (*counted.counts, counted.logged, counted.kinds, counted.value)
    groups = (*counted.group_days, counted.group_last, *counted.group_logged)
    of_users = [part for family in (items, groups) for part in (family[0].indptr, family[0].indices)]
    of_users += [matrix.data for matrix in (*items, *groups)]
    of_users += [users.numpy(), inputs.activity, snapshot.directions.users.numpy(), snapshot.histories.in_population]
    structures = [structure.weights.numpy() for structure in (snapshot.structure, *snapshot.group_structures)]
    return of_users, [*structures, snapshot.directions.things.numpy()]


@torch.no_grad()
def measure_scoring(forecaster: Forecaster, sentence: str, users: int, repeats: int) -> Scoring:
    """Score ``users`` users, drawn with replacement; every repeat sums the bytes right after."""
    rows = np.random.default_rng(users).integers(len(forecaster.snapshot.histories.user_ids), size=users)
    snapshot, vectors = crowd(forecaster.snapshot, rows), torch.from_numpy(forecaster.user_vectors[rows])
    model = forecaster.model.encoder
    parts, _ = encode_parts(forecaster.encoder, [read_demand(sentence)], [0])
    near = model.nearness(model.match.place(snapshot.vocabulary), parts)
    of_users, others = read_by_scoring(snapshot, vectors)
    arrays = [*of_users, *others]
    score, one_pass = _medians(
        [
            lambda: model.score(snapshot, parts, near, vectors),
            lambda: [array.sum(dtype=array.dtype) for array in arrays],
        ],
        repeats,
    )
    return Scoring(
        users=users,
        seconds=score,
        pass_seconds=one_pass,
        bytes_read=sum(array.nbytes for array in arrays),
        user_bytes=sum(array.nbytes for array in of_users),
    )


@torch.no_grad()
def measure_reading(forecaster: Forecaster, sentence: str, repeats: int) -> float:
    """Seconds until the model knows how near a sentence is to everything in the data."""

    def read() -> None:
        parts = forecaster.encode(read_demand(sentence), 0)
        forecaster.model.encoder.nearness(forecaster.placed, parts)

    return _medians([read], repeats)[0]


def measure_incremental(workspace: Workspace, used: Settings, as_of: date) -> Incremental:
    """Index everybody as of a day, and then bring the index to the day after."""
    times, indexed = [], []
    for day in (as_of, as_of + timedelta(days=1)):
        began = perf_counter()
        indexed.append(build_index(workspace, used, day))
        times.append(perf_counter() - began)
    full, again = times
    return Incremental(users=indexed[1].users, encoded_again=indexed[1].encoded, seconds_full=full, seconds_again=again)


def _medians(doings: list[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each, taken in turns after one round that does not count."""
    rounds: list[list[float]] = []
    for _ in range(repeats + 1):
        rounds.append([])
        for do in doings:
            began = perf_counter()
            do()
            rounds[-1].append(perf_counter() - began)
    return [statistics.median(times) for times in zip(*rounds[1:], strict=True)]


def measure(
    data: Path,
    folder: Path,
    as_of: date = AS_OF,
    sentence: str = SENTENCE,
    sizes: tuple[int, ...] = SIZES,
    repeats: int = REPEATS,
    profiles: int = PROFILES,
    recipe: Recipe | None = None,
) -> Cost:
    """Measure everything once on the prepared ``data``, in an empty ``folder``."""
    workspace = Workspace(folder)
    shutil.copytree(data, workspace.data)
    used = settings().model_copy(update={"workspace": folder})
    training = measure_training(workspace, used, as_of, recipe)
    incremental = measure_incremental(workspace, used, as_of)
    forecaster = open_forecaster(workspace, used, as_of)
    encodings = measure_encoding(forecaster, profiles, min(repeats, 3))
    reading = measure_reading(forecaster, sentence, repeats)
    scorings = []
    for users in sizes:
        scorings.append(measure_scoring(forecaster, sentence, users, repeats))
        gc.collect()
    return Cost(
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        training=training,
        encodings=encodings,
        reading_seconds=reading,
        scorings=scorings,
        incremental=incremental,
    )


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    if not parser.parse_args().render:
        data = settings().workspace / "benchmark" / DATA / "data"
        prepare_built_in(DATA, data)
        with tempfile.TemporaryDirectory() as folder:
            MEASURED.write_text(measure(data, Path(folder)).model_dump_json(indent=1) + "\n", "utf-8")
    PAGE.write_text(page(Cost.model_validate_json(MEASURED.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
