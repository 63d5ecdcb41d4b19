"""Stopping work that nobody waits for any more, at the next point where nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stopped: ContextVar[Callable[[], bool] | None] = ContextVar("stopped", default=None)


class StoppedError(Exception):
    """The work was given up by whoever asked for it; nothing of it is left."""


@contextmanager
def stoppable(stopped: Callable[[], bool]) -> Iterator[None]:
    """Let the work inside the block end early.

    Args:
        stopped: whether it is no longer wanted; asked from the thread that works.
    """
    token = _stopped.set(stopped)
    try:
        yield
    finally:
        _stopped.reset(token)


def go_on_unless_stopped() -> None:
    """Call it between steps, above all before something is written, sent or deleted.

    Raises:
        StoppedError: the work is no longer wanted.
    """
    stopped = _stopped.get()
    if stopped is not None and stopped():
        raise StoppedError
