"""Measure many clients at once against the served app, and write docs/load.md.

    python -m benchmarks.load            start the app on the demo workspace, ask it for a few minutes, then write
    python -m benchmarks.load --render   only write docs/load.md again from benchmarks/measured/load.json

Clients and server share the machine, so all figures are ratios within one run. Every client keeps one connection and
asks POST /api/sizes, with a token, for one of the demo's own demands.
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import httpx2
import numpy as np
from pydantic import BaseModel

from encoders.settings import settings
from encoders.workspace import Workspace
from tools.access.callers import Scope, Tokens

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "load.json"
PAGE = ROOT / "docs" / "load.md"
CLIENTS = 200
DEMANDS = 40
SECONDS = 60
PAUSES = (10.0, 5.0, 2.0, 0.0)
"""Seconds a client waits after an answer before it asks again; 0: it asks again at once."""


class Round(BaseModel):
    """What a number of clients saw in one round."""

    clients: int
    pause: float
    calls: int
    errors: int
    calls_per_second: float
    median: float
    """Seconds."""
    p99: float
    """Seconds."""


class Load(BaseModel):
    """Everything, from one run."""

    cores: int
    users: int
    demands: int
    alone_first: Round
    """One client; every sentence for the first time."""
    alone: Round
    """One client; sentences that were asked before."""
    together: list[Round]
    """Many clients, with longer and shorter pauses; sentences that were asked before."""
    together_first: Round
    """Many clients without a pause, each with a sentence that nobody asked before."""


@contextmanager
def served(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """The app on a free port, ready, and a token; gives its address and the token."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"load-{time.time_ns()}"
    with Tokens(workspace.tokens) as tokens:
        token = tokens.create(name, [Scope.READ, Scope.SIZE], per_minute=10_000_000)
    environment = os.environ | {"AUDIENCE_WORKSPACE": str(workspace.path), "AUDIENCE_PORT": str(port)}
    command = [sys.executable, "-c", "from agent.cli.main import main; main()", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as server:
        try:
            while not _ready(f"http://127.0.0.1:{port}"):
                if server.poll() is not None:
                    sys.exit("The app did not start; its own words are above.")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()
    with Tokens(workspace.tokens) as tokens:
        tokens.revoke(name)


def _ready(address: str) -> bool:
    try:
        return bool(httpx2.get(f"{address}/healthz").json()["ready"])
    except httpx2.TransportError:
        return False


async def measure(address: str, token: str) -> Load:
    """Ask from few and from many clients."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=300, limits=_connections(CLIENTS)) as http:
        card = (await http.get("/api/data")).json()
        groups = card["top_groups"][:DEMANDS]
        known = [_demand(card["unit_plural"], group, 28) for group in groups]
        new = (_demand(card["unit_plural"], group, days) for days in itertools.count(3) for group in groups)
        alone_first = await ask(http, 1, 0.0, known, limit=len(known))
        alone = await ask(http, 1, 0.0, itertools.cycle(known), limit=10 * len(known))
        together = [await ask(http, CLIENTS, pause, itertools.cycle(known), seconds=SECONDS) for pause in PAUSES]
        together_first = await ask(http, CLIENTS, 0.0, new, limit=CLIENTS)
    return Load(
        cores=os.cpu_count() or 1,
        users=card["population"],
        demands=len(known),
        alone_first=alone_first,
        alone=alone,
        together=together,
        together_first=together_first,
    )


async def ask(
    http: httpx2.AsyncClient,
    clients: int,
    pause: float,
    demands: "Iterator[str] | list[str]",
    limit: int | None = None,
    seconds: float = 3600.0,
) -> Round:
    """Let ``clients`` ask one after the other until ``limit`` demands are asked or the time is over."""
    asked = itertools.islice(demands, limit)
    took: list[float] = []
    errors = 0
    began = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal errors
        await asyncio.sleep(pause * number / clients)  # people do not all come in the same moment
        for demand in asked:
            if time.perf_counter() - began > seconds:
                return
            start = time.perf_counter()
            try:
                response = await http.post("/api/sizes", json={"demand": demand})
                errors += response.status_code != 200
            except httpx2.HTTPError:
                errors += 1
            took.append(time.perf_counter() - start)
            await asyncio.sleep(pause)

    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = time.perf_counter() - began
    return Round(
        clients=clients,
        pause=pause,
        calls=len(took),
        errors=errors,
        calls_per_second=len(took) / elapsed,
        median=float(np.median(took)),
        p99=float(np.quantile(took, 0.99)),
    )


def _connections(number: int) -> httpx2.Limits:
    return httpx2.Limits(max_connections=number, max_keepalive_connections=number)


def _demand(units: str, group: str, days: int) -> str:
    return f"{units.capitalize()} that will buy {group} in the next {days} days"


def page(load: Load) -> str:
    """All figures, as docs/load.md."""
    alone = load.alone.median
    rows = [
        ("one client, known sentences", load.alone),
        *((f"{each.clients} clients, {_pace(each.pause)}", each) for each in load.together),
        ("one client, new sentences", load.alone_first),
        (f"{load.together_first.clients} clients, all at once, each a new sentence", load.together_first),
    ]
    return "\n".join(
        [
            "# Many clients at once",
            "",
            f"Written by `python -m benchmarks.load`: the demo ({load.users:,} users), {load.cores} cores shared by "
            f"clients and server, one process, {load.demands} demands, `POST /api/sizes` with a token. Times are "
            "multiples of the median of one client with known sentences, from the same run.",
            "",
            "| clients | calls | errors | calls a second | median | 99th percentile |",
            "|---|---|---|---|---|---|",
            *(
                f"| {words} | {each.calls:,} | {each.errors} | {each.calls_per_second:,.0f} "
                f"| {each.median / alone:.1f} | {each.p99 / alone:.1f} |"
                for words, each in rows
            ),
            "",
        ]
    )


def _pace(pause: float) -> str:
    return f"each pauses {pause:g} s" if pause else "none pauses"


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    if not parser.parse_args().render:
        with served(Workspace(settings().workspace)) as (address, token):
            load = asyncio.run(measure(address, token))
        MEASURED.write_text(load.model_dump_json(indent=1) + "\n", "utf-8")
    PAGE.write_text(page(Load.model_validate_json(MEASURED.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
