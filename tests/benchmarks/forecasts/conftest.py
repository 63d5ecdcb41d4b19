import shutil
from pathlib import Path

import pytest

from benchmarks.forecasts.study import Study
from encoders.data.events import Dataset
from tests.benchmarks.forecasts.benchmark_doubles import study_of
from tests.planted import World


@pytest.fixture(scope="package")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The planted world; only to be read."""
    folder = tmp_path_factory.mktemp("benchmark") / "data"
    shutil.copytree(world.folder, folder)
    return Dataset(folder)


@pytest.fixture
def own_data(data: Dataset, tmp_path: Path) -> Dataset:
    """A copy that a test may add tables to."""
    shutil.copytree(data.folder, tmp_path / "own" / "data")
    return Dataset(tmp_path / "own" / "data")


@pytest.fixture(scope="package")
def study(data: Dataset) -> Study:
    """The planted world as of its date, with two earlier windows."""
    return study_of(data)
