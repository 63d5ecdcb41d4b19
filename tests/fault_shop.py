"""A small shop in a workspace of its own, with everything in it that a fault could take away."""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

from encoders.checksums import damaged_files
from encoders.data.erasing import Forgotten
from encoders.data.events import Dataset
from encoders.model_folder import read_config, read_model
from encoders.settings import settings
from encoders.training.fit import Recipe
from encoders.workspace import Workspace
from tests.naming import files_that_name
from tools.access.callers import Scope, Tokens
from tools.delivery.destinations import Destinations
from tools.delivery.exports import exported
from tools.delivery.outbox import Outbox
from tools.jobs import Ledger
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec
from tools.uploads import keep_upload, uploaded
from tools.workers import deliver_due

FIRST, DAYS, USERS = date(2025, 1, 1), 150, 120
LATER = FIRST + timedelta(days=DAYS - 10)
GOODS = ("green tea", "black tea", "ground coffee", "dog biscuits", "red wine", "rye bread")
TINY = Recipe(windows=2, epochs=1, steps=2, sentences=8, users=64, head_steps=4)
SPEC = AudienceSpec(demand="Customers that will buy green tea in the next 28 days", cut=0.5)
NEW_MODEL = 8
ERASED = "u006"
"""Whom ``forget`` erases: a seed of the tuned demand."""

_SPEC = """
name = "shop"
title = "A shop"
unit = "customer"
unit_plural = "customers"
main_source = "orders"
default_as_of = {as_of}

[users]
files = ["customers.csv"]
user_id = "id"
attributes = {{ region = "region" }}
contacts = {{ email = "mail" }}

[[sources]]
name = "orders"
action = "buy"
wording = "buy {{items}}"
files = ["{orders}"]
user_id = "customer"
time = "at"
item = "{{product}}"
value = "paid"
"""


def write_tables(folder: Path) -> None:
    """Write the tables of two specs: ``shop.toml``, and ``more.toml`` with a product that sorts before all others."""
    rng = np.random.default_rng(5)
    rows = [
        {"customer": f"u{user:03}", "at": FIRST + timedelta(days=int(day)), "product": GOODS[(user + int(kind)) % 6]}
        for user in range(USERS)
        for day, kind in zip(np.flatnonzero(rng.random(DAYS) < 0.2), rng.integers(0, 2, DAYS), strict=False)
    ]
    folder.mkdir(parents=True)
    orders = pl.DataFrame(rows).with_columns(paid=pl.lit(2.5))
    orders.write_csv(folder / "orders.csv")
    extra = orders.head(1).with_columns(product=pl.lit("aaa apricots"))
    pl.concat([orders, extra]).write_csv(folder / "more.csv")
    ids = [f"u{user:03}" for user in range(USERS)]
    regions = [("north", "south")[user % 2] for user in range(USERS)]
    people = pl.DataFrame({"id": ids, "region": regions, "mail": [f"{each}@example.org" for each in ids]})
    people.write_csv(folder / "customers.csv")
    pl.DataFrame({"id": ids[::6]}).write_csv(folder / "seeds.csv")
    pl.DataFrame({"user_id": ids[::4]}).write_csv(folder / "responders.csv")
    for name, orders_file in (("shop", "orders.csv"), ("more", "more.csv")):
        as_of = FIRST + timedelta(days=DAYS - 30)
        (folder / f"{name}.toml").write_text(_SPEC.format(as_of=as_of, orders=orders_file), "utf-8")


def command(*words: str) -> None:
    """Run a command of ``audience``; training learns as little as possible.

    ``jobs``, ``download``, ``upload`` and ``bring`` stand for what is done over REST and on the page.
    """
    if words == ("jobs",):
        Ledger(settings().workspace / "jobs.db").close()
        return
    if words == ("download",):
        workspace = Workspace(settings().workspace)
        file = exported(workspace, next(workspace.exports.glob("*.parquet")).name)
        sys.stdout.write(json.dumps(pl.read_parquet(file).rows()))
        return
    if words == ("upload",):
        workspace = Workspace(settings().workspace)
        file = uploaded(workspace, next(workspace.uploads.glob("*.csv")).name)
        sys.stdout.write(json.dumps(pl.read_csv(file).rows()))
        return
    if words[0] == "bring":
        keep_upload(Workspace(settings().workspace), Path(words[1]))
        return
    from agent.cli.main import app

    with patch("encoders.train.Recipe", lambda: TINY):
        app(list(words), prog_name="audience")


def open_service() -> AudienceService:
    """The service on the workspace of this process."""
    return AudienceService.open(settings())


