"""Measure what docs/access.md and docs/reaching.md say in figures, and write it between their markers.

    python -m benchmarks.trust            the noise of counts, files that would become huge, and an erasure
    python -m benchmarks.trust --print    only print it

Responders are those of the workspace (AUDIENCE_WORKSPACE), which needs data, a model and an index; the erasure is of
one user in a copy of it.
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

import numpy as np  # noqa: E402

from encoders.data.events import Dataset  # noqa: E402
from encoders.overdispersion import Vector, responders  # noqa: E402
from encoders.settings import settings  # noqa: E402
from encoders.workspace import Workspace  # noqa: E402
from tests.tools.bombs import bombs, read_apart  # noqa: E402
from tools.access.gate import MOST_QUESTIONS  # noqa: E402
from tools.audiences.disclosure import CERTAIN, DIGITS, EDGES, ROUNDED_TO, SCALE, Protected  # noqa: E402
from tools.audiences.population import MASK_BITS  # noqa: E402
from tools.erasure.erasure import erase  # noqa: E402
from tools.service import AudienceService  # noqa: E402

QUESTIONS = 20_000
"""Different questions about as many users."""
USERS = (60, 90, 150, 500, 2_000)
MINIMUM = 50
TRIES = 500
"""Attacks on a household, half of them on one that is there."""
GROUP = 150
FEW_RESPONDERS = 20
EDITIONS = 40
"""Draws of the noise of each forecast."""
BETWEEN = r"(?<=<!-- {name} -->\n)[\s\S]*?(?=<!-- end of {name} -->)"


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


def odds() -> str:
    """What the constants of the protection come to, by arithmetic."""
    two = 1 / (1 + np.exp(-2 * (3 + 1) / SCALE))
    users, sure = 10**7, Protected(MINIMUM, b"", "").always_shown - MINIMUM
    alike = users * (users - 1) / 2 / 2.0**MASK_BITS
    exponent = int(np.floor(np.log10(alike)))
    return (
        f"The noise is discrete Laplace of scale {SCALE:.0f}, rounded to {ROUNDED_TO}; probabilities are counted in "
        f"{len(EDGES) - 1} classes, and cuts have {DIGITS} digits. One user more or less changes the odds of a count "
        f"by at most e^(1/{SCALE:.0f}), of a size with all its figures by at most e^(3/{SCALE:.0f}), with "
        f"e^(1/{SCALE:.0f}) for each of its conditions: whoever thought 50:50 that a household is in an audience, may "
        "after two sizes of one "
        f"condition each think {two:.0%}".replace("%", "")
        + f":{1 - two:.0%}".replace("%", "")
        + f". Below {MINIMUM + sure} users each count changes them by as much again, because it may be withheld. "
        "A group that has the minimum size with a household and not without it is shown "
        f"{CERTAIN * 1000:.0f} time in 1,000, which says for certain that the household is there; "
        "of as many such groups as a token may ask about in a day, at least one is in "
        f"{100 * (1 - (1 - CERTAIN) ** MOST_QUESTIONS):.0f} of 100 tries"
        + f". Masks have {MASK_BITS} bits; among {users:,} users, two share one with odds of "
        f"{alike / 10.0**exponent:.0f} in 10^{-exponent}.\n"
    )


def attack() -> str:
    """How often somebody is right who spends what a token may ask on one household.

    They know who else is in each group that they ask about, and see the noisy count of a group and the noisy classes
    of probability as such, of which the answer shows less; half of the time the household is in all of the groups.
    """
    numbers = np.arange(-400, 401)
    laplace = np.exp(-np.abs(numbers) / SCALE) * np.tanh(1 / (2 * SCALE))
    rng, users, place = np.random.default_rng(0), 500, len(numbers) // 2

    def shown(exact: int) -> dict[int, float]:
        told: dict[int, float] = {}
        for number, chance in zip(numbers, laplace, strict=True):
            answer = ROUNDED_TO * round((exact + number) / ROUNDED_TO)
            told[answer] = told.get(answer, 0.0) + float(chance)
        return told

    there, not_there = shown(users), shown(users - 1)
    lines = []
    for asked in (2, 20, MOST_QUESTIONS):
        right = 0
        for attempt in range(TRIES):
            inside = bool(rng.integers(2))
            protected = Protected(MINIMUM, attempt.to_bytes(8, "big"), "edition")
            evidence = 0.0
            for number in range(asked):
                answer = protected.count(users if inside else users - 1, str(number))
                evidence += np.log(there[answer] / not_there[answer]) if answer in there and answer in not_there else 0
                noisy = int(protected._noise(1, "classes", str(number))[0]) + inside
                evidence += np.log(laplace[place + noisy - 1] / laplace[place + noisy])
            right += (evidence > 0) == inside
        lines.append(f"{right / TRIES:.0%} after {asked}".replace("%", " %"))
    return (
        "Somebody who knows everybody else in the groups that they ask about, and sees more than is shown (the noisy "
        f"classes as such), is right about one household in {', '.join(lines[:-1])} and {lines[-1]} sizes of different "
        f"groups, of {TRIES} tries each; guessing is right in 50 %.\n"
    )


def forecasts(workspace: Workspace) -> str:
    """How far expected responders are off below admin, as a table."""
    service = AudienceService.open(settings().model_copy(update={"workspace": workspace.path}))
    card, rng = service.describe_data(), np.random.default_rng(0)
    rows: dict[str, list[tuple[float, bool]]] = {}

    def look(name: str, chances: Vector, spread: float, question: str) -> None:
        chances = np.sort(chances)[::-1]
        exact = float(chances.sum())
        for edition in range(EDITIONS):
            protected = Protected(MINIMUM, b"benchmark", str(edition))
            ranked = protected.ranked(chances, protected.count(len(chances), question), question)
            if len(ranked):
                low, mid, high = responders(ranked, protected.spread(spread, ranked))
                rows.setdefault(name, []).append((abs(mid - exact) / exact, low <= exact <= high))

    wording = service.forecaster.dataset.card.wordings.get(card.main_source, "do {items}")
    for group in card.top_groups:
        what = wording.format(items=group)
        found = service.forecaster.forecast(f"{card.unit_plural.capitalize()} that will {what} in the next 28 days")
        everyone = found.probabilities[service._population.active]
        look(f"all {card.unit_plural}", everyone, found.spread, group)
        for number in range(5):
            some = rng.choice(everyone, GROUP, replace=False)
            name = "at least" if some.sum() >= FEW_RESPONDERS else "fewer than"
            look(f"{GROUP} of them, {name} {FEW_RESPONDERS} expected", some, found.spread, f"{group} {number}")
        rare = np.sort(everyone)[:GROUP] if everyone.sum() else everyone
        look(f"the {GROUP} least likely", rare, found.spread, f"{group} rare")
    service.close()
    lines = [
        "| who | forecasts | median error of the responders | 9 of 10 within | the interval has the exact forecast |"
    ]
    lines.append("|---|---|---|---|---|")
    for name, each in rows.items():
        off = np.array([error for error, _ in each])
        held = np.mean([within for _, within in each])
        median, most = (f"{value:.0%}".replace("%", " %") for value in (np.median(off), np.quantile(off, 0.9)))
        lines.append(
            f"| {name} | {len(each):,} | {median} | {most} | {held:.0%} |".replace("%", " %").replace("  %", " %")
        )
    return "\n".join([*lines, ""])


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
    pattern = BETWEEN.format(name=name)
    if not re.search(pattern, before):
        raise SystemExit(f"{page} has no markers for '{name}'.")
    page.write_text(re.sub(pattern, lambda _: text, before), "utf-8")


def main() -> None:
    """Measure, print, and write unless told not to."""
    parser = argparse.ArgumentParser(description="Measure figures about access and erasures.")
    parser.add_argument("--print", action="store_true", help="write nothing")
    chosen = parser.parse_args()
    workspace = Workspace(settings().workspace)
    measured = {
        ("access.md", "odds of counts"): odds(),
        ("access.md", "attack on counts"): attack(),
        ("access.md", "errors of responders"): forecasts(workspace),
        ("access.md", "errors of counts"): errors(),
        ("access.md", "memory of tables"): memory(),
        ("reaching.md", "time of an erasure"): erasure(workspace),
    }
    for (page, name), text in measured.items():
        sys.stdout.write(f"{page}, {name}:\n{text}\n")
        if not chosen.print:
            write(ROOT / "docs" / page, name, text)


if __name__ == "__main__":
    main()
