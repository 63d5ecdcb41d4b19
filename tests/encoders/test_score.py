import json
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import encoders.score
import encoders.train
from encoders.data.erasing import forget
from encoders.errors import DataError
from encoders.model_folder import read_config
from encoders.score import read_demands, score_file
from encoders.workspace import Workspace
from tests.planted import AS_OF, FIRST, TINY_RECIPE, world_settings
from tools.service import AudienceService

DEMANDS = {"1": "people who will buy coffee", "two": "Households that will buy baby food for the first time"}
Score = Callable[..., pl.DataFrame]


@pytest.fixture
def demands(tmp_path: Path) -> Path:
    path = tmp_path / "demands.jsonl"
    path.write_text("".join(f"{json.dumps({'id': name, 'demand': text})}\n\n" for name, text in DEMANDS.items()))
    return path


@pytest.fixture
def score(demands: Path, tmp_path: Path) -> Score:
    def score(workspace: Workspace, as_of: date | None = None) -> pl.DataFrame:
        out = tmp_path / "new folder" / "scores.parquet"
        rows = score_file(workspace, world_settings(workspace.path), as_of, demands, out)
        table = pl.read_parquet(out)
        assert len(table) == rows
        return table

    return score


def test_every_user_with_a_past_gets_a_score_for_every_demand(
    own_workspace: Workspace, service: AudienceService, score: Score
) -> None:
    table = score(own_workspace)
    assert table.columns == ["demand_id", "user_id", "score", "probability"]
    forecaster = service.forecaster
    for name, text in DEMANDS.items():
        mine, forecast = table.filter(pl.col("demand_id") == name), forecaster.forecast(text)
        assert mine["user_id"].to_list() == forecaster.snapshot.histories.user_ids
        np.testing.assert_allclose(mine["score"], forecast.scores, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(mine["probability"], forecast.probabilities, rtol=1e-3, atol=1e-5)


def test_an_older_date_gets_a_model_of_its_own(
    own_workspace: Workspace, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders.score, "train", partial(encoders.train.train, recipe=TINY_RECIPE))
    monkeypatch.setattr(encoders.train, "RANDOM_LABELS", 60)
    earlier = AS_OF - timedelta(days=20)
    later_model = own_workspace.newest_model()
    users = set(score(own_workspace, earlier)["user_id"])
    new, old = own_workspace.models()
    assert old == later_model
    assert read_config(new).as_of == earlier
    past = pl.scan_parquet(own_workspace.data / "events.parquet").filter(pl.col("time").dt.date() < earlier)
    assert users == set(past.select("user_id").collect()["user_id"])


def test_a_later_date_takes_the_model_there_is(
    own_workspace: Workspace, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(encoders.score, "train")
    assert len(score(own_workspace, AS_OF + timedelta(days=14)))
    assert len(own_workspace.models()) == 1


@pytest.mark.parametrize("as_of", [FIRST, AS_OF + timedelta(days=300)])
def test_a_date_outside_the_data_writes_nothing(own_workspace: Workspace, demands: Path, as_of: date) -> None:
    out = demands.with_name("scores.parquet")
    with pytest.raises(DataError, match="is outside the data"):
        score_file(own_workspace, world_settings(own_workspace.path), as_of, demands, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no demand"),
        ("\n \n", "holds no demand"),
        ("people who will buy tea", "line 1 is not JSON"),
        ('{"id": "1", "demand": "tea"}\n{"id": "2"', "line 2 is not JSON"),
        ('{"id": "1", "demand": "tea"}\n{"id": 1, "demand": "milk"}', "line 2: the id '1' occurs twice"),
        ('{"id": "1"}', "line 1: demand: Field required"),
        ('{"id": "", "demand": "tea"}', "line 1: id: "),
        ('{"id": "1", "demand": ""}', "line 1: demand: "),
        (json.dumps({"id": "1", "demand": "x" * 50_000}), "line 1: demand: .*2000"),
        ("[1, 2]", "line 1: the line: "),
        ("7", "line 1: the line: "),
    ],
)
def test_a_file_of_demands_that_cannot_be_used(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "demands.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=complaint) as caught:
        read_demands(path)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_of_demands(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        with pytest.raises(DataError, match="give a UTF-8 file of JSON lines"):
            read_demands(tmp_path / name)


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "demands.jsonl"
    path.write_bytes('{"id": "1", "demand": "tea\u2028or milk"}\r\n{"id": "2", "demand": "x"}\r\n'.encode())
    assert [line.demand for line in read_demands(path)] == ["tea\u2028or milk", "x"]


def test_who_is_on_the_list_of_the_erased_gets_no_score_while_they_are_still_in_the_data(
    own_workspace: Workspace, score: Score
) -> None:
    users = score(own_workspace)["user_id"].unique().sort().to_list()
    forget(own_workspace, users[:2], [])
    assert score(own_workspace)["user_id"].unique().sort().to_list() == users[2:]
