"""Measure what grows with the number of users: prepare, train, index, the first size and the next ones.

    python -m benchmarks.scale --users 10000 --folder DIR    one world; its figures go to benchmarks/measured/scale.json
    python -m benchmarks.scale --render                      only write docs/scale.md again from those

Every step is a process of its own, as at the shell, so that its memory is its own. The world is a shop of three sources
and 8,000 items, most of which are rare, with a hundred events per user on average; who likes what stays the same over
its 300 days.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import time
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel

from encoders.data.events import Dataset
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.service import AudienceService
from tools.types import AudienceSpec

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "scale.json"
PAGE = ROOT / "docs" / "scale.md"

FIRST, DAYS = date(2025, 1, 1), 300
GROUPS, ITEMS_PER_GROUP = 200, 40
EVENTS = {"orders": 60, "visits": 30, "coupons": 10}
"""Per user, on average."""
LIKED, FAVOURITES = 0.7, 4
"""The share of events that are with one of a user's favourite groups, and how many of those they have."""
SEED = 5
BLOCK = 100_000
"""Users made at a time."""

_KINDS = (
    *("coffee", "tea", "bread", "cheese", "pasta", "rice", "soup", "salad", "juice", "wine", "beer", "cider", "yogurt"),
    *("butter", "honey", "jam", "cereal", "biscuits", "chocolate", "crisps", "nuts", "sausages", "ham", "fish"),
    *("prawns", "tofu", "eggs", "cream", "ice cream", "shampoo", "soap", "toothpaste", "candles", "batteries"),
    *("light bulbs", "notebooks", "pencils", "toys", "puzzles", "cat food"),
)
_SORTS = ("organic", "classic", "family size", "premium", "seasonal")
_MAKERS = ("north", "south", "east", "west", "hill", "lake", "river", "forest")
_STYLES = ("plain", "small", "large", "double", "fresh")

SPEC = """
name = "scale"
title = "A shop made by a program"
note = "Three sources; who likes what stays the same."
unit = "customer"
unit_plural = "customers"
main_source = "orders"

[users]
files = ["users.parquet"]
user_id = "user"

[users.attributes]
"region" = "region"
"age" = "age"
"""
_SOURCE = """
[[sources]]
name = "{name}"
action = "{action}"
wording = "{wording}"
files = ["{name}-*.parquet"]
user_id = "user"
time = "time"
item = "{{group}}: {{text}}"
group = "{{group}}"
value = "value"
row_key = ["row"]
"""
_WORDINGS = {
    "orders": ("buy", "buy {items}"),
    "visits": ("look at", "look at {items}"),
    "coupons": ("redeem", "redeem coupons for {items}"),
}


class Step(BaseModel):
    """One command."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_gigabytes: float


class World(BaseModel):
    """All steps over one world."""

    users: int
    events: int
    megabytes: float
    """Of the prepared events."""
    pass_seconds: float
    """Reading all of them once, in the same run."""
    steps: list[Step]


def make_world(folder: Path, users: int, seed: int = SEED) -> None:
    """Write the tables and the spec of a shop with so many users into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    groups = [f"{sort} {kind}" for kind in _KINDS for sort in _SORTS][:GROUPS]
    texts = [f"{maker} {style} {group}" for group in groups for maker in _MAKERS for style in _STYLES]
    common = _zipf(GROUPS)[rng.permutation(GROUPS)]
    spec, rows = SPEC, 0
    for name, (action, wording) in _WORDINGS.items():
        spec += _SOURCE.format(name=name, action=action, wording=wording)
    (folder / "scale.toml").write_text(spec, "utf-8")
    tables = []
    for start in range(0, users, BLOCK):
        here = np.arange(start, min(users, start + BLOCK))
        ids = pl.Series([f"u{user:08d}" for user in here])
        favourites = rng.choice(GROUPS, (len(here), FAVOURITES), p=common)
        busy = rng.lognormal(-0.3, 0.8, len(here))
        for name, mean in EVENTS.items():
            count = rng.poisson(mean * busy)
            who = np.repeat(np.arange(len(here)), count)
            liked = favourites[who, rng.integers(0, FAVOURITES, len(who))]
            group = np.where(rng.random(len(who)) < LIKED, liked, rng.choice(GROUPS, len(who), p=common))
            item = group * ITEMS_PER_GROUP + rng.choice(ITEMS_PER_GROUP, len(who), p=_zipf(ITEMS_PER_GROUP))
            seconds = rng.integers(0, DAYS * 86_400, len(who))
            pl.DataFrame(
                {
                    "row": np.arange(rows, rows + len(who)),
                    "user": ids.gather(who),
                    "time": datetime.combine(FIRST, datetime.min.time())
                    + pl.Series(seconds * 1000).cast(pl.Duration("ms")),
                    "group": pl.Series(groups).gather(group),
                    "text": pl.Series(texts).gather(item),
                    "value": rng.integers(50, 2000, len(who)) / 100,
                }
            ).write_parquet(folder / f"{name}-{start // BLOCK:04d}.parquet")
            rows += len(who)
        tables.append(
            pl.DataFrame(
                {
                    "user": ids,
                    "region": rng.choice(["north", "south", "east", "west"], len(here)),
                    "age": rng.choice(["19-24", "25-34", "35-44", "45-54", "55-64"], len(here)),
                }
            )
        )
    pl.concat(tables).write_parquet(folder / "users.parquet")


