"""The sandbox tenant that the harness works in: what it has saved, and how to reach it.

The harness activates signals by ids of its own; here these are the names of audiences that the sandbox has saved, and
the prices are those of its rate card. The product knows neither.
"""

from pathlib import Path
from typing import NamedTuple

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HERE = Path(__file__).parent
SAVED = {
    "prism_high_ltv": "Households that will buy wine in the next 28 days",
    "prism_cart_abandoner": "Households that will buy coffee in the next 28 days",
}
ENOUGH = 1_000_000
"""Calls a minute: the harness is quick."""


class Agent(NamedTuple):
    """Where the app is, a token of the sandbox tenant, and one of another tenant."""

    address: str
    token: str
    rival: str


async def save_all(agent: Agent) -> None:
    """Save the audiences of the sandbox as any agent would."""
    headers = {"Authorization": f"Bearer {agent.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(agent.address, http_client=http)) as client,
    ):
        for name, demand in SAVED.items():
            audience = {"spec": {"demand": demand}, "name": name, "approved_by": "Ada", "key": name}
            assert not (await client.call_tool("save", audience)).is_error
