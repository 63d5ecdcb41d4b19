"""Doing the work of a call in a thread: telling how far it is, and stopping it when the call is cancelled."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from threading import Event
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import checkpoint_if_cancelled
from mcp.server.mcpserver import Context

from encoders.workspace import Progress
from tools.stopping import go_on_unless_stopped, stoppable

EVERY = 1.0
"""Seconds until the first sign of life of a call, and between two of them."""

Done = TypeVar("Done")
Work = Callable[[Progress], Done]


class _State:
    """What the thread tells the loop, and the other way round."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.stopped = Event()

    def note(self, description: str, fraction: float | None = None, /) -> None:
        """Keep what the work does now; raises where it is no longer wanted."""
        go_on_unless_stopped()
        self.doing = description


async def at_work(context: Context[Any, Any] | None, title: str, work: Work[Done], at_once: bool = False) -> Done:
    """Do the work in a thread, with a progress notification for every second that it takes.

    Where the call is cancelled, the work is told so and has ended when this raises: nothing goes on unseen.

    Args:
        context: of the call; None tells nobody.
        title: what is told until the work says what it does.
        work: gets what it tells its progress to.
        at_once: whether it is told from the beginning, and not only after the first second.
    """
    state = _State(title)
    outcome: list[Callable[[], Done]] = []

    def run() -> None:
        with stoppable(state.stopped.is_set):
            try:
                found = work(state.note)
            except Exception as error:
                outcome.append(partial(_raise, error))
            else:
                outcome.append(lambda: found)

    async with anyio.create_task_group() as group:
        group.start_soon(_watch, state, context, 0 if at_once else 1)
        await anyio.to_thread.run_sync(run)
        group.cancel_scope.cancel()
    await checkpoint_if_cancelled()  # what was cancelled has no answer, also where the work had ended by then
    return outcome[0]()


async def _watch(state: _State, context: Context[Any, Any] | None, first: int) -> None:
    """Tell how far the work is, and note when it is no longer wanted."""
    try:
        for seconds in count(first):
            await anyio.sleep(EVERY if seconds else 0)
            if context is not None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
                    await context.report_progress(seconds * EVERY, message=state.doing)
    finally:
        state.stopped.set()


def _raise(error: Exception) -> Any:
    raise error