def _zipf(count: int) -> npt.NDArray[np.float64]:
    weights = 1.0 / np.arange(1, count + 1)
    return np.asarray(weights / weights.sum())


FIRST_SIZE = "Customers that will buy organic coffee in the next 28 days"
"""Asked at the shell, by a process that has opened nothing yet."""
NEXT = (
    "Customers that will buy classic tea in the next 28 days",
    "Customers that will buy premium cheese in the next 28 days",
    "Customers that will buy family size rice in the next 28 days",
    "Customers that will buy seasonal candles in the next 28 days",
    "Customers that will buy organic wine in the next 28 days",
)
"""Asked one after the other of a service that is open."""


def run(name: str, command: list[str], workspace: Path) -> Step:
    """Run one command in a process of its own; its output goes to ours.

    The memory is the most that was resident at a time, pages of mapped files included, of whichever process of the
    command had most.
    """
    environment = os.environ | {"AUDIENCE_WORKSPACE": str(workspace), "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, *command], environment)
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"{name} ended with {os.waitstatus_to_exitcode(status)}.")
    step = Step(
        name=name,
        seconds=time.perf_counter() - began,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_gigabytes=used.ru_maxrss / 1e6,  # Linux counts in kilobytes
    )
    _say(step)
    return step


def audience(*arguments: str) -> list[str]:
    """How a command of the product is called from the source tree."""
    return ["-c", "from agent.cli.main import main; main()", *arguments]


def measure(folder: Path, users: int, model: Path | None = None) -> World:
    """Make a world and take it through all commands; ``model`` takes the place of training one."""
    tables, workspace = folder / "tables", folder / "workspace"
    if not (tables / "scale.toml").exists():
        make_world(tables, users)
    steps = [run("prepare", audience("prepare", str(tables / "scale.toml")), workspace)]
    if model:
        shutil.copytree(model, workspace / "models" / model.name)
    else:
        steps.append(run("train", audience("train"), workspace))
    steps += [
        run("index", audience("index"), workspace),
        run("first size", audience("size", FIRST_SIZE, "--json"), workspace),
    ]
    asked = folder / "asked.json"
    run("a service", ["-m", "benchmarks.scale", "--ask", str(asked)], workspace)
    steps += [Step.model_validate(each) for each in json.loads(asked.read_text("utf-8"))]
    events = Dataset.current(Workspace(workspace)).folder / "events.parquet"
    began = time.perf_counter()
    rows = pl.scan_parquet(events).select(pl.all().hash().sum(), pl.len().alias("rows")).collect()["rows"].item()
    return World(
        users=users,
        events=int(rows),
        megabytes=events.stat().st_size / 1e6,
        pass_seconds=time.perf_counter() - began,
        steps=steps,
    )


