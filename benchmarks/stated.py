"""How well conditions are read from people's English: python -m benchmarks.stated FILE.jsonl ...

A file has one utterance a line: "text", "language", "past" (each a condition with "did", "what", "days", "ago",
"times", "amount", and "life" for a stage of the life cycle), "excluded" (things that must not be done or have been
done) and "ahead_days". Needs a prepared workspace, whose data the words are read against; --films names a second one
for the utterances about films.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from encoders.settings import Settings
from tools.sentences.sentence import StatedConditions, take_conditions
from tools.service import AudienceService
from tools.types import ANYTHING, Behaviour, DataCard, LifeCycle

_FILMS = re.compile(
    r"film|movie|viewer|watch|western|romance|drama|comed|musical|horror|flick|cinema|romcom|rated|genre", re.I
)
_LIFE = {
    "lapsed": {"lapsed"}, "loyal": {"loyal"}, "new": {"new"}, "spend": {"high spending", "low spending"},
    "lapsing": {"lapsing"}, "heavy": {"heavy", "regular"}, "inactive": {"inactive"}, "due": {"due again"},
}  # fmt: skip
_FIELDS = ("days", "ago", "times", "amount")


def main() -> None:
    """Print precision and recall."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--films", type=Path, help="a workspace with films")
    parser.add_argument("--wrong", action="store_true", help="also what was read wrongly")
    given = parser.parse_args()
    shop = _card(Settings())
    films = _card(Settings(workspace=given.films)) if given.films else shop
    told, counts = [], {"past": [0, 0, 0], "ahead": [0, 0, 0]}
    for line in _lines(given.files):
        stated, _ = take_conditions(line["text"], films if _FILMS.search(line["text"]) else shop)
        for name, (right, found, there) in _judged(line, stated).items():
            counts[name] = [a + b for a, b in zip(counts[name], (right, found, there), strict=True)]
            if given.wrong and not right == found == there:
                told.append(f"{name}: {line['text']}\n    {_told(stated)}")
    for name, (right, found, there) in counts.items():
        shares = f"precision {right / max(found, 1):.3f}, recall {right / max(there, 1):.3f}"
        told.append(f"{name}: {shares} ({found} read, {there} there, {right} right)")
    print("\n".join(told))  # noqa: T201 - a command


def _card(settings: Settings) -> DataCard:
    service = AudienceService.open(settings)
    try:
        return service.describe_data()
    finally:
        service.close()


def _lines(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            utterance = json.loads(line)
            if utterance["language"] == "en":
                yield utterance


def _judged(line: dict[str, Any], stated: StatedConditions) -> dict[str, tuple[int, int, int]]:
    """Per kind: read and right, read, and there. What is left out of the things wanted may be read as not done."""
    left_out = {_plain(each) for each in line["excluded"]}
    found = [
        each
        for each in (*stated.behaviours, *stated.life_cycle)
        if not (isinstance(each, Behaviour) and not each.did and _plain(each.what) in left_out)
    ]
    right = sum(any(_same(wanted, each) for each in found) for wanted in line["past"])
    ahead, read = line["ahead_days"], stated.ahead_days
    return {
        "past": (right, len(found), len(line["past"])),
        "ahead": (int(read is not None and read == ahead), int(read is not None), int(ahead is not None)),
    }


def _same(wanted: dict[str, Any], found: BaseModel) -> bool:
    what = _plain(wanted.get("what") or ANYTHING)
    if life := wanted.get("life"):
        return isinstance(found, LifeCycle) and found.stage in _LIFE[life] and _plain(found.what) == what
    if not isinstance(found, Behaviour) or found.did != wanted["did"] or _plain(found.what) != what:
        return False
    return all((getattr(found, field) or None) == (wanted.get(field) or None) for field in _FIELDS)


def _plain(words: str) -> str:
    return " ".join(words.lower().split())


def _told(stated: StatedConditions) -> str:
    conditions = (*stated.behaviours, *stated.life_cycle)
    return f"{[each.model_dump(exclude_defaults=True) for each in conditions]}, ahead {stated.ahead_days}"


if __name__ == "__main__":
    main()
