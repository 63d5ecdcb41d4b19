"""Do damage to a small workspace in every way we can think of, and write docs/reliability.md.

    python -m benchmarks.faults            half an hour; the disks that fill and cannot be written need root
    python -m benchmarks.faults --places save --files --moments 3    only a part; what was measured before stays
    python -m benchmarks.faults --render   only write docs/reliability.md again from what was measured

The workspace, the operations and what may not be lost are in ``tests/fault_shop.py``.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]

from pydantic import BaseModel  # noqa: E402

from encoders.workspace import Workspace  # noqa: E402
from tests.fault_shop import (  # noqa: E402
    OPERATIONS,
    SPEC,
    Operation,
    command,
    fill,
    leftovers,
    losses,
    train_half,
)
from tests.faulty import FILLING, Fault, Ran, flip, run, truncate  # noqa: E402
from tests.listening import listening  # noqa: E402
from tools.storage.registry import Registry  # noqa: E402

MEASURED = ROOT / "benchmarks" / "measured" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
MOMENTS = 6
"""Steps at which an operation is killed, and at which its disk is full, spread evenly over all that it takes."""
ROOMS = (64,)
"""Kilobytes that are free on the disk that fills."""
FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "model weights": ("models/*/model.safetensors", ("size", "train")),
    "model config": ("models/*/config.json", ("size", "train")),
    "model report": ("models/*/report.json", ("size", "train")),
    "model checksums": ("models/*/checksums.json", ("size", "train")),
    "events": ("data/*/events.parquet", ("size",)),
    "items": ("data/*/items.parquet", ("size",)),
    "users": ("data/*/users.parquet", ("size",)),
    "contacts": ("data/*/contacts.parquet", ("export",)),
    "data card": ("data/*/dataset.json", ("size",)),
    "data checksums": ("data/*/checksums.json", ("size",)),
    "pointer to the data": ("data/current", ("size",)),
    "counts of users": ("data/*/counts/*/*", ("size",)),
    "one table of counts": ("data/*/counts/*/groups.data0", ("size",)),
    "checksums of counts": ("data/*/counts/*/checksums.json", ("size",)),
    "users' vectors": ("vectors/*/vectors.f32", ("size", "index")),
    "checksums of vectors": ("vectors/*/checksums.json", ("size", "index")),
    "text cache": ("cache/*", ("size",)),
    "reader of requests": ("cache/reader-*", ("size",)),
    "tuned demand": ("tuned/*", ("size like",)),
    "Chroma's database": ("chroma/chroma.sqlite3", ("size",)),
    "Chroma's vectors": ("chroma/*/data_level0.bin", ("size",)),
    "Chroma's links": ("chroma/*/link_lists.bin", ("size",)),
    "Chroma's header": ("chroma/*/header.bin", ("size",)),
    "registry.db": ("registry.db", ("export", "audit")),
    "backups of registry.db": ("registry.db-backup-*", ("export", "audit", "restore")),
    "tokens.db": ("tokens.db", ("token list",)),
    "jobs.db": ("jobs.db", ("jobs",)),
    "allowance.db": ("allowance.db", ("size",)),
    "checkpoints.db": ("checkpoints.db", ("ask",)),
    "labels/ledger.db": ("labels/ledger.db", ("label",)),
    "mask.key": ("mask.key", ("size",)),
    "export": ("exports/*.parquet", ("download",)),
    "upload": ("uploads/*.csv", ("upload",)),
    "training checkpoint": ("checkpoints/*.safetensors", ("train", "size")),
}
"""Each kind of file: where it is, and the commands that read it."""

BEFORE: dict[str, Callable[[Path], None]] = {"training checkpoint": train_half}
"""What makes the file where the workspace has none; given the folder with the tables."""

_IMPORTED = ("agent.cli.main", "agent.conversation", "encoders.train", "tools.service", "tools.storage.vectors")
"""What takes long, in front of all forks. Nothing may be computed here: the threads of polars do not survive a fork."""

READS = {
    "size": ("size", SPEC.demand, "--json"),
    "size like": ("size", "--like", "tea", "--json"),
    "ask": ("ask", "people who buy coffee", "--json"),
    "export": ("export", "First", "--to", "meta", "--json"),
    "audit": ("audit", "First", "--json"),
    "token list": ("token", "list", "--json"),
    "label": ("label", "spring", "--users", "6", "--windows", "1", "--json"),
    "jobs": ("jobs",),
    "download": ("download",),
    "upload": ("upload",),
    "index": ("index", "--json"),
    "restore": ("restore",),
    "train": ("train", "--json"),
}
REMEDIES = (
    *(("restore",), ("prepare", "shop.toml"), ("train",), ("index",), ("tune", "tea", "--seeds", "seeds.csv")),
    *(("export", "First", "--parquet"), ("bring", "responders.csv")),
)


class Row(BaseModel):
    """What came of one fault in one place."""

    fault: str
    place: str
    cases: int
    kept: int
    """Cases after which everything that was acknowledged is there."""
    goes_on: int
    """Cases after which the next run does the work and leaves nothing half-written."""
    plain: int
    """Cases in which the command ended well or with one sentence, and never with a traceback."""
    codes: dict[str, int]
    said: str = ""


class Damage(BaseModel):
    """What came of damage to one file."""

    fault: str
    place: str
    outcome: str
    same: bool
    """Every command that answered gave the numbers it gave before."""
    plain: bool
    mended: bool
    """After the commands that the sentences name, everything answers as before."""
    said: str = ""


class Measured(BaseModel):
    """Everything on the page."""

    rows: list[Row]
    damages: list[Damage]

    def over(self, before: "Measured") -> "Measured":
        """This, and what it did not measure again, in the order of the operations and files."""
        rows = {(row.place, row.fault): row for row in (*before.rows, *self.rows)}
        damages = {(each.place, each.fault): each for each in (*before.damages, *self.damages)}
        return Measured(
            rows=[row for place in OPERATIONS for row in rows.values() if row.place == place],
            damages=[each for place in FILES for each in damages.values() if each.place == place],
        )


class Shop:
    """The workspace that is damaged, as a template, and its copies."""

    def __init__(self, folder: Path, url: str) -> None:
        """Make it."""
        self.folder, self.tables, self.template = folder, folder / "tables", folder / "template"
        made = run(lambda: fill(self.tables, url), self.template, longest=FILLING)
        if made.code:
            raise SystemExit(made.err)
        with Registry(self.template / "registry.db") as registry:
            self.members = frozenset(registry.members(registry.get("First").id, 1)[0])

    @contextmanager
    def copy(self, folder: Path | None = None) -> Iterator[Workspace]:
        """A copy that may be damaged."""
        target = folder or self.folder / "copy"
        shutil.copytree(self.template, target, dirs_exist_ok=folder is not None)
        try:
            yield Workspace(target)
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def checked(self, operation: Operation, workspace: Workspace) -> tuple[bool, bool]:
        """Whether everything acknowledged is there; and whether the operation then does its work, leaving no rest."""
        ran = run(lambda: self._check(operation, workspace), workspace.path)
        kept, done = _told(ran) if ran.code == 0 else (ran.err[-1500:], False)
        if kept or not done:
            _note(f"!! {kept=} {done=} {ran.err[-1500:]}")
        return not kept, bool(done)

    def _check(self, operation: Operation, workspace: Workspace) -> None:
        lost, there = losses(workspace, self.members, operation.lost), operation.done(workspace)
        try:
            operation.run(self.tables)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        _say([lost, (not code or there) and operation.done(workspace) and not leftovers(workspace)])


def _say(words: list[Any]) -> None:
    sys.stdout.write(f"\n{json.dumps(words)}\n")


def _note(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def _told(ran: Ran) -> Any:
    """What a check said."""
    return json.loads(ran.out.strip().splitlines()[-1])


def is_plain(ran: Ran) -> bool:
    """Whether a run ended well, was killed, or ended with one sentence."""
    return ran.code <= 0 or (bool(ran.sentence) and "Traceback" not in ran.err)


class Tally:
    """Counts the cases of one row."""

    def __init__(self, fault: str, place: str) -> None:
        """Count nothing yet."""
        self.row = Row(fault=fault, place=place, cases=0, kept=0, goes_on=0, plain=0, codes={})

    def add(self, ran: Ran, kept: bool, goes_on: bool) -> None:
        """Count one case; what went wrong is shown at once."""
        row = self.row
        plain = is_plain(ran)
        row.cases, row.kept, row.goes_on = row.cases + 1, row.kept + kept, row.goes_on + goes_on
        row.plain += plain
        row.codes[str(ran.code)] = row.codes.get(str(ran.code), 0) + 1
        row.said = row.said or re.sub(r"/\S*/(copy|disk/workspace)(?=/)", "workspace", ran.sentence)
        if not (kept and goes_on and plain):
            _note(f"!! {row.fault}, {row.place}, {kept=} {goes_on=} {plain=}: {ran.err[-1500:]}")


def interrupted(shop: Shop, place: str, kind: str, moments: int) -> Row:
    """Kill an operation, or fill its disk, at steps spread evenly over all that it takes."""
    operation, tally = OPERATIONS[place], Tally({"kill": "kill -9", "full": "no room from a step on"}[kind], place)
    with shop.copy() as workspace:
        operation.before(workspace)
        steps = run(lambda: operation.run(shop.tables), workspace.path).steps
    for number in range(moments):
        step = 1 + (2 * number + 1) * steps // (2 * moments)
        with shop.copy() as workspace:
            operation.before(workspace)
            ran = run(lambda: operation.run(shop.tables), workspace.path, Fault(kind, step))
            tally.add(ran, *shop.checked(operation, workspace))
    return tally.row


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own that holds so much and no more."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The same folder on a disk that cannot be written."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def filled(shop: Shop, place: str) -> Row:
    """Run an operation on a real disk that is almost full, then give it room."""
    operation, tally = OPERATIONS[place], Tally("a disk that fills", place)
    for room in ROOMS:
        with small_disk(shop.folder / "disk", 200_000) as disk, shop.copy(disk / "workspace") as workspace:
            operation.before(workspace)
            _leave(disk, room)
            ran = run(lambda: operation.run(shop.tables), workspace.path)
            (disk / "ballast").unlink()
            tally.add(ran, *shop.checked(operation, workspace))
    return tally.row


def _leave(disk: Path, kilobytes: int) -> None:
    """Take up all of a disk but so much."""
    free = shutil.disk_usage(disk).free - kilobytes * 1024
    (disk / "ballast").write_bytes(bytes(max(0, free)))


def unwritable(shop: Shop, place: str) -> Row:
    """Run an operation where nothing can be written, then where it can."""
    operation, tally = OPERATIONS[place], Tally("a read-only disk", place)
    with shop.copy() as workspace:
        operation.before(workspace)
        with read_only(workspace.path):
            ran = run(lambda: operation.run(shop.tables), workspace.path)
        tally.add(ran, *shop.checked(operation, workspace))
    return tally.row


def answers(workspace: Workspace, names: Iterable[str]) -> dict[str, Ran]:
    """What reading commands say."""
    return {name: run(partial(command, *READS[name]), workspace.path) for name in names}


def numbers(name: str, ran: Ran) -> object:
    """The part of an answer that depends on nothing but data and model."""
    if ran.code or name not in ("size", "size like", "export", "audit", "download", "upload"):
        return None
    said = json.loads(ran.out)
    return [said["rows"], said["sha256"]] if name == "export" else said[:2] if name == "audit" else said


def damaged(shop: Shop, place: str, fault: str, expected: dict[str, object]) -> Damage:
    """Damage one file, read everything, run what the sentences say, and read everything again."""
    pattern, names = FILES[place]
    with shop.copy() as workspace:
        if place in BEFORE:
            run(lambda: BEFORE[place](shop.tables), workspace.path)
        hit = [each for each in sorted(workspace.path.glob(pattern)) if each.stat().st_size]
        if not hit:
            raise SystemExit(f"There is no {pattern} to damage.")
        for path in hit:
            (flip if fault == "a flipped byte" else truncate)(path)
        found = answers(workspace, names)
        said = next((ran.sentence for ran in found.values() if ran.code), "")
        warned = next((line for ran in found.values() for line in ran.err.splitlines() if "damaged" in line), "")
        refused = [name for name, ran in found.items() if ran.code]
        if place == "mask.key":
            (workspace.path / "mask.key").unlink(missing_ok=True)
        for words in REMEDIES:
            if refused and any(words[0] in ran.err for ran in found.values()):
                run(partial(command, *_placed(shop, words)), workspace.path)
        after = answers(workspace, names) if refused else found
        wrong = _wrong(found, expected)
        mended = all(not ran.code for ran in after.values()) and not _wrong(after, expected)
        outcome = f"refused: {', '.join(refused)}" if refused else "set aside and gone on" if warned else "gone on"
        plain = all(map(is_plain, found.values()))
        if wrong or not plain or not mended:
            _note(f"!! {fault}, {place}: {wrong=} {plain=} {mended=} {_troubles(found)} {_troubles(after)}")
        told = (said or warned).replace(str(workspace.path), "workspace").removeprefix("audience: ")
        return Damage(fault=fault, place=place, outcome=outcome, same=not wrong, plain=plain, mended=mended, said=told)


def _wrong(found: dict[str, Ran], expected: dict[str, object]) -> list[str]:
    """Commands that answer, and with other numbers than they should."""
    return [name for name, ran in found.items() if not ran.code and numbers(name, ran) != expected[name]]


def _troubles(found: dict[str, Ran]) -> dict[str, tuple[int, str]]:
    return {name: (ran.code, ran.err[-900:]) for name, ran in found.items()}


def _placed(shop: Shop, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(shop.tables / word) if word.endswith((".toml", ".csv")) else word for word in words)


def measure(chosen: argparse.Namespace, keep: Callable[[Measured], None]) -> None:
    """Do all of it; ``keep`` is given what there is after every row."""
    for name in _IMPORTED:
        import_module(name)
    measured = Measured(rows=[], damages=[])
    with tempfile.TemporaryDirectory() as folder, listening() as listener:
        shop = Shop(Path(folder).resolve(), listener.url)
        for place in chosen.places:
            _note(place)
            ways: list[Callable[[], Row]] = [
                partial(interrupted, shop, place, kind, chosen.moments) for kind in ("kill", "full")
            ]
            if os.geteuid() == 0 and not chosen.no_disks:
                ways += [partial(filled, shop, place), partial(unwritable, shop, place)]
            for way in ways:
                measured.rows.append(way())
                keep(measured)
        needed = sorted({name for place in chosen.files for name in FILES[place][1]})
        with shop.copy() as workspace:
            expected = {name: numbers(name, ran) for name, ran in answers(workspace, needed).items()}
        for place in chosen.files:
            _note(place)
            for fault in ("a flipped byte", "a cut file"):
                measured.damages.append(damaged(shop, place, fault, expected))
                keep(measured)


def page(measured: Measured) -> str:
    """The page, from what was measured."""
    lines = [_HEAD, "", "## Operations that are interrupted", ""]
    lines += ["| fault | in | cases | nothing lost | the next run goes on | one sentence or none | exit codes |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in measured.rows:
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(row.codes.items()))
        counts = " | ".join(f"{count} of {row.cases}" for count in (row.kept, row.goes_on, row.plain))
        lines.append(f"| {row.fault} | {row.place} | {row.cases} | {counts} | {codes} |")
    lines += ["", "## Files that are damaged", ""]
    lines += ["| file | fault | what happens | other numbers | one sentence | mended by what it says | what is said |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for each in measured.damages:
        told = " | ".join(["no" if each.same else "YES", _yes(each.plain), _yes(each.mended)])
        lines.append(f"| {each.place} | {each.fault} | {each.outcome} | {told} | {each.said} |")
    return "\n".join([*lines, "", _TAIL]) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


_HEAD = (ROOT / "benchmarks" / "measured" / "reliability-head.md").read_text("utf-8").rstrip()
_TAIL = """\
Written by `python -m benchmarks.faults`; `--places`, `--files` and `--moments` measure a part of it again. "Cases" is
the number of steps at which an operation was killed, or found no room, spread evenly over all that it takes. Exit code
-9 is a killed process, 2 a refusal with one sentence."""


def _write(path: Path, measured: Measured) -> None:
    if path == MEASURED:
        measured = measured.over(Measured.model_validate_json(path.read_text("utf-8")))
    path.write_text(measured.model_dump_json(indent=1) + "\n", "utf-8")


def main() -> None:
    """Measure and write, or only write."""
    parser = argparse.ArgumentParser(description="Measure faults and write docs/reliability.md.")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    parser.add_argument("--places", nargs="*", default=list(OPERATIONS), help="operations")
    parser.add_argument("--files", nargs="*", default=list(FILES), help="kinds of files")
    parser.add_argument("--moments", type=int, default=MOMENTS, help="steps at which an operation is interrupted")
    parser.add_argument("--no-disks", action="store_true", help="mount no disks that fill or cannot be written")
    parser.add_argument("--out", type=Path, help="only write what was measured to this file")
    chosen = parser.parse_args()
    if not chosen.render:
        measure(chosen, lambda now: _write(chosen.out or MEASURED, now))
    if not chosen.out:
        PAGE.write_text(page(Measured.model_validate_json(MEASURED.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
