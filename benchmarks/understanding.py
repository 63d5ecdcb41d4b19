"""Measure what the assistant makes of requests in marketers' own words, nobody answering its questions.

    python -m benchmarks.understanding                      print the figures of the open requests
    python -m benchmarks.understanding --as-of 2017-09-01   on the day that choices were made on
    python -m benchmarks.understanding --recorded FILE      the requests that a language model was recorded on
    python -m benchmarks.understanding --keep               keep them in benchmarks/measured/understanding.json as well

The rules alone, the reader alone and the reader with its knowledge are measured one after the other; ``conversation.py
--render`` writes what was kept into docs/conversation.md. The workspace (AUDIENCE_WORKSPACE) says which data set it is.
Each request comes with the groups, or single items, that it means (``requests/*.jsonl``; an empty list: the data has
nothing of the kind). A demand is judged on who did any of them in the horizon after the as-of date, beside the request
scored as it stands.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.batch import Recorded, answer_file
from agent.conversation import Conversation
from benchmarks.forecasts.figures import figure
from encoders.features.counts import done_in
from encoders.metrics import auc
from encoders.reader import WholeReading
from encoders.settings import settings
from encoders.text.words import stems
from tools.service import AudienceService

REQUESTS = Path(__file__).with_name("requests")
FILES = {"completejourney": "shop", "movielens": "film"}
FEWEST = 10
"""A request counts with at least so many responders."""
WORSE = 0.01
"""So much AUC less than the typed text is worse."""
NEAR = 0.5
"""A thing that a demand names is near what was meant from this cosine of their names on."""

WAYS = ("rules", "reader", "reader and knowledge")
RECORDED = "language model (recorded)"
KEPT = Path(__file__).resolve().parent / "measured" / "understanding.json"
HEADS = (
    *("reading", "requests", "judged", "typed", "demand", "gain", "95 %", "worse by > .01"),
    *("with a demand", "something unrelated", "refused", "nothing there and said so"),
)

Truth = npt.NDArray[np.bool_]


class Asked(NamedTuple):
    """One request with what it means."""

    id: str
    kind: str
    request: str
    items: tuple[str, ...]


class Judged(NamedTuple):
    """How a demand did beside the typed text; NaN where either cannot be judged."""

    kind: str
    typed: float
    demand: float
    unrelated: bool
    answered: bool
    wanted: bool
    """The data has something of the kind."""
    refused: bool


def read_asked(files: Sequence[Path]) -> list[Asked]:
    """The requests of some files."""
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return [Asked(each["id"], each["kind"], each["request"], tuple(each["items"])) for each in lines]


def answers(service: AudienceService, asked: Sequence[Asked]) -> dict[str, Mapping[str, Any]]:
    """What ``audience ask --requests`` says to each of them, by id."""
    with TemporaryDirectory() as folder:
        requests, out = Path(folder) / "requests.jsonl", Path(folder) / "answers.jsonl"
        lines = [json.dumps({"id": each.id, "request": each.request}) for each in asked]
        requests.write_text("\n".join(lines), "utf-8")
        with closing(Conversation(service, settings(), path=Path(folder) / "talk.db")) as talk:
            answer_file(talk, requests, out)
        return {each["id"]: each for each in map(json.loads, out.read_text("utf-8").splitlines())}


class Judge:
    """Knows who then did what."""

    def __init__(self, service: AudienceService) -> None:
        """Judge by the data of ``service``, in the horizon after its as-of date."""
        self.forecaster = service.forecaster
        histories, dataset = self.forecaster.snapshot.histories, self.forecaster.dataset
        future = done_in(dataset.outcome(histories.past.as_of), histories.user_ids, len(dataset.items))
        self._future, self._here = future[histories.in_population], histories.in_population

    def responded(self, items: Sequence[str]) -> Truth:
        """Who of the population did any of some groups, or items, of the main source."""
        vocabulary, wanted = self.forecaster.snapshot.vocabulary, set(items)
        named = np.array(
            [group in wanted or text in wanted for group, text in zip(vocabulary.groups, vocabulary.texts, strict=True)]
        )
        return np.asarray(self._future[:, named & vocabulary.main_items].sum(axis=1)).ravel() > 0

    def area(self, demand: str, responded: Truth) -> float:
        """AUC of a demand."""
        return auc(self.forecaster.forecast(demand).scores[self._here], responded)

    def unrelated(self, named: Sequence[str], items: Sequence[str]) -> bool:
        """Whether anything that is named is none of the items, shares no word with any, and is near none of them."""
        if not items:
            return bool(named)
        encode = self.forecaster.encoder.encode
        meant = [self._group_too(item) for item in items]
        named = [name for name in named if not self._belongs(name, items)]
        near = encode(list(named)) @ encode(meant).T if named else np.zeros((0, 1))
        words = frozenset().union(*map(stems, meant))
        return any(
            name not in items and not stems(name) & words and row.max() < NEAR
            for name, row in zip(named, near, strict=True)
        )

    def _belongs(self, name: str, items: Sequence[str]) -> bool:
        """Whether a name is that of single items, all of which are among the items or of a group among them."""
        vocabulary, wanted = self.forecaster.snapshot.vocabulary, set(items)
        meant = self.forecaster.items_titled(name)
        return bool(len(meant)) and all(wanted & {vocabulary.texts[n], vocabulary.groups[n]} for n in meant.tolist())

    def _group_too(self, item: str) -> str:
        vocabulary = self.forecaster.snapshot.vocabulary
        if item in vocabulary.groups:
            return item
        return f"{item} {vocabulary.groups[vocabulary.texts.index(item)]}" if item in vocabulary.texts else item

    def judge(self, asked: Asked, answer: Mapping[str, Any]) -> Judged:
        """Judge one answer; one without a demand counts as a coin toss."""
        demand, refused = answer["demand"], answer["refused"] is not None
        responded = self.responded(asked.items)
        counts = bool(asked.items) and responded.sum() >= FEWEST and not refused
        typed = self.area(asked.request, responded) if counts else np.nan
        given = (self.area(demand, responded) if demand else 0.5) if counts else np.nan
        named = [phrase for part in self.forecaster.read(demand).parts for phrase in part.phrases] if demand else []
        strange = self.unrelated(named, asked.items)
        return Judged(asked.kind, typed, given, strange, demand is not None, bool(asked.items), refused)


def rows(way: str, judged: Sequence[Judged]) -> list[tuple[str, ...]]:
    """One row a kind, and one for all."""
    kinds = (*sorted({each.kind for each in judged}), "all")
    return [_row(way, kind, [each for each in judged if kind in ("all", each.kind)]) for kind in kinds]


def _row(way: str, kind: str, judged: Sequence[Judged]) -> tuple[str, ...]:
    typed, demand = (np.array([getattr(each, name) for each in judged]) for name in ("typed", "demand"))
    counted = ~np.isnan(typed)
    gain = demand[counted] - typed[counted]
    interval = figure(gain)
    said = [each for each in judged if each.answered]
    lacking = [each for each in judged if not each.wanted]
    assert interval is not None
    return (
        *(way, kind, f"{counted.sum()}", f"{typed[counted].mean():.4f}", f"{demand[counted].mean():.4f}"),
        *(f"{gain.mean():+.4f}", f"{interval.low:+.4f} to {interval.high:+.4f}", f"{np.mean(gain < -WORSE):.0%}"),
        *(f"{len(said)} of {len(judged)}", _share([each.unrelated for each in said])),
        *(f"{sum(each.refused for each in judged)}", f"{sum(not each.answered for each in lacking)} of {len(lacking)}"),
    )


def _share(values: Sequence[bool]) -> str:
    return f"{np.mean(values):.1%}" if values else "-"


class Through:
    """The service with another way of reading whole requests."""

    def __init__(self, service: AudienceService, way: str) -> None:
        """Read in one of ``WAYS``."""
        self._service, self._way = service, way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def read(self, text: str) -> WholeReading | None:
        """What a request means; None for the rules, which look at its phrases one by one."""
        if self._way == "rules":
            return None
        return self._service.reading.open().alone().read(text) if self._way == "reader" else self._service.read(text)


def recorded_answers(file: Path) -> dict[str, Mapping[str, Any]]:
    """What a language model made of each request that it was recorded on, by id."""
    lines = map(Recorded.model_validate_json, file.read_text("utf-8").splitlines())
    return {
        each.id: {"demand": each.spec.demand if each.spec else None, "refused": each.refused or None} for each in lines
    }


def measure(
    as_of: date | None, files: Sequence[Path], ways: Sequence[str], recorded: Path | None = None
) -> tuple[str, list[tuple[str, ...]]]:
    """Answer and judge every request in every way; a title, and the rows of a table. Strange names are printed."""
    with closing(AudienceService.open(settings(), as_of)) as service:
        card, day = service.forecaster.dataset.card, service.forecaster.snapshot.histories.past.as_of
        asked = read_asked(files or sorted(REQUESTS.glob(f"*_{FILES[card.name]}.jsonl")))
        told = recorded_answers(recorded) if recorded else {}
        asked = [each for each in asked if each.id in told or not recorded]
        judge = Judge(service)
        table: list[tuple[str, ...]] = [HEADS]
        for way in (*ways, *([RECORDED] if recorded else [])):
            given = told if way == RECORDED else answers(Through(service, way), asked)  # type: ignore[arg-type]
            judged = [judge.judge(each, given[each.id]) for each in asked]
            table += rows(way, judged)
            for each, one in zip(asked, judged, strict=True):
                if one.unrelated and one.answered:
                    print(f"unrelated? ({way}) {each.request} -> {given[each.id]['demand']}")  # noqa: T201 - a command
        title = f"{card.title}, as of {day}"
        return f"{title}: the requests that a language model was recorded on" if recorded else title, table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--as-of", type=date.fromisoformat, help="another day than that of the data set")
    parser.add_argument("--keep", action="store_true", help="keep the figures for docs/conversation.md")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this way of reading")
    parser.add_argument("--recorded", type=Path, help="of `audience models record`; only its requests are asked")
    parser.add_argument("files", nargs="*", type=Path, help="other files of requests")
    given = parser.parse_args()
    title, table = measure(given.as_of, given.files, given.way or WAYS, given.recorded)
    print("\n".join([title, *map(" | ".join, table)]))  # noqa: T201 - a command
    if given.keep:
        known = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
        KEPT.write_text(json.dumps(known | {title: table}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
