"""The wall between past and future: no later event can change a score, or anything else that is shown."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from encoders.data.events import ITEM_SCHEMA, Dataset
from encoders.model.users import read_snapshot, read_vocabulary
from encoders.model_folder import read_config
from encoders.predictor import Forecaster
from encoders.train import train
from encoders.workspace import Workspace
from tests.planted import AS_OF, SMALL_RECIPE, USERS, World, replace_events, world_settings
from tools.service import AudienceService
from tools.types import AudienceSpec, Behaviour, Filter

DATES = [AS_OF, AS_OF + timedelta(days=9), AS_OF + timedelta(days=25)]
SPEC = AudienceSpec(
    demand="Households that will buy baby food for the first time in the next 28 days",
    filters=(Filter(field="region", op="is not", values=("north",)),),
    behaviours=(Behaviour(what="wine", days=30),),
)
PLAIN = AudienceSpec(demand="people who will buy dog food or cat treats but not beer", cut=0.2)


@dataclass(frozen=True)
class Later:
    """Something that happens ``hours`` after the as-of date began."""

    user: int
    hours: int
    item: int


LATER = st.builds(Later, st.integers(0, USERS + 5), st.integers(0, 24 * 40), st.integers(0, 60))


def rewritten(world: World, as_of: date, added: list[Later], dropped: float, shift: int, target: Path) -> Dataset:
    """The world with another future: some of it left out, the rest with other items, and something new."""
    wall = datetime.combine(as_of, datetime.min.time())
    events = pl.read_parquet(world.folder / "events.parquet")
    past, future = events.filter(pl.col("time") < wall), events.filter(pl.col("time") >= wall)
    kept = future.head(round(len(future) * (1 - dropped)))
    changed = kept.with_columns(
        item_id=((pl.col("item_id") + shift) % len(world.dataset.items)).cast(pl.UInt32),
        user_id=pl.col("user_id").shift(shift).fill_null("h100"),
        value=-pl.col("value"),
    )
    new = pl.DataFrame(
        [(f"h{each.user:03}", wall + timedelta(hours=each.hours), each.item) for each in added],
        schema={"user_id": pl.String, "time": pl.Datetime("us"), "item_id": pl.UInt32},
        orient="row",
    ).with_columns(source=pl.lit("purchases"), action=pl.lit("buy"), value=pl.lit(1.0))
    return replace_events(world.folder, target, pl.concat([past, changed, new.select(past.columns)]))


@pytest.fixture(scope="module")
def asked(
    service: AudienceService, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Dataset, date], list[object]]:
    """Everything the service says about a data set as of a date, with the masks of one workspace."""
    workspace = Workspace(tmp_path_factory.mktemp("asked"))

    def ask(dataset: Dataset, as_of: date) -> list[object]:
        known = service.forecaster
        snapshot = read_snapshot(dataset.before(as_of), known.snapshot.vocabulary, known.encoder)
        forecaster = Forecaster(known.model, snapshot, known.encoder)
        asked = AudienceService(service.settings, workspace, forecaster)
        forecast = forecaster.forecast(SPEC.demand)
        answers: list[object] = [
            snapshot.histories.user_ids,
            forecaster.user_vectors.tolist(),
            forecast.scores.tolist(),
            forecast.probabilities.tolist(),
            forecast.items.tolist(),
            [forecaster.reasons(forecast, row) for row in range(0, len(snapshot.histories.user_ids), 40)],
            asked.describe_data(),
            asked.search_items("milk"),
            asked.search_groups("something for the baby"),
        ]
        for spec in (SPEC, PLAIN):
            answers += [asked.size(spec), asked.preview(spec), asked.profile(spec)]
        asked.close()
        return answers

    return ask


@pytest.fixture(scope="module")
def truth(world: World, asked: Callable[[Dataset, date], list[object]]) -> dict[date, list[object]]:
    return {as_of: asked(world.dataset, as_of) for as_of in DATES}


@settings(max_examples=10, phases=[Phase.generate])
@given(
    st.sampled_from(DATES),
    st.lists(LATER, max_size=30),
    st.floats(0, 1),
    st.integers(0, 40),
)
def test_no_later_event_can_change_an_answer(
    world: World,
    asked: Callable[[Dataset, date], list[object]],
    truth: dict[date, list[object]],
    tmp_path_factory: pytest.TempPathFactory,
    as_of: date,
    added: list[Later],
    dropped: float,
    shift: int,
) -> None:
    dataset = rewritten(world, as_of, added, dropped, shift, tmp_path_factory.mktemp("rewritten"))
    assert asked(dataset, as_of) == truth[as_of]


def test_an_earlier_event_does(
    world: World, asked: Callable[[Dataset, date], list[object]], truth: dict[date, list[object]], tmp_path: Path
) -> None:
    """The same comparison would notice a single event of the evening before."""
    events = pl.read_parquet(world.folder / "events.parquet")
    evening = datetime.combine(AS_OF, datetime.min.time()) - timedelta(minutes=1)
    one = events.tail(1).with_columns(time=pl.lit(evening), user_id=pl.lit("h100"))
    assert asked(replace_events(world.folder, tmp_path, pl.concat([events, one])), AS_OF) != truth[AS_OF]


def test_a_thing_that_comes_up_later_is_not_known_of(world: World, service: AudienceService, tmp_path: Path) -> None:
    """An item first done on the as-of date takes no weight from those there were, and is not found."""
    events = pl.read_parquet(world.folder / "events.parquet")
    items = world.dataset.items
    new = pl.DataFrame(
        [
            (len(items), "purchases", "premium dog food", "dog food"),
            (len(items) + 1, "purchases", "dog toy", "dog toys"),
        ],
        schema=ITEM_SCHEMA,
        orient="row",
    )
    wall = datetime.combine(AS_OF, datetime.min.time())
    bought = events.tail(2).with_columns(time=pl.lit(wall), item_id=new["item_id"])
    dataset = replace_events(world.folder, tmp_path / "data", pl.concat([events, bought]))
    pl.concat([items, new]).write_parquet(tmp_path / "data" / "items.parquet")

    told = service.forecaster
    known = Forecaster(told.model, told.snapshot, told.encoder)
    vocabulary = read_vocabulary(dataset, known.encoder, Workspace(tmp_path))
    changed = Forecaster(known.model, read_snapshot(dataset.before(AS_OF), vocabulary, known.encoder), known.encoder)
    for demand in (SPEC.demand, PLAIN.demand, "premium dog food", "dog toys"):
        before, after = known.forecast(demand), changed.forecast(demand)
        np.testing.assert_allclose(after.scores, before.scores, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(after.probabilities, before.probabilities, rtol=1e-3, atol=1e-5)
        assert after.items.tolist() == before.items.tolist()
    asked = AudienceService(service.settings, Workspace(tmp_path), changed)
    assert [hit.text for hit in asked.search_items("dog toy")] == [hit.text for hit in service.search_items("dog toy")]
    assert [hit.group for hit in asked.search_groups("dog toys", 50)] == [
        hit.group for hit in service.search_groups("dog toys", 50)
    ]
    assert asked.describe_data().top_groups == service.describe_data().top_groups
    asked.close()


def test_training_reads_nothing_later(world: World, world_workspace: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    events = pl.read_parquet(world.folder / "events.parquet")
    wall = datetime.combine(AS_OF, datetime.min.time())
    replace_events(world.folder, workspace.data, events.filter(pl.col("time") < wall))
    shutil.copytree(world_workspace.path / "cache", workspace.path / "cache")
    model = train(workspace, world_settings(workspace.path), recipe=SMALL_RECIPE)
    expected = world_workspace.newest_model()
    assert read_config(model) == read_config(expected)
    weights, known = load_file(model / "model.safetensors"), load_file(expected / "model.safetensors")
    assert weights.keys() == known.keys()
    assert all(np.array_equal(weights[name], known[name]) for name in known)
