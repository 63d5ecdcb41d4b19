"""Work of a while shows what it does, gives what it gives, and raises what it raises."""

from collections.abc import Callable, Generator
from contextvars import ContextVar

import pytest

from agent.page.state import following

_WHO: ContextVar[str] = ContextVar("who", default="nobody")


def ended(running: Generator[str, None, str]) -> tuple[list[str], str]:
    seen = []
    while True:
        try:
            seen.append(next(running))
        except StopIteration as done:
            return seen, done.value


def test_lines_come_while_it_works_and_the_result_at_the_end() -> None:
    def work(line: Callable[[str], None]) -> str:
        line("one")
        line("two")
        return _WHO.get()

    token = _WHO.set("somebody")
    assert ended(following(work, str.upper)) == (["ONE", "TWO"], "somebody")
    _WHO.reset(token)


def test_what_it_raises_is_raised_here() -> None:
    def work(line: Callable[[str], None]) -> str:
        line("one")
        raise ValueError("broken")

    running = following(work, str)
    assert next(running) == "one"
    with pytest.raises(ValueError, match="broken"):
        next(running)
