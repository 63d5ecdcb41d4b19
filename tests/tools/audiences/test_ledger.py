"""The ledger of forecasts over the planted world, whose truth is known: by its events alone, without a model."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.data.events import Dataset
from encoders.errors import RequestError
from encoders.text.demand import read_demand
from tests.planted import AS_OF, DAYS, FIRST, MINIMUM, World, replace_events
from tests.present import present
from tools.audiences.changes import shown_audience
from tools.audiences.disclosure import Disclosure, Protected
from tools.audiences.ledger import ForecastLedger, kind_of
from tools.audiences.meaning import meaning_of
from tools.audiences.outcomes import Outcomes, needs_model
from tools.operation_types import Kind
from tools.storage.holdouts import NO_CONTROL
from tools.storage.kept_counts import Counted, KeptCounts
from tools.storage.registry import Registry
from tools.types import AudienceSpec, Behaviour, Filter, Interval, LifeCycle, SavedAudience

COFFEE = "Households that will buy coffee in the next 28 days"
EVERYONE = [f"h{number:03}" for number in range(400)]
END = FIRST + timedelta(days=DAYS)
"""The first day that the data does not reach."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with closing(Registry(tmp_path / "registry.db")) as opened:
        yield opened


Save = Callable[..., SavedAudience]


@pytest.fixture
def save(registry: Registry, world: World) -> Save:
    """Saves an audience with a forecast of one's own, and what its demand means by the rules of the world."""

    def saving(
        name: str,
        forecast: tuple[float, float, float] | None,
        demand: str = COFFEE,
        as_of: date = AS_OF,
        members: list[str] = EVERYONE,
        by: str = "Ada",
        group: str = "coffee",
    ) -> SavedAudience:
        interval = forecast and Interval(low=forecast[0], mid=forecast[1], high=forecast[2])
        saved = registry.save_version(
            name, spec=AudienceSpec(demand=demand), definition=demand, members=members, holdout_share=0.1,
            as_of=as_of, model_version="m", data_version="d", approved_by=by, forecast=interval or None,
        )  # fmt: skip
        if group:
            items = items_of(world.dataset, group)
            meaning = meaning_of(read_demand(demand), [items], world.dataset)
            KeptCounts(registry.database).keep_meaning((saved.id, saved.version), meaning.model_dump_json())
        return saved

    return saving


def items_of(dataset: Dataset, group: str) -> np.ndarray:
    found = dataset.items.filter((pl.col("group") == group) & (pl.col("source") == "purchases"))
    return found["item_id"].to_numpy().astype(np.int64)


def ledger_of(registry: Registry, dataset: Dataset, disclosure: Disclosure | None = None) -> ForecastLedger:
    how = disclosure or Disclosure(MINIMUM)
    outcomes = Outcomes(registry, dataset, how, lambda ids: (sorted(ids), {}), needs_model, NO_CONTROL)
    return ForecastLedger(registry, dataset, how, outcomes, lambda saved: shown_audience(saved, how))


def test_a_forecast_is_kept_or_missed_by_what_the_events_say(registry: Registry, world: World, save: Save) -> None:
    did = len(world.did("coffee"))
    save("right", (did - 1, did, did + 1), by="Ada")
    save("too high", (did + 1, did + 10, did + 20), by="Bo")
    save("too low", (0, did / 2, did - 1), by="Bo")
    page = ledger_of(registry, world.dataset).page()
    found = {each.name: each for each in page.forecasts}
    assert {name: each.status for name, each in found.items()} == {
        "right": "kept",
        "too high": "missed",
        "too low": "missed",
    }
    assert {each.responders for each in page.forecasts} == {did}
    assert (found["right"].ratio, found["too low"].ratio) == (1.0, 2.0)
    assert (page.overall.counted, page.overall.kept, page.overall.ratio) == (3, 1, 1.0)
    within = present(page.overall.share)
    assert within.mid == pytest.approx(1 / 3)
    assert (within.low, within.high) == pytest.approx((0.0615, 0.7923), abs=1e-4), "Wilson's, of 1 in 3"
    people = {each.value: (each.kept, each.counted) for each in page.groups if each.by == "approved_by"}
    assert people == {"Ada": (1, 1), "Bo": (0, 2)}
    assert [(each.value, each.counted) for each in page.groups if each.by == "month"] == [("2024-06", 3)]
    assert page.level == 0.8


def test_the_lift_is_over_everyone_who_was_active_then(registry: Registry, world: World, save: Save) -> None:
    drinkers = sorted(world.habits["coffee"])
    save("drinkers", (0, 1, 400), members=drinkers)
    [found] = ledger_of(registry, world.dataset).page().forecasts
    did, active = world.did("coffee"), set(world.dataset.before(AS_OF).population)
    rate = len(did & set(drinkers)) / len(drinkers)
    assert found.lift == pytest.approx(rate / (len(did & active) / len(active)))
    assert present(found.lift) > 1.5


