"""The service for other agents, over standard input and output: mcp."""

from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

from agent.cli.console import open_workspace

if TYPE_CHECKING:
    from encoders.settings import Settings
    from tools.service import AudienceService


def mcp() -> None:
    """Offer everything to another agent as tools (Model Context Protocol), over standard input and output."""
    workspace, settings = open_workspace()
    from agent.guard import permit
    from tools.access.gate import Gate
    from tools.access.trail import Trail
    from tools.interfaces.mcp.server import make_server
    from tools.registry import Registry

    service, trail = Lazily(settings), Trail(lambda tenant: Registry(workspace.of_tenant(tenant).registry))
    Thread(target=service.warm_up, daemon=True).start()
    try:
        make_server(service, permit, Gate(lambda: trail)).run("stdio")
    finally:
        service.close()
        trail.close()


class Lazily:
    """Opens the service when it is first needed; what failed is tried again, so that it can be mended meanwhile."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._lock = Lock()
        self._service: AudienceService | None = None

    def __call__(self) -> "AudienceService":
        """The service.

        Raises:
            AudienceError: it cannot be opened; the text says which command mends it.
        """
        from tools.service import AudienceService

        with self._lock:
            if self._service is None:
                self._service = AudienceService.open(self._settings)
            return self._service

    def warm_up(self) -> None:
        """Begin to open it, so that the first call waits less; what goes wrong, that call will say."""
        with suppress(Exception):
            self()

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            if self._service is not None:
                self._service.close()