def ask(out: Path) -> None:
    """Open a service and time what is asked of it; writes the steps as JSON."""
    began = time.perf_counter(), time.process_time()
    service = AudienceService.open(settings())
    steps = [_step("open", began)]
    for name, sentences in (("new sentence", NEXT), ("the same again", NEXT)):
        began = time.perf_counter(), time.process_time()
        for sentence in sentences:
            spec = AudienceSpec(demand=sentence)
            service.size(spec)
        step = _step(name, began)
        steps.append(
            step.model_copy(update={"seconds": step.seconds / len(NEXT), "cpu_seconds": step.cpu_seconds / len(NEXT)})
        )
    spec = AudienceSpec(demand=NEXT[0], cut=0.1)
    for name, call in (
        ("preview", lambda: service.preview(spec)),
        ("profile", lambda: service.profile(spec)),
        ("save a tenth", lambda: service.save(spec, "scale", approved_by="scale")),
        ("export it", lambda: service.export("scale")),
    ):
        began = time.perf_counter(), time.process_time()
        call()
        steps.append(_step(name, began))
    service.close()
    out.write_text(json.dumps([step.model_dump() for step in steps]), "utf-8")
    for step in steps:
        _say(step)


def _say(step: Step) -> None:
    sys.stdout.write(
        f"  {step.name}: {step.seconds:.2f} s, {step.cpu_seconds:.2f} s of CPU, {step.peak_gigabytes:.2f} GB\n"
    )
    sys.stdout.flush()


def _step(name: str, began: tuple[float, float]) -> Step:
    return Step(
        name=name,
        seconds=time.perf_counter() - began[0],
        cpu_seconds=time.process_time() - began[1],
        peak_gigabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    )


def page(worlds: list[World]) -> str:
    """docs/scale.md."""
    by_name = [{step.name: step for step in world.steps} for world in worlds]
    heads = [f"{world.users:,} users, {world.events / 1e6:.0f} M events" for world in worlds]
    passes = ", ".join(f"{world.pass_seconds:.2f} s" for world in worlds)
    rows = [
        f"| {name} | "
        + " | ".join(
            f"{steps[name].cpu_seconds:.2f} s of CPU ({steps[name].cpu_seconds / world.pass_seconds:,.1f}), "
            f"{steps[name].peak_gigabytes:.1f} GB"
            if name in steps
            else "not measured"
            for steps, world in zip(by_name, worlds, strict=True)
        )
        + " |"
        for name in dict.fromkeys(step.name for world in worlds for step in world.steps)
    ]
    return "\n".join(
        [
            _HEAD.format(passes=passes),
            f"| step | {' | '.join(heads)} |",
            "|---" * (len(worlds) + 1) + "|",
            *rows,
            "",
            _WHAT_GROWS,
        ]
    )


_HEAD = """# How many users fit

Written by `python -m benchmarks.scale`. A shop made by a program: three sources, 8,000 items most of which are
rare, a hundred events per user. Each command is a process of its own; its memory is the most that was resident,
pages of mapped files included. In brackets: how many passes over the prepared events that is (one took {passes}).
Two cores.
"""

_WHAT_GROWS = """## What grows, and what does not

- **Training** learns from at most 20,000 users, drawn once from those active in its windows; more users change
  neither its time nor its memory.
- **Counting** (at the first opening of a data version and day, or by `audience index`) takes the memory of 20,000
  users at a time, and leaves files beside the data, about 5 KB a user here. Opening maps them.
- **Vectors** of users lie in `vectors/`, 512 bytes each; of another day or data version, only users who did
  something are encoded.
- **Scoring** goes through the mapped counts once per sentence, and holds some numbers per user and demand.
- **Preparing** sorts the events of all users at once: its memory grows with the rows.
- **Chroma** gets the same vectors and the attributes with `audience index`; nothing but `similar` asks it. That command
  also learns the reader of requests, which does not depend on the users.
- A size of 100,000 users was taken with the model of the 10,000, so their training was not measured.
"""


def main() -> None:
    """Measure one world, or write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="tables and workspace are kept here")
    parser.add_argument("--model", type=Path, help="a model folder to take in place of training one")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        ask(given.ask)
        return
    known = (
        [World.model_validate(each) for each in json.loads(MEASURED.read_text("utf-8"))] if MEASURED.exists() else []
    )
    if not given.render:
        world = measure(given.folder, given.users, given.model)
        known = sorted([*(each for each in known if each.users != world.users), world], key=lambda each: each.users)
        MEASURED.write_text(json.dumps([each.model_dump() for each in known], indent=1) + "\n", "utf-8")
    PAGE.write_text(page(known), "utf-8")


if __name__ == "__main__":
    main()
