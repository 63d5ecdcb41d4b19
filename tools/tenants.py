"""What belongs to one tenant: their saved audiences, tuned demands and files. Tenants cannot name each other's."""

from threading import Lock

from encoders.predictor import Forecaster
from encoders.workspace import Workspace
from tools.access.gate import Allowance
from tools.audiences.tuned import TunedDemands
from tools.storage.registry import Registry


class Tenant:
    """A registry and a folder of one tenant; what is not theirs is not in them, so it cannot be found by mistake."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster) -> None:
        """Open the registry of ``workspace``."""
        self.workspace = workspace
        self.registry = Registry(workspace.registry)
        self.allowance = Allowance(workspace.registry.with_name("allowance.db"))
        self.tuned = TunedDemands(workspace, forecaster)


class Tenants:
    """The tenants of one workspace, each opened when first asked for."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster) -> None:
        """Open nobody yet."""
        self._workspace, self._forecaster = workspace, forecaster
        self._lock = Lock()
        self._open: dict[str, Tenant] = {}

    def named(self, name: str) -> Tenant:
        """The tenant ``name``; '' is the owner of the workspace."""
        with self._lock:
            if name not in self._open:
                self._open[name] = Tenant(self._workspace.of_tenant(name), self._forecaster)
            return self._open[name]

    def close(self) -> None:
        """Let go of every registry."""
        with self._lock:
            for tenant in self._open.values():
                tenant.registry.close()
                tenant.allowance.close()
            self._open.clear()
