"""What an open service and whoever serves it know of each other: who is asking right now, and how it is replaced."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from weakref import WeakValueDictionary

from tools.operation_types import Reopened


@dataclass
class Serving:
    """Shared by everybody who sees the same open service."""

    reopen: Callable[[], Reopened] | None = None
    """Has the newest version served; None where nobody serves it."""
    failed: str = ""
    """Why what is newer could not be opened, in one sentence; empty where that was not tried, or is done."""
    _lent: "WeakValueDictionary[int, object]" = field(default_factory=WeakValueDictionary)
    _numbers: "count[int]" = field(default_factory=count)

    def lend(self, view: object) -> None:
        """Count somebody as asking for as long as they hold ``view``."""
        self._lent[next(self._numbers)] = view

    @property
    def asking(self) -> int:
        """How many hold it: calls that are being answered, and jobs that wait or run."""
        return len(self._lent)
