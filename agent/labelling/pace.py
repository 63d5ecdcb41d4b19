"""How fast a server may be asked: requests and tokens per minute, spread over the minute, and pauses it asks for."""

import asyncio
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

_MINUTE = 60.0


@dataclass(frozen=True)
class Limits:
    """What the server allows."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 8
    """Calls under way at most."""


class Pace:
    """Lets calls go out one after the other. A full minute never holds more than its limit and one second's worth."""

    def __init__(self, limits: Limits, most_tokens: int) -> None:
        """Keep to ``limits``; no single call counts more than ``most_tokens``."""
        self._requests = _bucket(limits.requests_per_minute, 1)
        self._tokens = _bucket(limits.tokens_per_minute, most_tokens)
        self._free_at = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait until a call that counts ``tokens`` may go out."""
        if self._requests:
            await self._requests.acquire()
        if self._tokens:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        loop = asyncio.get_running_loop()
        while (pause := self._free_at - loop.time()) > 0:
            await asyncio.sleep(pause)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: one call was told that the server is busy, and the others would be too."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time() + seconds)


def _bucket(per_minute: float | None, largest: int) -> AsyncLimiter | None:
    """A bucket of one second's worth, or of the largest single call where that is more."""
    if per_minute is None:
        return None
    size = max(per_minute / _MINUTE, float(largest))
    return AsyncLimiter(size, _MINUTE * size / per_minute)