def fill(tables: Path, url: str) -> None:
    """Make the workspace: data, model, index, a saved audience, a tuned demand, a token, a conversation, an upload.

    ``url`` is told of what is saved, and takes lists as the destination "crm".
    """
    from agent.conversation import Conversation

    write_tables(tables)
    for words in (("prepare", str(tables / "shop.toml")), ("train",), ("index",)):
        _succeed(*words)
    workspace = Workspace(settings().workspace)
    with closing(open_service()) as service:
        service.tune("tea", None, [f"u{user:03}" for user in range(0, USERS, 6)])
        with Registry(workspace.registry) as registry:
            Outbox(registry.database, private=True).add(url, ("audience.ready",))
            Destinations(registry.database, private=True).add("crm", url)
        service.save(SPEC, "First", "Ann", holdout=0.1)
        service.export("First", "parquet")
        service.keep_upload(tables / "responders.csv")
        talk = Conversation(service, settings())
        talk.say("t1", "people who buy tea")
        talk.say("t1", f"why is customer {ERASED} in?")
        talk.close()
    with Tokens(workspace.tokens) as tokens:
        tokens.create("shop", [Scope.SIZE])
    jobs = Ledger(workspace.path / "jobs.db")
    jobs.add("", "owner", "tune", "tea")
    jobs.close()
    _succeed("label", "spring", "--users", "6", "--windows", "1")


def _succeed(*words: str) -> None:
    try:
        command(*words)
    except SystemExit as ended:
        if ended.code:
            raise


@dataclass(frozen=True)
class Operation:
    """Something whose interruption may lose nothing."""

    run: Callable[[Path], None]
    """Given the folder with the tables."""
    done: Callable[[Workspace], bool]
    """Whether the workspace has what it makes."""
    before: Callable[[Workspace], None] = lambda workspace: None
    """Makes room for it."""
    lost: frozenset[str] = frozenset()
    """Users that it takes out of what was saved before."""


def _drop_index(workspace: Workspace) -> None:
    shutil.rmtree(workspace.chroma)


def _has_index(workspace: Workspace) -> bool:
    from tools.storage.vectors import VectorStore

    with VectorStore(workspace, patience=5) as store:
        return bool(store.names())


def _save(tables: Path) -> None:
    with closing(open_service()) as service:
        service.save(SPEC, "Second", "Ann", key="once")


def _train_anew(tables: Path) -> None:
    os.environ["AUDIENCE_SEED"] = str(NEW_MODEL)
    settings.cache_clear()
    command("train")


def train_half(tables: Path) -> None:
    """Train until the first checkpoint is written, and be killed then."""
    from encoders.training.fit import save_checkpoint

    def save_and_end(*state: Any) -> None:
        save_checkpoint(*state)
        os.kill(os.getpid(), signal.SIGKILL)

    with patch("encoders.training.fit.save_checkpoint", save_and_end):
        command("train")


def _deliver(tables: Path) -> None:
    with Registry(Workspace(settings().workspace).registry) as registry:
        deliver_due(Outbox(registry.database, private=True))


def _delivered(workspace: Workspace) -> bool:
    """Everything was, or waits for the end of a lease that a killed process had taken."""
    with Registry(workspace.registry) as registry:
        return all(
            each.state == "delivered" or (each.state == "waiting" and each.tries)
            for each in Outbox(registry.database, private=True).deliveries()
        )


def _has_audience(name: str, version: int) -> Callable[[Workspace], bool]:
    def has(workspace: Workspace) -> bool:
        with Registry(workspace.registry) as registry:
            found = {each.name: each.version for each in registry.list()}
            return found.get(name) == version

    return has


def _has_sent(workspace: Workspace) -> bool:
    with Registry(workspace.registry) as registry:
        return any(line.action == "sent" for line in registry.audit("First"))


def _has_outcome(workspace: Workspace) -> bool:
    with Registry(workspace.registry) as registry:
        return registry.outcome("First") is not None


def _combine(tables: Path) -> None:
    with closing(open_service()) as service:
        service.combine("or", ["First", "Other"], "Both", "Ann", key="once")


def _save_other(workspace: Workspace) -> None:
    with Registry(workspace.registry) as registry:
        saved = registry.get("First")
        registry.save_version(
            "Other", spec=None, definition="others", members=[f"u{user:03}" for user in range(20, 60)],
            holdout_share=0.1, as_of=saved.as_of, model_version="m", data_version="d", approved_by="Ann",
        )  # fmt: skip


def _keep_upload(tables: Path) -> None:
    with closing(open_service()) as service:
        service.keep_upload(tables / "seeds.csv")


