"""Running a coroutine whatever else runs: the browser of some tests keeps a loop in the thread of all tests."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Answered = TypeVar("Answered")


def run(work: Coroutine[Any, Any, Answered]) -> Answered:
    """What ``work`` gives, run to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()
