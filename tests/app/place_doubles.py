"""What the places Data and Settings stand on: imagined data, and real tokens, webhooks, destinations and glossary."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tools.access.issuing import IssuedTokens
from tools.audiences.data_report import DataReport, RowsLeftOut, SourceReport
from tools.audiences.knowledge import Knowledge, KnowledgeEntry, KnowledgePage, ThingMeant
from tools.audiences.quality import Measured, ModelFigures
from tools.delivery.destinations import Destinations
from tools.delivery.outbox import Outbox
from tools.operation_types import CataloguePage, GroupCard
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import GroupHit

HOSTILE = "<img src=x onerror=alert(1)> & baby"
AS_OF = date(2017, 10, 1)
GROUPS = ("milk", "baby food", HOSTILE, *(f"group {number}" for number in range(60)))
COUPONS = ("baby food", "diapers")
ALONG = tuple(
    KnowledgeEntry(name=name, trade="shop", kind="occasion", says=(name.lower(),), things=("beef", "buns"))
    for name in ("Barbecue", "Picnic", *(f"Feast {number}" for number in range(30)))
)

REPORT = DataReport(
    first=date(2017, 1, 1),
    last=date(2017, 12, 31),
    days=365,
    as_of=AS_OF,
    rows=1000,
    events=960,
    returns=0,
    left_out=40,
    reasons=(RowsLeftOut(source="purchases", reason=HOSTILE, rows=40),),
    users=2469,
    users_listed=2469,
    users_joined=2400,
    events_not_joined=12,
    population=2317,
    week=date(2016, 12, 26),
    sources=(
        SourceReport(
            source="purchases", events=950, users=2400, first=date(2017, 1, 1), last=date(2017, 12, 31),
            weeks=(*(number % 7 for number in range(52)), 20),
        ),
        SourceReport(
            source=HOSTILE, events=None, users=None, first=date(2017, 2, 1), last=date(2017, 3, 1), weeks=(),
        ),
    ),
)  # fmt: skip

MODEL = ModelFigures(
    model_version="m1",
    data_name="shop",
    data_version="d1",
    text_encoder="use",
    as_of=AS_OF,
    horizon_days=28,
    seed=7,
    users=2433,
    windows=(date(2017, 9, 3), date(2017, 8, 6)),
    measured=(
        Measured(kind="all", demands=566, error=0.0028, close=0.78, coverage=0.8),
        Measured(kind="two things at once", demands=200, coverage=0.83),
    ),
)


class PlantedKnowledge(Knowledge):
    """A glossary that is written, over data that has everything but hovercraft."""

    def __init__(self, workspace: Workspace, changed: list[str]) -> None:
        self.workspace, self.changed = workspace, changed

        class Nothing:
            learning = None

            def renew(self) -> None:
                """Nothing is read with it."""

        def note(action: str, details: object) -> None:
            changed.append(action)

        super().__init__(workspace, Nothing(), True, note, lambda: None)  # type: ignore[arg-type]

    def search(self, words: str = "", start: int = 0, limit: int = 20) -> KnowledgePage:
        found = [each for each in ALONG if words.lower() in each.name.lower()]
        return KnowledgePage(entries=tuple(found[start : start + limit]), total=len(found))

    def meant(self, things: Sequence[str]) -> tuple[ThingMeant, ...] | None:
        return tuple(
            ThingMeant(thing=each, groups=() if each == "hovercraft" else (f"{each} of the data",)) for each in things
        )


class PlacesService(AudienceService):
    """The part of the audience service that these two places ask."""

    exports: Path

    def prepare(self) -> None:
        self.changed: list[str] = []
        self.folder = self.exports.parent
        self.registry = Registry(self.folder / "places.db")

    def data_report(self) -> DataReport:
        return REPORT

    def model_figures(self) -> ModelFigures:
        return MODEL

    def browse(self, of: str = "", page: int = 0, size: int = 12, source: str = "") -> CataloguePage:
        names = {"": ("purchases", "coupons"), "purchases": GROUPS, "coupons": COUPONS}.get(of, ())
        return CataloguePage(of=of, names=names[page * size : (page + 1) * size], total=len(names))

    def describe_group(self, group: str, source: str = "") -> GroupCard:
        if group not in (*GROUPS, *COUPONS):
            raise RequestError(f"There is no group '{group[:60]}' in this data.")
        coupons = source == "coupons"
        return GroupCard(
            group=group,
            source=source or "purchases",
            action="redeem" if coupons else "buy",
            users=None if coupons else 700,
            items=(f"{group}, strained", HOSTILE),
            item_count=12,
            interval_days=None if coupons else 9.0,
        )

    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        if "unicorn" in words:
            return ()
        return (GroupHit(group="baby food", source="purchases", similarity=0.9, users=700, items=("Baby food",)),)

    @property
    def knowledge(self) -> Knowledge:
        return PlantedKnowledge(Workspace(self.folder), self.changed)

    @property
    def tokens(self) -> IssuedTokens:
        return IssuedTokens(self.folder / "tokens.db", lambda action, details: self.changed.append(action))

    @property
    def webhooks(self) -> Outbox:
        return Outbox(self.registry.database, True)

    @property
    def destinations(self) -> Destinations:
        return Destinations(self.registry.database, True)
