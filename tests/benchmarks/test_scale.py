"""The page of scale is what was measured, and memory grows as it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import MEASURED, PAGE, ROOT, World, make_world, page
from encoders.data.events import Dataset
from encoders.data.tables import prepare

COUNT = """
import sys
from pathlib import Path
import encoders.features.shards
from encoders.data.events import Dataset
from encoders.features.counts import read_user_features

encoders.features.shards.BLOCK = 500
dataset = Dataset(Path(sys.argv[1]))
past = dataset.before(dataset.card.default_as_of)
if sys.argv[2] == "in memory":
    read_user_features(past)
else:
    encoders.features.shards.stored_features(past)
[peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
sys.stdout.write(peak.split()[1])  # in kilobytes; that of 'resource' begins with the memory of the parent
"""


def test_the_page_is_what_was_measured() -> None:
    worlds = [World.model_validate(each) for each in json.loads(MEASURED.read_text("utf-8"))]
    assert page(worlds) == PAGE.read_text("utf-8"), "run: python -m benchmarks.scale --render"


@pytest.mark.slow
def test_memory_of_counting_grows_less_with_the_users_than_their_events_do(tmp_path: Path) -> None:
    peak: dict[tuple[str, int], int] = {}
    for users in (500, 8_000):
        make_world(tmp_path / str(users), users)
        data = tmp_path / f"data-{users}"
        prepare(tmp_path / str(users) / "scale.toml", data)
        assert len(Dataset(data).users) == users
        for way in ("in memory", "by blocks"):
            command = [sys.executable, "-c", COUNT, str(data), way]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            peak[way, users] = int(done.stdout)
    grown = {way: peak[way, 8_000] - peak[way, 500] for way in ("in memory", "by blocks")}
    assert grown["by blocks"] < 0.7 * grown["in memory"], grown
