"""The pace of calls, on a clock of its own: nothing here waits."""

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.labelling.calls import Limits, Pace


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next thing that is to happen."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(Jumping(self))

    def time(self) -> float:
        return self.now


class Jumping(selectors.SelectSelector):
    """Waits for nothing: what would have been waited has passed on the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.clock.now += 1e-6 + (timeout or 0.0)
        return super().select(0)


def run(work: Coroutine[Any, Any, list[float]]) -> list[float]:
    """In a thread of its own: the browser of other tests keeps a loop in the thread of all tests."""
    with ThreadPoolExecutor(1) as apart, closing(Clock()) as loop:
        return apart.submit(loop.run_until_complete, work).result()


async def times(limits: Limits, tokens: list[int], busy_at: int | None = None) -> list[float]:
    """When each of some calls went out."""
    pace, out, loop = Pace(limits, max(tokens)), [], asyncio.get_running_loop()
    for number, each in enumerate(tokens):
        await pace.turn(each)
        out.append(loop.time())
        if number == busy_at:
            pace.hold(30.0)
    return out


@given(st.floats(1, 3000), st.integers(2, 60))
def test_a_minute_never_holds_more_requests_than_its_limit_and_a_second(limit: float, calls: int) -> None:
    out = run(times(Limits(requests_per_minute=limit), [1] * calls))
    for start in out:
        assert sum(start <= each < start + 60 for each in out) <= limit + max(1.0, limit / 60) + 1e-6


@given(st.floats(100, 100_000), st.lists(st.integers(1, 2_000), min_size=2, max_size=60))
def test_nor_more_tokens(limit: float, tokens: list[int]) -> None:
    out = run(times(Limits(tokens_per_minute=limit), tokens))
    for start in out:
        sent = sum(count for count, each in zip(tokens, out, strict=True) if start <= each < start + 60)
        assert sent <= limit + max(limit / 60, max(tokens)) + 1e-6


def test_the_limit_is_used_to_the_full() -> None:
    out = run(times(Limits(requests_per_minute=600), [1] * 1000))
    assert out[-1] <= 1000 / 600 * 60 + 0.1


def test_a_pause_that_the_server_asked_for_holds_for_all() -> None:
    out = run(times(Limits(), [1] * 4, busy_at=1))
    assert [round(each) for each in out] == [0, 0, 30, 30]
