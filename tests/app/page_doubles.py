"""A conversation and a service with fixed answers, so that the page can be tried without data or a model."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event
from typing import Literal

from agent.conversation import Conversation
from agent.models.usage import Usage
from agent.page.state import AppState
from agent.state import AudienceDraft, Clarification, Join, Pending, Reply, Thing
from encoders.errors import NotThereError, RequestError, TooSmallError
from encoders.workspace import Progress, silent
from tests.app.place_doubles import HOSTILE as HOSTILE
from tests.app.place_doubles import PlacesService
from tests.present import present
from tools.access.callers import Caller
from tools.audiences.catalogue import Learning
from tools.audiences.ledger import LEVEL, ForecastLedger, score
from tools.delivery.destinations import platforms
from tools.delivery.uses import Uses
from tools.library_types import AudienceUses, DeletedAudience
from tools.operation_types import ForecastRecord, LedgerPage, Standing
from tools.types import (
    AudienceSpec,
    Behaviour,
    Comparison,
    CurvePoint,
    DataCard,
    Dropped,
    Evidence,
    ExportFile,
    Interval,
    Overlap,
    ProfileRow,
    SampleUser,
    SavedAudience,
    SizeEstimate,
    SkewField,
    SkewReport,
    SkewRow,
)

POPULATION = 2317
AS_OF = date(2017, 10, 1)
COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
TEA = COFFEE.model_copy(update={"demand": "Households that will buy tea in the next 28 days"})
DEMAND = "Households that will buy baby food or diapers for the first time in the next 28 days"


def interval(mid: float, spread: float = 0.18) -> Interval:
    return Interval(low=mid * (1 - spread), mid=mid, high=mid * (1 + spread))


def point(cut: float, eligible: int) -> CurvePoint:
    """A smooth curve: about 6 % of everyone respond, the best of them eight times as often."""
    users = max(1, round(cut * eligible))
    precision = 0.5 * (1 - cut) ** 6 + 0.0604
    return CurvePoint(
        cut=cut,
        users=users,
        precision=interval(precision),
        responders=interval(precision * users),
        lift=precision / 0.0604,
    )


class PlantedLedger(ForecastLedger):
    """A ledger of forecasts that were written down."""

    def __init__(self, records: Sequence[ForecastRecord]) -> None:
        self.records = tuple(records)

    def page(self, limit: int = 100, cursor: str = "", progress: Progress = silent) -> LedgerPage:
        return LedgerPage(
            level=LEVEL,
            data_version="d1",
            data_ends=date(2017, 12, 31),
            overall=score("all", "", self.records),
            groups=(),
            deleted=0,
            forecasts=self.records,
            next_cursor="",
        )


def record(name: str, status: Standing, responders: int | None = None, id: str = "a1") -> ForecastRecord:
    """A forecast of 62 to 89 responders, and what became of it."""
    return ForecastRecord(
        audience_id=id,
        name=name,
        version=2,
        definition=DEMAND,
        approved_by="Ada",
        kind="one thing",
        as_of=AS_OF,
        until=date(2017, 10, 29),
        users=232,
        forecast=Interval(low=62, mid=76, high=89),
        status=status,
        responders=responders,
        lift=None,
        ratio=responders and responders / 76,
        uplift=None,
        note="",
    )


class NoUses(Uses):
    """Nothing is in use anywhere."""

    def __init__(self) -> None:
        """Look nothing up."""

    def of(self, audience: str) -> AudienceUses:
        return AudienceUses(uses=(), files=())


class Service(PlacesService):
    """The audience service over an imagined population."""

    learning: Learning | None = None

    def __init__(self, exports: Path) -> None:
        """Keep its files in ``exports``, and have no workspace."""
        self.exports = exports
        self.kept: list[SavedAudience] = []
        self.records: list[ForecastRecord] = []
        self.closed = False
        self.brought: list[str] = []
        self.prepare()

    def describe_data(self) -> DataCard:
        return DataCard(
            title="A year of purchases of 2,469 households",
            note="The data is simulated from the patterns of a real grocery chain; no real person is in it.",
            unit="household",
            unit_plural="households",
            population=POPULATION,
            as_of=AS_OF,
            horizon_days=28,
            sources=(),
            fields=(),
            top_groups=("milk", "soft drinks", "baby food", "diapers", "frozen pizza", "cheese"),
            model_version="m1",
            data_version="d1",
        )

    def delete_conversation(self, thread: str) -> None:
        raise NotThereError(f"There is no conversation '{thread[:60]}'.")

    def saved(self, audience: str, version: int | None = None) -> SavedAudience:
        for one in self.kept:
            if audience in (one.id, one.name):
                return one
        raise NotThereError(f"There is no saved audience '{audience}'; nothing is saved yet.")

    def stated(self, spec: AudienceSpec) -> AudienceSpec:
        return spec

    def size(self, spec: AudienceSpec) -> SizeEstimate:
        eligible = POPULATION - 412 * len(spec.behaviours) - 300 * len(spec.filters)
        cut = 0.1 if spec.cut is None else spec.cut
        here = point(cut, eligible)
        everyone = point(1.0, eligible)
        warnings = ("Below 50 households the members are not shown.",) if here.users < 50 else ()
        return SizeEstimate(
            demand=spec.demand,
            reads_as=("baby food", "diapers", HOSTILE),
            horizon_days=28,
            as_of=AS_OF,
            population=POPULATION,
            eligible=eligible,
            cut=cut,
            recommended_cut=0.1,
            users=here.users,
            responders=here.responders,
            all_responders=everyone.responders,
            precision=here.precision,
            lift=here.lift,
            curve=tuple(point(step / 40, eligible) for step in range(1, 41)),
            histogram=(),
            conditions=tuple(
                Dropped(condition=f"did not {one.what}", kept=POPULATION - 412, dropped=412) for one in spec.behaviours
            ),
            warnings=warnings,
        )

    def preview(self, spec: AudienceSpec, count: int = 5) -> tuple[SampleUser, ...]:
        self._guard(spec)
        facts = (
            Evidence(
                item="Baby food, strained, stage 1", source="purchases", times=4, last=date(2017, 9, 24), weight=0.5
            ),
            Evidence(item=HOSTILE, source="redeemed coupons", times=1, last=date(2017, 9, 2), weight=0.3),
        )
        return tuple(
            SampleUser(
                masked_id=f"household ••{number}7",
                probability=0.61 - number / 20,
                evidence=facts,
                why="Bought baby food four times since July.",
            )
            for number in range(count)
        )

    def profile(self, spec: AudienceSpec, limit: int = 12) -> tuple[ProfileRow, ...]:
        self._guard(spec)
        rows: tuple[tuple[Literal["behaviour", "attribute"], str, str, float, float, float], ...] = (
            ("behaviour", "did in the last 91 days", "Baby food", 0.41, 0.06, 683),
            ("behaviour", "did in the last 91 days", HOSTILE, 0.3, 0.1, 300),
            ("attribute", "age", "25-34", 0.29, 0.13, 223),
            ("attribute", "household size", "3", 0.22, 0.12, 183),
            ("attribute", "age", "65+", 0.03, 0.1, 31),
        )
        return tuple(
            ProfileRow(kind=k, field=f, value=v, audience_share=a, everyone_share=e, index=i, users=round(a * 232))
            for k, f, v, a, e, i in rows[:limit]
        )

    def skew(self, spec: AudienceSpec) -> SkewReport:
        self._guard(spec)
        even = SkewRow(
            value="25-34", users=400, selected=80, rate=0.2, ratio=1.0, interval=Interval(low=1, mid=1, high=1),
            verdict="even",
        )  # fmt: skip
        rows = [
            even,
            even.model_copy(
                update={
                    "value": HOSTILE, "selected": 20, "rate": 0.05, "ratio": 0.25, "verdict": "below",
                    "interval": Interval(low=0.2, mid=0.25, high=0.32),
                }
            ),
            SkewRow(value="65+", users=9, selected=None, rate=None, ratio=None, interval=None, verdict="few"),
        ]  # fmt: skip
        age = SkewField(field="age", rows=tuple(rows), lowest_ratio=0.25, unknown=900, unknown_selected=90)
        alike = SkewField(field="income", rows=(even,), lowest_ratio=1.0, unknown=0, unknown_selected=0)
        return SkewReport(users=232, population=POPULATION, fields=(alike, age))

    def compare(self, audiences: Sequence[AudienceSpec | str]) -> Comparison:
        this, *names = audiences
        assert isinstance(this, AudienceSpec)
        users = self.size(this).users
        return Comparison(
            overlaps=tuple(
                Overlap(a="this audience", b=str(name), users_a=users, users_b=232, both=90, either=300, jaccard=0.3)
                for name in names
            )
        )

    def keep_upload(self, path: Path) -> str:
        if path.suffix == ".txt":
            raise RequestError("That file names nobody; bring another.")
        self.brought.append(path.read_text("utf-8"))
        return f"0123456789ab{path.suffix}"

    def list_audiences(self, archived: bool = False) -> tuple[SavedAudience, ...]:
        return tuple(self.kept)

    def all_uses(self) -> Uses:
        return NoUses()

    def deleted(self) -> tuple[DeletedAudience, ...]:
        return ()

    @property
    def ledger(self) -> ForecastLedger:
        return PlantedLedger(self.records)

    def of(self, caller: Caller) -> Service:
        return self

    def served_platforms(self) -> tuple[str, ...]:
        return tuple(platforms())

    def exported(self, name: str) -> Path:
        if not (self.exports / name).is_file():
            raise NotThereError(f"There is no exported file '{name}'.")
        return self.exports / name

    def close(self) -> None:
        self.registry.close()
        self.closed = True

    def _guard(self, spec: AudienceSpec) -> None:
        if present(self.size(spec).users) < 50:
            raise TooSmallError("Fewer than 50 households: too few to show who they are. Widen the cut.")


class ScriptedConversation(Conversation):
    """A scripted agent: one question, then one sentence; knows the few follow-ups the tests play."""

    talking = "built-in assistant (no language model)"

    service: Service

    def __init__(self, service: Service) -> None:
        """Talk about what ``service`` has; nothing is kept in a file."""
        self.service = service
        self.replies: dict[str, Reply] = {}
        self.go_on = Event()

    def say(self, thread_id: str, text: str, progress: Callable[[str], None] = lambda line: None) -> Reply:
        progress("Looking for what was said")
        words = text.strip().lower()
        now = self.replies.get(thread_id)
        if not words:
            raise RequestError("Say whom you want to reach, for example: people for our new baby line.")
        if "break" in words:
            raise ZeroDivisionError("a bug")
        if "slowly" in words:
            self.go_on.wait(60)
        if "unicorn" in words:
            raise RequestError("Nothing in this data is near 'unicorn'; try baby food, diapers or milk.")
        if now is None:
            return self._keep(thread_id, self._ask())
        if now.draft is None:
            draft = AudienceDraft(
                request=text,
                spec=AudienceSpec(demand=DEMAND),
                assumptions=("'First time' means not in the last 12 weeks.",),
                days=28,
                things=(
                    Thing(name="baby food", because="New parents"),
                    Thing(name=HOSTILE, because="New parents"),
                    Thing(name="diapers"),
                ),
            )
            return self._keep(thread_id, self._show(draft, f"Here is whom I would reach:\n\n**{DEMAND}.**"))
        spec = now.draft.spec
        if words.startswith("how did"):
            return self._keep(thread_id, self._show(now.draft, "57 of 90 responded."))
        if words.startswith("change:"):
            return self._keep(thread_id, self._show(now.draft, "In the last 12 or 24 weeks?"))
        if words.startswith("exclude"):
            out = Behaviour(what="buy baby food", days=28)
            return self.edit(thread_id, spec.model_copy(update={"behaviours": (out,)}))
        action: Literal["save", "export"] = "export" if "export" in words else "save"
        name = text.split('"')[1] if '"' in text else "Baby line"
        pending = Pending(
            action=action,
            text=f"Shall I {action} **{name}** with {now.size.users if now.size else 0} households?",
            key="k1",
            arguments={"name": name},
        )
        return self._keep(
            thread_id,
            self._show(now.draft, pending.text).model_copy(update={"pending": pending, "options": ("Yes", "No")}),
        )

    def edit(self, thread_id: str, spec: AudienceSpec) -> Reply:
        now = self.current(thread_id)
        draft = now.draft or AudienceDraft(request="", spec=spec)
        return self._keep(thread_id, self._show(draft.model_copy(update={"spec": spec}), "Updated."))

    def keep(self, thread_id: str, names: Sequence[str], join: Join | None = None) -> Reply:
        now = self.replies[thread_id]
        assert now.draft is not None
        if not names:
            return self._keep(thread_id, self._show(now.draft, "One thing has to stay."))
        things = tuple(each.model_copy(update={"struck": each.name not in names}) for each in now.draft.things)
        joint = " as well as " if join == "all" else " or "
        spec = now.draft.spec.model_copy(update={"demand": f"Households that will buy {joint.join(names)}"})
        return self._keep(
            thread_id,
            self._show(
                now.draft.model_copy(update={"spec": spec, "things": things, "join": join or now.draft.join}),
                "Changed.",
            ),
        )

    def decide(self, thread_id: str, approved: bool) -> Reply:
        now = self.current(thread_id)
        if now.draft is None:
            return now
        assert now.pending is not None
        assert now.size is not None
        if not approved:
            return self._keep(thread_id, self._show(now.draft, "Left as it was."))
        if now.pending.action == "export":
            file = self._write(present(now.size.users))
            return self._keep(thread_id, self._show(now.draft, "Exported.").model_copy(update={"file": file}))
        saved = SavedAudience(
            id="a1",
            name=now.pending.arguments["name"],
            version=1,
            spec=now.draft.spec,
            definition=now.draft.spec.demand,
            users=now.size.users,
            holdout=round(present(now.size.users) / 10),
            as_of=AS_OF,
            model_version="m1",
            data_version="d1",
            created=datetime(2017, 10, 1, tzinfo=UTC),
            approved_by="page",
        )
        self.service.kept.append(saved)
        return self._keep(thread_id, self._show(now.draft.model_copy(update={"saved": saved}), "Saved."))

    def current(self, thread_id: str) -> Reply:
        hello = Reply(text="Hello.", options=("I want to reach people for our new baby line",), talking=self.talking)
        return self.replies.get(thread_id, hello)

    def usage(self) -> tuple[Usage, int]:
        return Usage(calls=3, input_tokens=1200, output_tokens=80), 2

    def close(self) -> None:
        self.go_on.set()

    def _ask(self) -> Reply:
        question = Clarification(
            topic="meaning",
            question="Whom do you mean?",
            options=("Families who start buying baby food", "Families who stock up on diapers"),
        )
        return Reply(text=question.question, options=question.options, question=question, talking=self.talking)

    def _show(self, draft: AudienceDraft, text: str) -> Reply:
        return Reply(
            text=text,
            options=("Broader", "Narrower", "Exclude those who bought it in the last 28 days"),
            draft=draft,
            size=self.service.size(draft.spec),
            talking=self.talking,
        )

    def _keep(self, thread_id: str, reply: Reply) -> Reply:
        self.replies[thread_id] = reply
        return reply

    def _write(self, users: int) -> ExportFile:
        self.service.exports.mkdir(parents=True, exist_ok=True)
        path = self.service.exports / "baby-line-v1.csv"
        held = round(users / 10)
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["user_id"], *([f"h{number}"] for number in range(users - held))])
        return ExportFile(
            audience_id="a1",
            version=1,
            path=str(path),
            format="csv",
            rows=users - held,
            held_out=held,
            columns=("user_id",),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )


@dataclass(frozen=True)
class PlantedDesk(AppState):
    """A desk with the doubles behind it."""

    conversation: ScriptedConversation
    service: Service


def make_desk(exports: Path) -> PlantedDesk:
    """A desk whose files are in ``exports``."""
    service = Service(exports)
    return PlantedDesk(ScriptedConversation(service), service)