def test_what_is_not_over_yet_is_open(registry: Registry, world: World, save: Save) -> None:
    last = END - timedelta(days=28)
    save("over today", (0, 1, 400), as_of=last)
    save("open", (0, 1, 400), as_of=last + timedelta(days=1))
    save("a quarter", (0, 1, 400), demand="Households that will buy coffee in the next 90 days")
    page = ledger_of(registry, world.dataset).page()
    found = {each.name: each for each in page.forecasts}
    assert {name: each.status for name, each in found.items()} == {
        "over today": "kept",
        "open": "open",
        "a quarter": "open",
    }
    assert (found["open"].until, found["open"].responders) == (END + timedelta(days=1), None)
    assert found["a quarter"].until == AS_OF + timedelta(days=90)
    assert found["open"].note == f"The data ends on {END - timedelta(days=1)}."
    assert (page.overall.open, page.overall.counted) == (2, 1)
    assert [each.name for each in page.forecasts] == ["open", "a quarter", "over today"], "the latest day first"


def test_what_cannot_be_told_says_why(registry: Registry, world: World, save: Save, tmp_path: Path) -> None:
    save("strangers", (0, 1, 400), members=[f"x{number}" for number in range(50)])
    save("some gone", (0, 1, 400), members=[*EVERYONE[:300], *(f"x{number}" for number in range(30))])
    save("without a forecast", None)
    save("unread", (0, 1, 400), group="")
    save("nothing", (0, 1, 400), demand="Households that will buy anything else", group="telescope")
    registry.save_version(
        "combined", spec=None, definition="'a' or 'b'", members=EVERYONE, holdout_share=0.1, as_of=AS_OF,
        model_version="m", data_version="d", approved_by="Ada",
    )  # fmt: skip
    notes = {each.name: (each.status, each.note) for each in ledger_of(registry, world.dataset).page().forecasts}
    assert notes.pop("strangers") == ("not counted", "None of its users is in this data.")
    assert notes.pop("some gone")[1].startswith("30 of its users are not in this data any more")
    assert notes.pop("without a forecast") == ("not counted", "No forecast was kept when it was saved.")
    assert "'audience ledger --with-model' counts it" in notes.pop("unread")[1]
    assert notes.pop("combined")[1].startswith("It was combined from others")
    assert notes.pop("nothing")[0] == "kept"
    quiet = pl.read_parquet(world.folder / "events.parquet").filter(
        (pl.col("source") != "purchases") | (pl.col("time") < AS_OF)
    )
    later = replace_events(world.folder, tmp_path / "quiet", quiet)
    later.card.version = "quiet"
    found = {each.name: each for each in ledger_of(registry, later).page().forecasts}
    assert found["some gone"].status == "not counted"
    assert found["some gone"].note.startswith("The data has no events of that kind")


def test_what_was_counted_is_kept_until_the_data_moves(
    registry: Registry, world: World, save: Save, tmp_path: Path
) -> None:
    saved = save("coffee", (0, 1, 400))
    did = len(world.did("coffee"))
    first, kept = ledger_of(registry, world.dataset).page(), KeptCounts(registry.database)
    found = kept.counted(world.dataset.card.version)[saved.id, 1]
    assert (found.members, found.responders) == (400, did)
    changed = Counted(400, found.gone, did - 7, found.population, found.population_responders, found.events)
    kept.keep((saved.id, 1), world.dataset.card.version, changed)
    assert ledger_of(registry, world.dataset).page().forecasts[0].responders == did - 7, "nothing was counted again"
    fewer = pl.read_parquet(world.folder / "events.parquet").filter(pl.col("user_id") != min(world.did("coffee")))
    later = replace_events(world.folder, tmp_path / "later", fewer)
    later.card.version = "later"
    again = ledger_of(registry, later).page()
    assert (again.forecasts[0].responders, again.data_version) == (did - 1, "later")
    assert first.forecasts[0].responders == did
    assert kept.counted(world.dataset.card.version) == {}, "what other data said is not kept"


def test_an_audience_that_lost_a_user_is_counted_again(registry: Registry, world: World, save: Save) -> None:
    saved = save("coffee", (0, 1, 400))
    kept, version = KeptCounts(registry.database), world.dataset.card.version
    kept.keep((saved.id, 1), version, Counted(399, 0, 1, 400, 1, 1))
    assert kept.counted(version) == {}
    assert ledger_of(registry, world.dataset).page().forecasts[0].responders == len(world.did("coffee"))


def test_every_version_is_a_forecast_and_pages_give_each_once(registry: Registry, world: World, save: Save) -> None:
    for number in range(3):
        save("coffee", (0, 1, 400), as_of=AS_OF - timedelta(days=28 * number))
    save("tea", (0, 1, 400), group="tea")
    ledger, seen, cursor = ledger_of(registry, world.dataset), [], ""
    while True:
        page = ledger.page(2, cursor)
        seen += [(each.name, each.version) for each in page.forecasts]
        assert page.overall.counted == 4, "the summary is of all pages"
        if not (cursor := page.next_cursor):
            break
    assert seen == [("coffee", 1), ("tea", 1), ("coffee", 2), ("coffee", 3)]
    with pytest.raises(RequestError, match="There is no such page"):
        ledger.page(2, "aud-none 1")


