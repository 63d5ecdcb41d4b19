from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import encoders.train
from benchmarks.forecasts.demands import category_demands
from benchmarks.forecasts.study import Study, train_variant, withheld_items
from encoders.data.events import HORIZON_DAYS, Dataset
from encoders.model.users import read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.labels import Label, LabelWriter, read_examples
from encoders.workspace import Workspace
from tests.benchmarks.forecasts.benchmark_doubles import study_of
from tests.planted import AS_OF, TINY_RECIPE, replace_events, world_settings


def test_every_window_had_ended_by_the_as_of_date_latest_first(study: Study) -> None:
    starts = [example.snapshot.histories.past.as_of for example in study.examples]
    assert len(starts) == 2
    assert starts == sorted(starts, reverse=True)
    assert all(start + timedelta(days=HORIZON_DAYS) <= AS_OF for start in starts)


def test_later_events_are_in_no_part_of_a_study(data: Dataset, study: Study, tmp_path: Path) -> None:
    today = datetime.combine(AS_OF, datetime.min.time())
    events = pl.read_parquet(data.folder / "events.parquet")
    kept = events.filter((pl.col("time") < today) | (pl.col("user_id") > "h300"))
    assert len(kept) < len(events)
    again = study_of(replace_events(data.folder, tmp_path / "other" / "data", kept))
    np.testing.assert_array_equal(
        again.snapshot.histories.counts[0].toarray(), study.snapshot.histories.counts[0].toarray()
    )
    for one, other in zip(again.examples, study.examples, strict=True):
        np.testing.assert_array_equal(one.done.toarray(), other.done.toarray())


def test_no_label_of_a_benchmark_model_names_a_held_out_item(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: set[int] = set()

    class Watched(LabelWriter):
        def write(self, *arguments: object) -> list[Label]:
            return self._noted(super().write(*arguments))  # type: ignore[arg-type]

        def groups(self) -> list[Label]:
            return self._noted(super().groups())

        def _noted(self, labels: list[Label]) -> list[Label]:
            named.update(int(item) for label in labels for item in label.items)
            return labels

    monkeypatch.setattr(encoders.train, "LabelWriter", Watched)
    withheld = withheld_items(category_demands(data, 7))
    workspace = Workspace(tmp_path)
    past = Dataset(data.folder).before(AS_OF)
    encoder = text_encoder("use")
    examples = read_examples(past, read_vocabulary(data, encoder, workspace), encoder, TINY_RECIPE.windows)
    train_variant(workspace, world_settings(tmp_path), examples, past, "ours", TINY_RECIPE, withheld)
    assert withheld
    assert named
    assert not named & withheld
    assert workspace.models() == []
    assert not list(workspace.checkpoints.glob("*"))