def _has_forgotten(workspace: Workspace) -> bool:
    """Whether the user is on the list, a receipt says so, and no byte of the workspace names them."""
    there = Forgotten(workspace).has_user(ERASED) and any(workspace.receipts.glob("*.json"))
    return there and not files_that_name(workspace, (ERASED, f"{ERASED}@example.org"))


OPERATIONS: dict[str, Operation] = {
    "prepare": Operation(
        lambda tables: command("prepare", str(tables / "more.toml")),
        lambda workspace: "aaa apricots" in Dataset.current(workspace).items["text"].to_list(),
    ),
    "train": Operation(_train_anew, lambda workspace: NEW_MODEL in {read_config(m).seed for m in workspace.models()}),
    "index": Operation(lambda tables: command("index"), _has_index, _drop_index),
    "save": Operation(_save, _has_audience("Second", 1)),
    "export": Operation(
        lambda tables: command("export", "First"), lambda workspace: any(workspace.exports.glob("*.csv"))
    ),
    "combine": Operation(_combine, _has_audience("Both", 1), _save_other),
    "send": Operation(lambda tables: command("export", "First", "--to", "crm"), _has_sent),
    "outcome": Operation(
        lambda tables: command("outcome", "First", str(tables / "responders.csv"), "--by", "Ann"), _has_outcome
    ),
    "tune": Operation(
        lambda tables: command("tune", "more tea", "--seeds", str(tables / "seeds.csv")),
        lambda workspace: any(workspace.tuned.glob("more-tea*")),
    ),
    "upload": Operation(_keep_upload, lambda workspace: len(list(workspace.uploads.glob("*.csv"))) == 2),
    "refresh": Operation(
        lambda tables: command("refresh", "First", "--as-of", LATER.isoformat()), _has_audience("First", 2)
    ),
    "label": Operation(
        lambda tables: command("label", "autumn", "--users", "6", "--windows", "1"),
        lambda workspace: (workspace.path / "labels" / "autumn" / "labels.parquet").is_file(),
    ),
    "webhook delivery": Operation(_deliver, _delivered),
    "token create": Operation(
        lambda tables: command("token", "create", "second", "--scopes", "size"),
        lambda workspace: "second" in _token_names(workspace),
    ),
    "forget": Operation(
        lambda tables: command("forget", ERASED, "--by", "Ann"), _has_forgotten, lost=frozenset({ERASED})
    ),
}
"""Every operation that writes."""


def _token_names(workspace: Workspace) -> set[str]:
    with Tokens(workspace.tokens) as tokens:
        return {card.caller.name for card in tokens.list()}


def losses(workspace: Workspace, members: frozenset[str], lost: frozenset[str] = frozenset()) -> list[str]:
    """What of the things that were acknowledged before is no longer there, but for the users in ``lost``."""
    found = []
    with Registry(workspace.registry) as registry:
        if frozenset(registry.members(registry.get("First").id, 1)[0]) - lost != members - lost:
            found.append("the members of First")
        if not any(line.action == "save" for line in registry.audit()):
            found.append("audit lines")
    if "shop" not in _token_names(workspace):
        found.append("the token")
    dataset = Dataset.current(workspace)
    if damaged_files(dataset.folder) or dataset.before(dataset.card.default_as_of).events().collect().is_empty():
        found.append("the data")
    for folder in workspace.models():
        read_model(folder)
    if not workspace.models():
        found.append("the model")
    return found + _lost_files(workspace)


def _lost_files(workspace: Workspace) -> list[str]:
    """What of the conversation, the export, the label set and the jobs is no longer there."""
    found = []
    if not any(workspace.exports.glob("*.parquet")):
        found.append("the export")
    if not any(workspace.uploads.glob("*.csv")):
        found.append("the upload")
    if not any(workspace.tuned.glob("tea.*")):
        found.append("the tuned demand")
    if not pl.read_parquet(workspace.path / "labels" / "spring" / "labels.parquet").height:
        found.append("the label set")
    with closing(Ledger(workspace.path / "jobs.db")) as jobs:
        if len(jobs.page("", 10, "").jobs) != 1:
            found.append("the job")
    with closing(sqlite3.connect(workspace.path / "checkpoints.db")) as talks:
        if not talks.execute("SELECT COUNT(*) FROM checkpoints WHERE thread_id = 't1'").fetchone()[0]:
            found.append("the conversation")
    return found


def leftovers(workspace: Workspace) -> list[str]:
    """Half-written things that a next run has not swept away."""
    return [path.name for path in workspace.path.rglob(".*") if path.suffix in (".part", ".old")]
