"""get_adcp_capabilities: what this agent speaks and offers."""

from typing import Any

from tools.adcp.requests import CapabilitiesRequest
from tools.adcp.versions import MAJOR, RELEASES, Form

REPLAY_SECONDS = 7 * 24 * 3600
"""How long answers are promised to be repeated; the longest the protocol knows. They are in fact kept for good."""


def capabilities(request: CapabilitiesRequest, release: Form) -> dict[str, Any]:
    """What ``get_adcp_capabilities`` answers, without its envelope."""
    adcp: dict[str, Any] = {
        "major_versions": [MAJOR],
        "idempotency": {"supported": True, "replay_ttl_seconds": REPLAY_SECONDS},
    }
    signals: dict[str, Any] = {"features": {"catalog_signals": False}}
    if release.current:
        adcp["supported_versions"] = list(RELEASES)
        signals = {"discovery_modes": ["brief", "wholesale"], "anonymous_discovery": False}
    answer: dict[str, Any] = {
        "adcp": adcp,
        "supported_protocols": ["signals"],
        "specialisms": ["signal-owned"],
        "request_signing": {"supported": False},
        "account": {"require_operator_auth": False, "supported_billing": ["operator", "agent"], "sandbox": True},
    }
    return answer | ({"signals": signals} if "signals" in (request.protocols or ("signals",)) else {})
