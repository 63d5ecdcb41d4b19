"""How often the guard is right, on the labelled conversations of ``guard.jsonl``.

A case is the turns of one conversation (or a whole audience, ``spec``) and what the guard should say to the last of
them. Lists and classifier were improved while looking at the half called "tune" only; "report" was held back, and
``guard_fresh.jsonl``, where it is there, was written after the classifier was frozen. Ids that begin with "p2" to "p4",
or are fresh, are of people who had not seen the lists. Those with "p3" and "p4" measured a classifier while they were
fresh: "p3" the first, and all of them are learned from since; "p4" the second, and all of them are held back. So are
those with "p5": every fifth, by a hash, of the texts whose others are learned from as "te" in ``guard_pairs.jsonl``.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Literal

from scipy.stats import binomtest

from agent.guard.verdict import JudgedTalk, Refusal, check_spec, check_turn, read_ahead
from encoders.records import Record
from tools.types import AudienceSpec

Half = Literal["tune", "report", "fresh"]

_SEED = "guard-1"
_SPENT, _UNSEEN = "p3", ("p4", "p5")
"""How ids begin of cases that were looked at, so that none can be held back, and of those that are held back, all."""
_CONFIDENCE = 0.95


class Case(Record):
    """One labelled conversation."""

    id: str
    turns: tuple[str, ...]
    spec: AudienceSpec | None = None
    label: Literal["allowed", "refused", "borderline"]
    expected: Literal["allow", "refuse"] | None = None
    """Borderline cases only: what the guard should do, which others may see differently."""
    category: str | None
    """The restricted attribute it is about; None where it is about none."""
    language: str
    kind: str

    @cached_property
    def half(self) -> Half:
        """Which half it belongs to: two in five are held back, by a hash that nobody chose, but for two whole parts."""
        if self.id.startswith((_SPENT, *_UNSEEN)):
            return "report" if self.id.startswith(_UNSEEN) else "tune"
        return "report" if int(sha256(f"{_SEED}:{self.id}".encode()).hexdigest(), 16) % 5 < 2 else "tune"

    @property
    def sensitive(self) -> bool:
        """Whether it should be declined."""
        return self.label == "refused" or self.expected == "refuse"


class FreshCase(Case):
    """A case that nobody has trained on or looked at before the classifier was frozen."""

    @cached_property
    def half(self) -> Half:
        """None of the two: its own part."""
        return "fresh"


class Verdict(Record):
    """What the guard said to a case; ``key`` is empty where it said nothing."""

    case: Case
    key: str
    reason: str

    @property
    def right(self) -> bool:
        """Whether that is what the case asks for, whatever the reason given."""
        return bool(self.key) == self.case.sensitive


class Rate(Record):
    """``right`` of ``of`` cases, with the 95 % interval of Wilson; nothing but the counts where there are none."""

    right: int
    of: int
    share: float | None
    low: float | None
    high: float | None


class RateRow(Record):
    """How right the guard is on one group of cases."""

    group: str
    cases: int
    precision: Rate
    """Declined cases that should be; nothing for a group in which none should."""
    recall: Rate
    """Cases that should be declined, and were."""
    passed: Rate
    """Cases that may be asked for, and were let pass."""


class RateTable(Record):
    """The rows of one way to group the cases."""

    by: str
    rows: tuple[RateRow, ...]


class Mistake(Record):
    """A case the guard got wrong, in the words of the case."""

    id: str
    half: Half
    label: str
    said: str
    text: str


class GuardReport(Record):
    """Everything ``python -m benchmarks.evaluate --guard`` says; borderline cases count in ``borderline`` alone."""

    cases: int
    tables: tuple[RateTable, ...]
    borderline: Rate
    mistakes: tuple[Mistake, ...]


def read_cases() -> tuple[Case, ...]:
    """The labelled set that comes with the program, without what is fresh."""
    return tuple(Case.model_validate_json(line) for line in lines_of("guard.jsonl"))


def read_fresh() -> tuple[FreshCase, ...]:
    """The fresh cases; none where there is no such file."""
    return tuple(FreshCase.model_validate_json(line) for line in lines_of("guard_fresh.jsonl"))


def read_pairs() -> tuple[Case, ...]:
    """Requests to learn from alone, by other writers: most have one word in an innocent and in a sensitive request."""
    return tuple(Case.model_validate_json(line) for line in lines_of("guard_pairs.jsonl"))


def lines_of(name: str) -> list[str]:
    """The cases of a file, one a line; none where there is no such file."""
    file = files("benchmarks.conversations").joinpath(name)
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()] if file.is_file() else []


def judge(case: Case) -> Verdict:
    """Play a case through the guard; turns that are declined on the way are forgotten, as in a conversation."""
    refusal: Refusal | None = check_spec(case.spec) if case.spec else None
    talk = JudgedTalk()
    for turn in case.turns:
        refusal = check_turn(turn, talk)
        talk = talk if refusal else talk.after(turn)
    return Verdict(case=case, key=refusal.key if refusal else "", reason=refusal.reason if refusal else "")


def evaluate_guard(cases: Sequence[Case] | None = None) -> GuardReport:
    """Judge every case and count; those that come with the program where none are given."""
    cases = (*read_cases(), *read_fresh()) if cases is None else cases
    read_ahead(text for case in cases for text in _texts(case))
    verdicts = [judge(case) for case in cases]
    clear = [each for each in verdicts if each.case.label != "borderline"]
    borderline = [each for each in verdicts if each.case.label == "borderline"]
    tables = [
        RateTable(by="half", rows=(_row("all", clear), *_grouped(clear, lambda each: each.case.half))),
        RateTable(by="category", rows=_by_category(clear)),
        RateTable(by="language", rows=_grouped(clear, lambda each: each.case.language)),
        RateTable(by="kind", rows=_grouped(clear, lambda each: each.case.kind)),
    ]
    if fresh := [each for each in clear if each.case.half == "fresh"]:
        tables.append(RateTable(by="fresh", rows=_grouped(fresh, lambda each: each.case.kind)))
    return GuardReport(
        cases=len(verdicts),
        tables=tuple(tables),
        borderline=_rate(each.right for each in borderline),
        mistakes=tuple(_mistake(each) for each in verdicts if not each.right),
    )


def _texts(case: Case) -> Iterable[str]:
    """What is judged on the way."""
    return (*case.turns, *(f"{one}. {other}" for one, other in zip(case.turns, case.turns[1:], strict=False)))


def _grouped(verdicts: Sequence[Verdict], name: Callable[[Verdict], str]) -> tuple[RateRow, ...]:
    groups = sorted({name(each) for each in verdicts})
    return tuple(_row(group, [each for each in verdicts if name(each) == group]) for group in groups)


def _row(group: str, verdicts: Sequence[Verdict]) -> RateRow:
    sensitive = [each for each in verdicts if each.case.sensitive]
    return RateRow(
        group=group,
        cases=len(verdicts),
        precision=_rate(each.case.sensitive for each in verdicts if each.key and sensitive),
        recall=_rate(bool(each.key) for each in sensitive),
        passed=_rate(not each.key for each in verdicts if not each.case.sensitive),
    )


def _by_category(verdicts: Sequence[Verdict]) -> tuple[RateRow, ...]:
    """Precision by the reason the guard gave, which has to be the right one; recall by the case's own category."""
    rows = []
    for key in sorted({each.case.category for each in verdicts if each.case.category}):
        mine = [each for each in verdicts if each.case.category == key]
        precision = _rate(each.case.category == key for each in verdicts if each.key == key)
        recall = _rate(bool(each.key) for each in mine)
        rows.append(RateRow(group=key, cases=len(mine), precision=precision, recall=recall, passed=_rate(())))
    return tuple(rows)


def _rate(outcomes: Iterable[bool]) -> Rate:
    listed = list(outcomes)
    if not listed:
        return Rate(right=0, of=0, share=None, low=None, high=None)
    right = sum(listed)
    interval = binomtest(right, len(listed)).proportion_ci(_CONFIDENCE, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Rate(right=right, of=len(listed), share=right / len(listed), low=low, high=high)


def _mistake(verdict: Verdict) -> Mistake:
    case = verdict.case
    text = " / ".join(case.turns) or (case.spec.demand if case.spec else "")
    label = f"{case.label}, {case.expected}" if case.expected else case.label
    return Mistake(id=case.id, half=case.half, label=label, said=verdict.reason or "allowed", text=text)
