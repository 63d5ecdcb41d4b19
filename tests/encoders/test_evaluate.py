import math

import numpy as np
import pytest
from planted import SMALL_RECIPE, world_settings

from encoders.baselines import baselines
from encoders.benchmark import category_demands, observe
from encoders.errors import DataError
from encoders.evaluate import OURS, EvaluationTable, evaluate
from encoders.events import HORIZON_DAYS, Dataset
from encoders.forecast import Forecaster
from encoders.model_folder import usable_model
from encoders.text import text_encoder
from encoders.workspace import Workspace


@pytest.fixture(scope="module")
def table(world_workspace: Workspace) -> EvaluationTable:
    return evaluate(world_workspace, world_settings(world_workspace.path), recipe=SMALL_RECIPE)


def test_every_scorer_has_its_row_and_ours_is_told_only_the_sentence(table: EvaluationTable) -> None:
    names = [row.scorer for row in table.rows]
    assert names == [*(each.name for each in baselines(text_encoder("use"))), OURS]
    assert not table.rows[-1].knows_categories
    assert len(table.table()) == len(names) + 1


def test_figures_are_figures(table: EvaluationTable) -> None:
    for row in table.rows:
        assert row.auc.low <= row.auc.value <= row.auc.high
        assert 0 <= row.auc.low <= row.auc.high <= 1
        assert row.lift.value >= 0
        assert math.isnan(row.held_out_auc) or 0 <= row.held_out_auc <= 1
    assert 0 <= table.calibration_error < 0.2
    assert 0 < table.held_out_demands < table.demands


def test_in_the_planted_world_ours_beats_activity_and_profile_text(table: EvaluationTable) -> None:
    auc = {row.scorer: row.auc.value for row in table.rows}
    assert auc[OURS] > auc["activity"] + 0.05
    assert auc[OURS] > auc["profile text (MiniLM)"]


def test_the_table_survives_json(table: EvaluationTable) -> None:
    again = EvaluationTable.model_validate_json(table.model_dump_json(by_alias=True))
    assert again.table() == table.table()


def test_the_benchmark_leaves_no_model_behind_for_the_app(table: EvaluationTable, world_workspace: Workspace) -> None:
    assert table.model_version.startswith("benchmark-")
    assert all(table.model_version not in folder.name for folder in world_workspace.models())


def test_the_outcome_is_what_a_plain_count_says(world_workspace: Workspace) -> None:
    settings = world_settings(world_workspace.path)
    dataset = Dataset(world_workspace.data)
    as_of = dataset.card.default_as_of
    model = usable_model(world_workspace, settings.text_encoder, dataset.card.version, as_of)
    assert model is not None
    scene = Forecaster.open(world_workspace, settings, model, as_of).scene
    outcome = observe(dataset, scene, category_demands(dataset, 7), as_of)
    future = set(dataset.outcome(as_of, HORIZON_DAYS).select("user_id", "item_id").iter_rows())
    past = set(dataset.before(as_of).events().select("user_id", "item_id").collect().iter_rows())
    for number, demand in enumerate(outcome.demands[:4]):
        for place, row in enumerate(outcome.rows[:80]):
            user = scene.histories.user_ids[row]
            assert outcome.responded[place, number] == any((user, int(item)) in future for item in demand.items)
            assert outcome.newcomer[place, number] == (not any((user, int(item)) in past for item in demand.items))


def test_every_fifth_category_is_held_out_and_the_draw_is_seeded(world_workspace: Workspace) -> None:
    dataset = Dataset(world_workspace.data)
    held = [demand.held_out for demand in category_demands(dataset, 3)]
    assert held == [demand.held_out for demand in category_demands(dataset, 3)]
    assert held != [demand.held_out for demand in category_demands(dataset, 4)]
    assert sum(held) == math.ceil(len(held) / 5)
    items = np.concatenate([demand.items for demand in category_demands(dataset, 3)])
    assert len(items) == len(set(items.tolist()))


def test_a_horizon_that_is_not_over_is_told(world_workspace: Workspace) -> None:
    dataset = Dataset(world_workspace.data)
    with pytest.raises(DataError, match="not over in this data"):
        evaluate(world_workspace, world_settings(world_workspace.path), dataset.card.last)
