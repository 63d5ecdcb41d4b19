"""The demo as a whole: what one command leaves behind."""

from contextlib import closing
from datetime import date

import numpy as np
import pytest

from agent.cli import data
from encoders.data.events import Dataset
from encoders.settings import Settings, settings
from encoders.workspace import Workspace
from tools.service import AudienceService
from tools.types import AudienceSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the demo is trained first

FIRST_ALONE = {
    "Leute, die Windeln kaufen": "baby diapers",
    "hogares que comprarán cerveza": "beer and ale",
    "购买尿布的人": "baby diapers",
}
"""Demands in words that only the first of the two text encoders knows, and what they mean."""
AS_OF = date(2017, 10, 1)
BABY = AudienceSpec(demand="Households that will buy baby food or diapers in the next 28 days")


def test_the_demo_answers_the_story(demo_workspace: Workspace) -> None:
    chosen = Settings(workspace=demo_workspace.path, _env_file=None)
    service = AudienceService.open(chosen)
    card = service.describe_data()
    assert card.as_of == AS_OF
    assert all(source.last < AS_OF for source in card.sources)
    estimate = service.size(BABY)
    assert any("baby" in group or "diaper" in group for group in estimate.reads_as)
    assert estimate.users is not None
    assert estimate.eligible is not None
    assert estimate.lift is not None
    assert 50 <= estimate.users < 0.3 * estimate.eligible
    assert estimate.lift > 3
    assert len(service.preview(BABY)) == 5
    assert service.profile(BABY)[0].index > 150
    service.close()


def test_then_october_comes(demo_workspace: Workspace) -> None:
    """The best tenth of an audience responds far more often than the rest, in weeks nobody had seen."""
    chosen = Settings(workspace=demo_workspace.path, _env_file=None)
    service = AudienceService.open(chosen)
    dataset = Dataset(demo_workspace.data)
    items = set(service.forecaster.forecast(BABY.demand).items.tolist())
    future = dataset.outcome(AS_OF)
    then = set(future.filter(future["item_id"].is_in(list(items)))["user_id"])
    population = dataset.before(AS_OF).population
    forecast = service.forecaster.forecast(BABY.demand)
    rows = service.forecaster.snapshot.histories.row_of
    ranked = sorted(population, key=lambda user: -forecast.scores[rows[user]])
    top = ranked[: len(ranked) // 10]
    assert sum(user in then for user in top) / len(top) > 3 * sum(user in then for user in population) / len(population)
    service.close()


def test_a_demand_in_another_language_is_read_by_the_encoder_that_knows_it(demo_workspace: Workspace) -> None:
    service = AudienceService.open(Settings(workspace=demo_workspace.path, _env_file=None))
    forecaster = service.forecaster
    for sentence, group in FIRST_ALONE.items():
        forecast = forecaster.forecast(sentence)
        assert forecaster.encode(forecast.demand, 0).gain > 1
        assert service.size(AudienceSpec(demand=sentence)).reads_as[0] == group
        english = forecaster.forecast(f"households that will buy {group}")
        assert np.corrcoef(forecast.scores, english.scores)[0, 1] > 0.8
    assert forecaster.encode(forecaster.forecast(BABY.demand).demand, 0).gain == 1
    service.close()


@pytest.mark.parametrize(
    ("sentence", "topics"),
    [
        ("who will buy coffee and tea", {"coffee", "tea"}),
        ("bread or milk", {"packaged bread, buns and rolls", "fresh bakery bread", "milk"}),
        ("string cheese", {"packaged cheese: string cheese"}),
        ("households that will get a rotisserie chicken", {"deli chicken: rotisserie chicken"}),
    ],
)
def test_the_size_is_that_of_what_is_named(demo_workspace: Workspace, sentence: str, topics: set[str]) -> None:
    """Of a sort of a group that goes by its own name, and of everything where several things are named."""
    with closing(AudienceService.open(Settings(workspace=demo_workspace.path, _env_file=None))) as service:
        forecaster, dataset = service.forecaster, Dataset(demo_workspace.data)
        vocabulary = forecaster.snapshot.vocabulary
        named = [
            item
            for item, (text, group) in enumerate(zip(vocabulary.texts, vocabulary.groups, strict=True))
            if {text, group} & topics and vocabulary.source_of[item] == 0
        ]
        future = dataset.outcome(AS_OF)
        came = future.filter(future["item_id"].is_in(named) & future["user_id"].is_in(dataset.before(AS_OF).population))
        expected = forecaster.forecast(sentence).probabilities[forecaster.snapshot.histories.in_population].sum()
        assert named
        assert 0.5 < expected / came["user_id"].n_unique() < 2


@pytest.mark.usefixtures("reader_of_the_demo")
def test_a_second_demo_makes_nothing_again(demo_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> dict[str, int]:
        readers = (demo_workspace.path / "cache").glob("reader-*")
        files = [*demo_workspace.data.iterdir(), *demo_workspace.models_folder.glob("*/*"), *readers]
        return {str(path): path.stat().st_mtime_ns for path in files}

    before = state()
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(demo_workspace.path))
    settings.cache_clear()
    data.demo(as_json=True)
    settings.cache_clear()
    assert state() == before
