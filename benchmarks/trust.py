"""Measure what docs/access.md and docs/reaching.md say in figures, and write it between their markers.

    python benchmarks/trust.py            the noise of counts, files that would become huge, and an erasure
    python benchmarks/trust.py --print    only print it

The erasure is of one user, in a copy of the workspace (AUDIENCE_WORKSPACE), which needs data, a model and an index.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "tools")]

import numpy as np  # noqa: E402
from bombs import bombs, read_apart  # noqa: E402

from encoders.history.events import Dataset  # noqa: E402
from encoders.settings import settings  # noqa: E402
from encoders.workspace import Workspace  # noqa: E402
from tools.disclosure import Protected  # noqa: E402
from tools.forgetting.erasure import erase  # noqa: E402

QUESTIONS = 20_000
"""Different questions about as many users."""
USERS = (60, 150, 500, 2_000)
MINIMUM = 50
_BETWEEN = r"(?<=<!-- {name} -->\n)[\s\S]*?(?=<!-- end of {name} -->)"


def errors() -> str:
    """How far protected counts are off, as a table."""
    protected = Protected(MINIMUM, b"benchmark", "edition")
    lines = ["| users | median error of a count | 9 of 10 within | withheld |", "|---|---|---|---|"]
    for users in USERS:
        shown = [protected.count(users, str(number)) for number in range(QUESTIONS)]
        off = np.array([abs(each - users) / users for each in shown if each is not None])
        withheld = 1 - len(off) / QUESTIONS
        said = f"{withheld:.0%}" if withheld >= 0.005 else "under 0.5 %" if withheld else "never"
        lines.append(f"| {users:,} | {np.median(off):.1%} | {np.quantile(off, 0.9):.1%} | {said} |".replace("%", " %"))
    return "\n".join([*lines, "", f"Of {QUESTIONS:,} questions each.", ""]).replace("  %", " %")


def memory() -> str:
    """What files that would become huge take before they are refused."""
    with tempfile.TemporaryDirectory() as folder:
        paths = bombs(Path(folder))
        bytes_in = sum(path.stat().st_size for path in paths)
        told, megabytes = read_apart(*paths)
    if "read" in told:
        raise SystemExit(f"One of them was read: {told}")
    return (
        f"{len(paths)} Parquet files of {bytes_in / 1e6:.1f} MB together, which would become up to 10 GB each, are "
        f"refused with {megabytes:.0f} MB at most, one after the other in one process.\n"
    )


def erasure(workspace: Workspace) -> str:
    """How long the erasure of one user takes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Workspace(shutil.copytree(workspace.path, Path(folder) / "copy", ignore=shutil.ignore_patterns("locks")))
        users = Dataset.current(copy).users["user_id"].to_list()
        size = sum(path.stat().st_size for path in copy.path.rglob("*") if path.is_file()) / 1e6
        begun = perf_counter()
        receipt = erase(copy, settings(), [users[len(users) // 2]], "benchmark")
        took = perf_counter() - begun
    return (
        f"The erasure of one of {len(users):,} users took {took:.1f} s, in a workspace of {size:,.0f} MB, and changed "
        f"{len(receipt.places)} places.\n"
    )


def write(page: Path, name: str, text: str) -> None:
    """Put a text between the markers of a page."""
    before = page.read_text("utf-8")
    pattern = _BETWEEN.format(name=name)
    if not re.search(pattern, before):
        raise SystemExit(f"{page} has no markers for '{name}'.")
    page.write_text(re.sub(pattern, lambda _: text, before), "utf-8")


def main() -> None:
    """Measure, print, and write unless told not to."""
    parser = argparse.ArgumentParser(description="Measure figures about access and erasures.")
    parser.add_argument("--print", action="store_true", help="write nothing")
    chosen = parser.parse_args()
    measured = {
        ("access.md", "errors of counts"): errors(),
        ("access.md", "memory of tables"): memory(),
        ("reaching.md", "time of an erasure"): erasure(Workspace(settings().workspace)),
    }
    for (page, name), text in measured.items():
        sys.stdout.write(f"{page}, {name}:\n{text}\n")
        if not chosen.print:
            write(ROOT / "docs" / page, name, text)


if __name__ == "__main__":
    main()