def test_what_was_deleted_leaves_the_ledger_which_says_so(registry: Registry, world: World, save: Save) -> None:
    save("coffee", (0, 1, 2))
    save("tea", (0, 1, 400), group="tea")
    assert ledger_of(registry, world.dataset).page().deleted == 0
    registry.delete("coffee", "Ada")
    page = ledger_of(registry, world.dataset).page()
    assert ([each.name for each in page.forecasts], page.deleted, page.overall.counted) == (["tea"], 1, 1)
    assert len(KeptCounts(registry.database).counted(world.dataset.card.version)) == 1


def test_below_admin_counts_have_noise_and_few_are_withheld(registry: Registry, world: World, save: Save) -> None:
    save("coffee", (0, 200, 400))
    save("few", (0, 2, 400), members=EVERYONE[:25], group="wine")
    save("tiny", (0, 2, 5), members=EVERYONE[:10])
    protected = Protected(MINIMUM, bytes(32), "edition")
    page = ledger_of(registry, world.dataset, protected).page()
    found = {each.name: each for each in page.forecasts}
    assert present(found["coffee"].responders) % 5 == 0
    assert present(found["coffee"].users) % 5 == 0
    assert present(found["coffee"].lift) == round(present(found["coffee"].lift), 2)
    for name in ("few", "tiny"):
        each = found[name]
        assert (each.status, each.responders, each.lift, each.ratio) == ("withheld", None, None, None), name
    assert found["tiny"].forecast is None
    assert ledger_of(registry, world.dataset, protected).page() == page, "asking again draws no other noise"
    assert page.overall.counted == 1


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (None, "combination"),
        (AudienceSpec(demand=COFFEE), "one thing"),
        (AudienceSpec(demand="Households that will buy both coffee and tea in the next 28 days"), "several things"),
        (AudienceSpec(demand="Households that will buy coffee but not tea in the next 28 days"), "several things"),
        (AudienceSpec(demand="Households that will buy coffee for the first time in the next 28 days"), "first time"),
        (
            AudienceSpec(
                demand="Households that will buy anything in the next 28 days",
                filters=(Filter(field="age", values=("25-34",)),),
            ),
            "attributes",
        ),
        (AudienceSpec(demand=COFFEE, behaviours=(Behaviour(what="tea", days=30),)), "history"),
        (AudienceSpec(demand=COFFEE, life_cycle=(LifeCycle(stage="lapsed"),)), "history"),
        (AudienceSpec(demand=COFFEE, life_cycle=(LifeCycle(stage="high spending"),)), "spending"),
        (AudienceSpec(demand=COFFEE, behaviours=(Behaviour(did=True, what="tea", amount=9.0),)), "spending"),
        (AudienceSpec(demand=COFFEE, like="regulars"), "known users"),
    ],
)
def test_the_kind_of_a_demand_is_what_is_hardest_about_it(spec: AudienceSpec | None, kind: Kind) -> None:
    assert kind_of(spec, "households") == kind


@given(chosen=st.sets(st.integers(0, 10_000)))
def test_what_a_demand_meant_is_found_again_by_its_names(world: World, chosen: set[int]) -> None:
    dataset = world.dataset
    items = np.array(sorted({each % dataset.items.height for each in chosen}), np.int64)
    demand = read_demand("Households that will not buy coffee in the next 9 days")
    read, [found] = meaning_of(demand, [items], dataset).in_data(dataset)
    assert found.tolist() == items.tolist()
    assert (read.horizon_days, read.first_time) == (9, False)
    assert [part.negated for part in read.parts] == [part.negated for part in demand.parts]


def test_what_came_into_a_group_since_belongs_to_what_was_meant(world: World, tmp_path: Path) -> None:
    dataset = world.dataset
    meaning = meaning_of(read_demand(COFFEE), [items_of(dataset, "coffee")], dataset)
    [part] = meaning.parts
    assert (part.groups, part.items, part.sources) == ((("purchases", "coffee"),), (), ())
    events = pl.read_parquet(world.folder / "events.parquet")
    later = replace_events(world.folder, tmp_path / "later", events)
    new = dataset.items.head(1).with_columns(
        text=pl.lit("iced coffee"), group=pl.lit("coffee"), source=pl.lit("purchases")
    )
    items = pl.concat([new, dataset.items]).with_columns(item_id=pl.int_range(pl.len(), dtype=pl.UInt32))
    items.write_parquet(later.folder / "items.parquet")
    _, [found] = meaning.in_data(Dataset(later.folder))
    assert sorted(items["text"].gather(found)) == sorted(
        ["iced coffee", *dataset.items["text"].gather(items_of(dataset, "coffee"))]
    )
