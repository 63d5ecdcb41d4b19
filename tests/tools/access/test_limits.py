"""The limit of a token: a moving minute, over all threads and processes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.access.gate import CallLimits

HITS = """
import sys
from pathlib import Path
from tools.access.gate import CallLimits
limits = CallLimits(Path(sys.argv[1]))
sys.stdin.readline()
print(sum(limits.hit("agent", 50) == 0 for _ in range(60)))
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_moves(tmp_path: Path) -> None:
    clock = Clock()
    limits = CallLimits(tmp_path / "limits.db", clock)
    assert [limits.hit("a", 2), limits.hit("a", 2)] == [0, 0]
    clock.now += 20
    assert (limits.hit("a", 2), limits.hit("b", 2)) == (40, 0)
    assert (limits.wait("a", 2), limits.wait("a", 3)) == (40, 0)
    clock.now += 39.5
    assert limits.hit("a", 2) == 1
    clock.now += 0.5
    assert limits.hit("a", 2) == 0
    limits.close()


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    clock = Clock()
    limits = CallLimits(clock=clock)
    assert [limits.hit("a", 2) for _ in range(3)] == [0, 0, 60]
    clock.now -= 3600
    assert [limits.hit("a", 2) for _ in range(3)] == [0, 0, 60]


def test_the_limit_holds_for_several_processes_together(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HITS, str(tmp_path / "limits.db")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = list(ThreadPoolExecutor(2).map(lambda process: int(process.communicate("go\n")[0]), processes))
    assert sum(found) == 50
    assert CallLimits(tmp_path / "limits.db").hit("agent", 50) > 0
