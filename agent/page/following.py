"""Work of a while, with what it is doing shown meanwhile."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

Given = TypeVar("Given")
Shown = TypeVar("Shown")

Line = Callable[[str], None]
"""Called with a line that says what is being done."""


def following(work: Callable[[Line], Given], show: Callable[[str], Shown]) -> Generator[Shown, None, Given]:
    """Do ``work`` in a thread of its own; yields what ``show`` makes of every line, and returns what it gives.

    Whatever ``work`` raises is raised here. Where nobody goes on listening, it is finished all the same.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turn")
    done = worker.submit(copy_context().run, work, lines.put)
    done.add_done_callback(lambda _: lines.put(None))
    worker.shutdown(wait=False)
    while (line := lines.get()) is not None:
        yield show(line)
    return done.result()
