"""The gate in front of every call from outside: has she the scope, does she call too often, and a line about it."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from encoders.errors import AccessError, AudienceError, NotAllowedError, TooManyCallsError
from tools.access.caller import Caller, current
from tools.access.scopes import needed


class Audited(Protocol):
    """Where audit lines go."""

    def record_call(self, operation: str, outcome: str) -> None:
        """Write that the current caller called, and what came of it."""


class Gate:
    """Every face of the service lets its calls in here, one after the other or at once."""

    def __init__(self, audited: Callable[[], Audited]) -> None:
        """Keep the audit with what ``audited`` gives; it is asked anew for each call."""
        self._audited = audited
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @contextmanager
    def admitted(self, operation: str) -> Iterator[None]:
        """Make one call of the current caller inside the block.

        Args:
            operation: as the tools are called: 'size'.

        Raises:
            NotAllowedError: her token lacks the scope.
            TooManyCallsError: she called too often within the last minute.
        """
        audited, caller = self._audited(), current()
        try:
            self._check(caller, operation)
            yield
        except AudienceError as error:
            audited.record_call(operation, "refused" if isinstance(error, AccessError) else "declined")
            raise
        except BaseException:
            audited.record_call(operation, "failed")
            raise
        audited.record_call(operation, "answered")

    def _check(self, caller: Caller, operation: str) -> None:
        """Count the call first: one that is refused was a call as well."""
        if caller.per_minute is not None:
            limit = RateLimitItemPerMinute(caller.per_minute)
            if not self._limiter.hit(limit, caller.name):
                reset = self._limiter.get_window_stats(limit, caller.name).reset_time
                wait = max(1, math.ceil(reset - time.time()))
                raise TooManyCallsError(
                    f"This token may call {caller.per_minute} times a minute; call again in {wait} seconds.", wait
                )
        if not caller.may(needed(operation)):
            have = ", ".join(sorted(caller.scopes))
            raise NotAllowedError(
                f"'{operation}' needs a token with the scope '{needed(operation)}'; this one has {have}."
            )
