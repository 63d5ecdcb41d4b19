"""Tools that keep or write something: each needs the person who said yes, and a key so that it is done once."""

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.mcpserver import Context
from pydantic import Field

from tools.campaign_types import CampaignOutcome, Refreshed
from tools.keeping import MOST_HELD_OUT
from tools.mcp_server.arguments import (
    ApprovedBy,
    AudienceName,
    Day,
    Key,
    NewName,
    Operation,
    SavedNames,
    Spec,
    Version,
)
from tools.mcp_server.reading import Tools
from tools.types import AudienceSpec, ExportFile, SavedAudience, TunedSummary

_EVERY = 1.0
"""Seconds between two signs of life of a long call."""

Done = TypeVar("Done")
Platform = Annotated[
    str,
    Field(
        max_length=60,
        description="What it is for, by its 'key' in 'destinations': google, meta, tiktok, linkedin, or one of the "
        "person's own, which it is sent to at once; empty for a plain file.",
    ),
]
Format = Annotated[Literal["csv", "parquet"], Field(description="Platforms take CSV alone.")]
Seeds = Annotated[
    tuple[str, ...] | str,
    Field(
        description="At least five users who are known to be meant, as 'preview' shows them (with the scope "
        "admin their ids, too), or "
        "the name or id of a saved audience."
    ),
]


class WritingTools(Tools):
    """Each method is a tool, under its own name."""

    def save(
        self,
        spec: Spec,
        name: NewName,
        approved_by: ApprovedBy,
        key: Key,
        holdout: Annotated[
            float | None,
            Field(ge=0, le=MOST_HELD_OUT, description="Share of its users to keep back; null for the usual share."),
        ] = None,
    ) -> SavedAudience:
        """Save an audience as a snapshot, with a part of its users held out so that the uplift can be measured.

        Size it first, show the person what it is, and ask for a yes.
        """
        return self._service(spec, name=name).save(spec, name, approved_by, key, holdout)

    def combine(
        self, operation: Operation, audiences: SavedNames, name: NewName, approved_by: ApprovedBy, key: Key
    ) -> SavedAudience:
        """Save a new audience made from saved ones; 'combined_users' says beforehand how many it would have."""
        return self._service(name=name).combine(operation, audiences, name, approved_by, key)

    def export(self, audience: AudienceName, key: Key, format: Format = "csv", platform: Platform = "") -> ExportFile:
        """Write a saved audience, without its holdout, to a file on the machine of this server, and send it if wanted.

        Contacts leave as hashes only. The answer says where the file is and how to check it. Ask
        the person before you call: the file holds the ids of single users, and what was sent cannot be taken back.
        """
        return self._service().export(audience, format, key, platform)

    def record_outcome(
        self,
        audience: AudienceName,
        approved_by: ApprovedBy,
        responders_csv: Annotated[
            str | None,
            Field(
                max_length=3_000_000,
                description="Who responded, as CSV text with a column 'user_id' (masks; with the scope admin ids, too) "
                "and, if known, 'date' and 'value'; null to count them in the data's own events, once the horizon is "
                "over.",
            ),
        ] = None,
        version: Version = None,
    ) -> CampaignOutcome:
        """Record who responded, and answer with the uplift over the holdout and the forecast beside it.

        The same responders are recorded once, so it needs no key.
        """
        service = self._service()
        if responders_csv is None:
            return service.outcomes.from_data(audience, approved_by, version)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "responders.csv"
            path.write_text(responders_csv, "utf-8")
            kept = service.uploaded(service.keep_upload(path))
        return service.outcomes.from_file(audience, kept, approved_by, version)

    async def tune(
        self,
        name: Annotated[str, Field(min_length=1, max_length=60, description="What 'like' in a spec will call it.")],
        seeds: Seeds,
        context: Context[Any, Any],
        demand: Annotated[
            str | None, Field(min_length=1, max_length=2000, description="The sentence to begin with; null for none.")
        ] = None,
    ) -> TunedSummary:
        """Fit a demand to a few users who are known to be meant, to find more like them. It takes a while.

        An earlier one of that name is replaced. A spec uses it with 'like' set to its name and the 'demand' answered.
        """
        specs = () if demand is None else (AudienceSpec(demand=demand),)
        return await _telling(context, "Tuning", lambda: self._service(*specs, name=name).tune(name, demand, seeds))

    async def refresh(
        self,
        audience: AudienceName,
        approved_by: ApprovedBy,
        key: Key,
        context: Context[Any, Any],
        as_of: Day = None,
    ) -> Refreshed:
        """Save the same spec again as of a later day, as its next version, and say who came and who left.

        It may take a while. 'refresh_day' says beforehand which day that is, or why it cannot be done.
        """
        return await _telling(
            context, "Counting anew", lambda: self._service().refresh(audience, approved_by, as_of, key)
        )


WRITING = {
    "save": "Save an audience",
    "combine": "Combine saved audiences",
    "export": "Export a saved audience",
    "record_outcome": "Record an outcome",
    "tune": "Tune a demand to known users",
    "refresh": "Refresh a saved audience",
}
"""Each tool with its title, in the order they are listed."""

REPLACING = frozenset({"tune"})
"""Those of them that replace what was there; the others only add."""

REACHING = frozenset({"export"})
"""Those of them that other systems may hear of."""


async def _telling(context: Context[Any, Any], words: str, work: Callable[[], Done]) -> Done:
    """Do the work in a thread, with a sign of life now and every second, in seconds so far."""
    await context.report_progress(0, message=words)

    async def go_on() -> None:
        for seconds in count(1):
            await asyncio.sleep(_EVERY)
            await context.report_progress(seconds * _EVERY, message=words)

    telling = asyncio.create_task(go_on())
    try:
        return await asyncio.to_thread(work)
    finally:
        telling.cancel()
