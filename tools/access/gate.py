"""The gate in front of every operation: scope, limit, audit line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from encoders.errors import AccessError, AudienceError, NotAllowedError, TooManyCallsError
from tools.access.caller import Caller, Scope, current, mark_audited
from tools.access.limits import CallLimits


class Audited(Protocol):
    """Where audit lines go."""

    def record_call(self, operation: str, outcome: str) -> None:
        """Write that the current caller called, and what came of it."""


class Gate:
    """Every interface lets its calls in here, one after the other or at once."""

    def __init__(self, audited: Callable[[], Audited], limits: CallLimits | None = None) -> None:
        """Guard the operations.

        Args:
            audited: where the audit of a call goes; it is asked anew for each.
            limits: counts the calls; None counts those of this process alone.
        """
        self._audited = audited
        self._limits = limits or CallLimits()

    @contextmanager
    def admitted(self, operation: str, scope: Scope | None) -> Iterator[None]:
        """Make one call of the current caller inside the block.

        Args:
            operation: as the tools are called: 'size'.
            scope: what it needs; None where any token will do.

        Raises:
            NotAllowedError: the token lacks the scope.
            TooManyCallsError: it called too often within the last minute.
        """
        audited, caller = self._audited(), current()
        mark_audited()
        try:
            self._check(caller, operation, scope)
            yield
        except AudienceError as error:
            audited.record_call(operation, "refused" if isinstance(error, AccessError) else "declined")
            raise
        except BaseException:
            audited.record_call(operation, "failed")
            raise
        audited.record_call(operation, "answered")

    def _check(self, caller: Caller, operation: str, scope: Scope | None) -> None:
        """Count the call first: one that is refused was a call as well."""
        # Clients list the tools before each call, so that is counted apart.
        counted = f"{caller.name} {operation}" if operation == "list_tools" else caller.name
        if caller.per_minute is not None and (wait := self._limits.hit(counted, caller.per_minute)):
            raise TooManyCallsError(
                f"This token may call {caller.per_minute} times a minute; call again in {wait} seconds.", wait
            )
        if scope is not None and not caller.may(scope):
            have = ", ".join(sorted(caller.scopes))
            raise NotAllowedError(f"'{operation}' needs a token with the scope '{scope}'; this one has {have}.")
