"""Test doubles: a small honest service over planted groups, and chat models that follow a script."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from difflib import SequenceMatcher
from hashlib import sha256
from itertools import combinations
from typing import Any, Literal

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from agent.state import Reply
from encoders.errors import RequestError, TooSmallError
from encoders.reader import WholeReading
from encoders.settings import Settings
from encoders.text.words import stems
from encoders.workspace import Progress, silent
from tests.agent.wire_doubles import ending
from tests.present import present
from tools.audiences.sizing import reach_goal
from tools.operation_types import CataloguePage, Goal, GoalReached, GroupCard
from tools.service import AudienceService
from tools.types import (
    AudienceSpec,
    Comparison,
    CurvePoint,
    DataCard,
    Evidence,
    Explanation,
    ExportFile,
    ExportPlan,
    FieldCard,
    GroupHit,
    Interval,
    ItemHit,
    LifeCycle,
    Overlap,
    ProfileRow,
    SavedAudience,
    SizeEstimate,
    SkewField,
    SkewReport,
    SkewRow,
    SourceCard,
    ValueCount,
)

GROUPS = {
    "baby food": ("baby food: cereal", "baby food: juices"),
    "baby care": ("baby lotion and oil", "baby powder"),
    "infant formula": ("infant formula: milk base", "baby isotonic drinks"),
    "diapers and wipes": ("baby diapers", "baby wipes"),
    "dog food": ("dry dog food", "dog biscuits"),
    "cat food": ("dry cat food", "cat treats"),
    "coffee": ("ground coffee", "instant coffee"),
    "ice cream, milk shakes and sherbet": ("premium ice cream",),
    "organic fruit and vegetables": ("organic carrots",),
    "domestic wine": ("box wines",),
    "imported wine": ("french wines",),
    "vitamins": ("multivitamins",),
    "soft drinks": ("cola",),
}
FOREIGN = {"windeln": "diapers and wipes"}
"""What a multilingual encoder knows: words of another language, and the group they are near."""

FIELDS = {
    "age": ("19-24", "25-34", "35-44", "45-54", "55-64", "65 or older"),
    "income": ("under $15,000", "$15,000-24,999", "$75,000-99,999", "$100,000-124,999", "$250,000 or more"),
    "home ownership": ("homeowner", "probable homeowner", "renter", "probable renter"),
    "marital status": ("married", "unmarried"),
    "household size": ("1 person", "2 people", "3 people", "4 people", "5 or more people"),
    "kids": ("no kids", "1 kid", "2 kids", "3 or more kids"),
}
POPULATION = 2000


COFFEE = "Households that will buy coffee in the next 28 days"


def spec(reply: Reply) -> AudienceSpec:
    """The audience that a reply shows."""
    assert reply.draft is not None, reply.text
    return reply.draft.spec


class PlantedService(AudienceService):
    """Stands in for the audience service: similarities from words, sizes from the conditions, registry in memory."""

    def __init__(self, groups: dict[str, tuple[str, ...]] | None = None) -> None:
        """Have these groups of items, and no workspace."""
        self.settings = Settings(_env_file=None)
        self.groups = groups if groups is not None else GROUPS
        self.kept: dict[str, SavedAudience] = {}
        self.files: dict[str, ExportFile] = {}
        self.saves = 0

    def describe_data(self) -> DataCard:
        fields = tuple(
            FieldCard(field=name, values=tuple(ValueCount(value=each, users=100) for each in values), unknown=900)
            for name, values in FIELDS.items()
        )
        source = SourceCard(
            source="purchases", actions=("buy",), events=90_000, users=POPULATION, items=40,
            first=date(2017, 1, 1), last=date(2017, 9, 30),
        )  # fmt: skip
        return DataCard(
            title="Planted shop", note="A test world.", unit="household", unit_plural="households",
            population=POPULATION, as_of=date(2017, 10, 1), horizon_days=28, sources=(source,), fields=fields,
            top_groups=tuple(self.groups)[4:10], model_version="m1", data_version="d1",
        )  # fmt: skip

    def read(self, text: str) -> WholeReading | None:
        """No reader: what a request means is left to the rules."""

    def spelled(self, text: str) -> str:
        """Nothing is put right."""
        return text

    def learn_to_read(self, progress: Progress = silent) -> None:
        """There is nothing to learn."""

    def close(self) -> None:
        """Nothing is open."""

    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        hits = [
            GroupHit(group=group, source="purchases", similarity=self._near(words, group), users=200, items=items)
            for group, items in self.groups.items()
        ]
        return tuple(sorted(hits, key=lambda hit: -hit.similarity)[:limit])

    def search_items(self, words: str, limit: int = 10) -> tuple[ItemHit, ...]:
        hits = [
            ItemHit(
                text=item, group=group, source="purchases", users=90, events=200,
                similarity=SequenceMatcher(None, words.lower(), item).ratio(),
            )
            for group, items in self.groups.items()
            for item in items
        ]  # fmt: skip
        return tuple(sorted(hits, key=lambda hit: -hit.similarity)[:limit])

    def browse(self, of: str = "", page: int = 0, size: int = 12, source: str = "") -> CataloguePage:
        levels = {"": ("purchases",), "purchases": tuple(self.groups), **self.groups}
        if of not in levels:
            raise RequestError(f"There is no source or group '{of}' in this data.")
        return CataloguePage(of=of, names=levels[of][page * size : (page + 1) * size], total=len(levels[of]))

    def describe_group(self, group: str, source: str = "") -> GroupCard:
        name = next((each for each in self.groups if each.lower() == group.strip().lower()), None)
        if name is None:
            raise RequestError(f"There is no group '{group}' in this data.")
        return GroupCard(
            group=name, source="purchases", action="buy", users=200, items=self.groups[name],
            item_count=len(self.groups[name]), interval_days=21.0,
        )  # fmt: skip

    def profile(self, spec: AudienceSpec, limit: int = 12) -> tuple[ProfileRow, ...]:
        row = ProfileRow(
            kind="attribute", field="kids", value="1 kid", audience_share=0.3, everyone_share=0.2, index=150.0, users=60
        )
        return (row,)

    def _near(self, words: str, group: str) -> float:
        words = words.removeprefix("people who will buy ")
        said, named = stems(words), stems(" ".join((group, *self.groups[group])))
        if any(FOREIGN.get(word) == group for word in said):
            return 0.6
        share = len(said & named) / max(len(said), 1)
        spelled = SequenceMatcher(None, words.lower(), group).ratio()
        return round(min(1.0, 0.25 * spelled + 0.75 * share if share else 0.3 * spelled), 4)

    def stated(self, spec: AudienceSpec) -> AudienceSpec:
        return spec

    def meaning(self, stage: LifeCycle) -> str:
        return f"the threshold of {stage.stage}"

    def size(self, spec: AudienceSpec) -> SizeEstimate:
        eligible = POPULATION
        for condition in spec.filters:
            fields = {each.field: {value.value for value in each.values} for each in self.describe_data().fields}
            if not set(condition.values) <= fields.get(condition.field, set()):
                raise RequestError(f"There is no {condition.field} {condition.values}.")
            eligible = eligible * len(condition.values) // len(fields[condition.field])
        for _ in spec.behaviours:
            eligible = eligible * 3 // 4
        recommended = 1.0 if "anything" in spec.demand else 0.1
        cut = recommended if spec.cut is None else spec.cut
        users = round(eligible * cut)
        chance = Interval(low=0.2, mid=0.25, high=0.3)
        responders = Interval(low=0.2 * users, mid=0.25 * users, high=0.3 * users)
        return SizeEstimate(
            demand=spec.demand, reads_as=tuple(hit.group for hit in self.search_groups(spec.demand, 2)),
            horizon_days=28, as_of=date(2017, 10, 1), population=POPULATION, eligible=eligible, cut=cut,
            recommended_cut=recommended, users=users, responders=responders, all_responders=responders,
            precision=chance, lift=3.0, histogram=(), conditions=(),
            curve=(CurvePoint(cut=cut, users=users, precision=chance, responders=responders, lift=3.0),),
            warnings=("It is below the minimum size of 50.",) if users < 50 else (),
        )  # fmt: skip

    def reach_goal(self, spec: AudienceSpec, goal: Goal) -> GoalReached:
        """As the real one, over users who are the likelier the higher they rank."""
        return reach_goal(goal, np.linspace(0.5, 0.01, self.size(spec).eligible or 0), 0.1, 50)

    def explain(self, user_id: str, spec: AudienceSpec) -> Explanation:
        if user_id != "1229":
            raise RequestError(f"There is no household '{user_id}' in this data.")
        evidence = Evidence(item="dog biscuits", source="purchases", times=4, last=date(2017, 9, 20), weight=0.8)
        return Explanation(
            user_id=user_id, probability=0.4, percentile=0.97, in_audience=True, reasons=(), evidence=(evidence,),
            text="Household 1229 is in: it bought dog biscuits 4 times.",
        )  # fmt: skip

    def skew(self, spec: AudienceSpec) -> SkewReport:
        even = SkewRow(
            value="25-34", users=400, selected=80, rate=0.2, ratio=1.0, interval=Interval(low=1, mid=1, high=1),
            verdict="even",
        )  # fmt: skip
        rows = [
            even,
            even.model_copy(
                update={
                    "value": "55-64", "selected": 20, "rate": 0.05, "ratio": 0.25, "verdict": "below",
                    "interval": Interval(low=0.2, mid=0.25, high=0.32),
                }
            ),
            SkewRow(value="65+", users=9, selected=None, rate=None, ratio=None, interval=None, verdict="few"),
        ]  # fmt: skip
        age = SkewField(field="age", rows=tuple(rows), lowest_ratio=0.25, unknown=900, unknown_selected=90)
        alike = SkewField(field="income", rows=(even,), lowest_ratio=1.0, unknown=0, unknown_selected=0)
        return SkewReport(users=232, population=POPULATION, fields=(alike, age))

    def compare(self, audiences: Sequence[AudienceSpec | str]) -> Comparison:
        named = [(each if isinstance(each, str) else each.demand, self.users_of(each)) for each in audiences]
        return Comparison(
            overlaps=tuple(
                Overlap(
                    a=a, b=b, users_a=len(one), users_b=len(other), both=len(one & other), either=len(one | other),
                    jaccard=len(one & other) / len(one | other),
                )
                for (a, one), (b, other) in combinations(named, 2)
            )
        )  # fmt: skip

    def users_of(self, audience: AudienceSpec | str) -> set[int]:
        """A hundred users a group that is named; newcomers are others. A saved audience has some of everybody."""
        if isinstance(audience, str):
            return set(range(0, POPULATION, 20))
        said = stems(audience.demand)
        whole = [place for place, group in enumerate(self.groups) if stems(group) <= said]
        named = whole or [place for place, group in enumerate(self.groups) if stems(group) & said]
        start = POPULATION if "first time" in audience.demand else 0
        return {start + 100 * place + user for place in named or [0] for user in range(100)}

    def save(
        self,
        spec: AudienceSpec,
        name: str,
        approved_by: str,
        key: str = "",
        holdout: float | None = None,
        as_version: int | None = None,
    ) -> SavedAudience:
        if key in self.kept:
            return self.kept[key]
        self.saves += 1
        size = self.size(spec)
        self.kept[key] = SavedAudience(
            id=f"a{self.saves}", name=name, version=1, spec=spec, definition=spec.demand, users=size.users,
            holdout=round(present(size.users) * (0.1 if holdout is None else holdout)),
            as_of=date(2017, 10, 1), model_version="m1", data_version="d1",
            created=datetime(2017, 10, 1, tzinfo=UTC), approved_by=approved_by,
        )  # fmt: skip
        return self.kept[key]

    def named(self, name: str) -> SavedAudience | None:
        return next((each for each in self.kept.values() if each.name.casefold() == name.casefold()), None)

    def rename(self, audience: str, name: str, approved_by: str) -> SavedAudience:
        key, found = next((key, each) for key, each in self.kept.items() if each.id == audience)
        self.kept[key] = found.model_copy(update={"name": name})
        return self.kept[key]

    def list_audiences(self, archived: bool = False) -> tuple[SavedAudience, ...]:
        return tuple(self.kept.values())

    def check_destination(self, platform: str) -> None:
        """Contacts of every kind are there."""

    def planned_export(
        self, audience: str, format: Literal["csv", "parquet"] = "csv", platform: str = ""
    ) -> ExportPlan:
        found = next(each for each in self.kept.values() if each.id == audience)
        if present(found.users) < 50:
            raise TooSmallError("This audience is below the minimum size of 50, so it is not exported.")
        held_out = present(found.holdout)
        return ExportPlan(
            audience_id=audience, version=1, rows=present(found.users) - held_out, held_out=held_out,
            columns=("user_id",),
        )  # fmt: skip

    def export(
        self, audience: str, format: Literal["csv", "parquet"] = "csv", key: str = "", platform: str = ""
    ) -> ExportFile:
        found = next(each for each in self.kept.values() if each.id == audience)
        if present(found.users) < 50:
            raise TooSmallError("This audience is below the minimum size of 50, so it is not exported.")
        rows = present(found.users) - present(found.holdout)
        path, digest = f"/tmp/{audience}.{format}", sha256(key.encode()).hexdigest()
        self.files[key] = ExportFile(
            audience_id=audience, version=1, path=path, format=format, rows=rows, held_out=found.holdout,
            columns=("user_id",), sha256=digest,
        )  # fmt: skip
        return self.files[key]


class ScriptedModel(BaseChatModel):
    """Answers with the lines of a script, one a call, and keeps what it was asked.

    A text is said, a dict is the step that ends the turn, a list are tool calls.
    """

    script: list[Any]
    _left: deque[Any] = PrivateAttr(default_factory=deque)
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any, /) -> None:
        self._left = deque(self.script)

    @property
    def asked(self) -> list[list[BaseMessage]]:
        return self._asked

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self._asked.append(list(messages))
        line = self._left.popleft() if len(self._left) > 1 else self._left[0]
        made = [ending(line)] if isinstance(line, dict) else line if isinstance(line, list) else []
        named = [
            {"name": name, "args": given, "id": f"call_{len(self._asked)}_{place}"}
            for place, (name, given) in enumerate(made)
        ]
        message = AIMessage(content=line if isinstance(line, str) else "", tool_calls=named)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "ScriptedModel":
        return self


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Run ``work(number)`` in ``count`` threads and wait for all of them."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


CARD = PlantedService().describe_data()
