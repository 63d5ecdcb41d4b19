"""The page of what the product costs holds the figures that were measured; what is measured is what is said."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import cost, cost_report
from encoders.model.dual import encode_parts
from encoders.predictor import Forecaster
from encoders.text.demand import read_demand
from tests.planted import AS_OF, TINY_RECIPE, World
from tools.service import AudienceService

SENTENCE = "people who will buy coffee"


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    return service.forecaster


def test_the_page_holds_what_was_measured() -> None:
    measured = cost_report.Cost.model_validate_json(cost.MEASURED.read_text("utf-8"))
    assert cost_report.page(measured) == cost.PAGE.read_text("utf-8"), "run: python -m benchmarks.cost --render"
    assert [scoring.users for scoring in measured.scorings] == list(cost.SIZES)


def test_everything_is_measured_once(world: World, tmp_path: Path) -> None:
    """In small; no figure of time is looked at but that there is one."""
    measured = cost.measure(world.folder, tmp_path, AS_OF, SENTENCE, (300, 700), 1, 3, TINY_RECIPE)
    assert measured.training.seconds > 0
    everyone = world.dataset.before(AS_OF).events().collect()["user_id"].n_unique()
    assert [way.users for way in measured.encodings] == [everyone, everyone, 3, 3]
    assert [scoring.users for scoring in measured.scorings] == [300, 700]
    assert measured.scorings[1].user_bytes > 2 * measured.scorings[0].user_bytes
    again = world.dataset.outcome(AS_OF, 1)["user_id"].n_unique()
    assert 0 < measured.incremental.encoded_again == again < measured.incremental.users
    page = cost_report.page(measured)
    assert f"{again:,} of {measured.incremental.users:,} users encoded again" in page
    assert f"| 700 | {measured.scorings[1].seconds:.4f} |" in page


@torch.no_grad()
def test_a_crowd_scores_as_its_users_do(forecaster: Forecaster) -> None:
    """Everybody twice, in another order: the same means and spreads, so the same scores."""
    snapshot, model = forecaster.snapshot, forecaster.model.encoder
    rows = np.random.default_rng(1).permutation(np.repeat(np.arange(len(snapshot.histories.user_ids)), 2))
    parts, _ = encode_parts(forecaster.encoder, [read_demand(SENTENCE)], [0])
    near = model.nearness(model.match.place(snapshot.vocabulary), parts)
    vectors = torch.from_numpy(forecaster.user_vectors)
    expected = model.score(snapshot, parts, near, vectors)[rows]
    scores = model.score(cost.crowd(snapshot, rows), parts, near, vectors[rows])
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)


def test_a_pass_reads_every_array_once(forecaster: Forecaster) -> None:
    snapshot = forecaster.snapshot
    of_users, others = cost.read_by_scoring(snapshot, torch.from_numpy(forecaster.user_vectors))
    addresses = [array.ctypes.data for array in (*of_users, *others)]
    assert len(set(addresses)) == len(addresses)
    entries = snapshot.counted().logged.nnz
    assert sum(array.shape == (entries,) for array in of_users) == 1 + 7, "columns, four counts, and three more"


def test_a_profile_text_names_what_a_user_did_most(forecaster: Forecaster, world: World) -> None:
    snapshot = forecaster.snapshot
    (text,) = cost.profile_texts(snapshot, np.array([40]))
    events = world.dataset.before(AS_OF).events().collect()
    mine = events.filter(events["user_id"] == snapshot.histories.user_ids[40])
    days = mine.select("item_id", mine["time"].dt.date()).unique()["item_id"].value_counts(sort=True)
    assert text.split(", ")[0].endswith(f" x {days['count'][0]}")
    assert len(text.split(", ")) == min(len(days), cost.PROFILE_ITEMS)
