"""What a program imports: the service in this process, its operations as tools for agents, and a client over HTTP.

    from audience_targeting import AudienceService, Client, settings, targeting_tools

    with Client("http://127.0.0.1:7860", token="...") as client:
        client.size("Households that will buy coffee in the next 28 days").users

The packages beside this file have plain names (``agent``, ``tools``, ``encoders``, ``prompts``), because they are the
folders of the project. A file of yours with the same name may hide one of them; importing this module says so.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import httpx2
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from encoders.settings import Settings, settings
    from tools.interfaces.langchain import targeting_tools
    from tools.operation_types import (
        AudiencePage,
        CampaignOutcome,
        CataloguePage,
        CombinedUsers,
        Drift,
        Exported,
        Goal,
        GoalReached,
        GroupCard,
        LedgerPage,
    )
    from tools.service import AudienceService
    from tools.types import (
        AudienceSpec,
        Comparison,
        DataCard,
        Explanation,
        GroupHit,
        ItemHit,
        ProfileRow,
        SampleUser,
        SavedAudience,
        SizeEstimate,
        SkewReport,
    )

__all__ = [
    "AudienceService",
    "AudienceSpec",
    "Client",
    "ClientError",
    "Settings",
    "main",
    "settings",
    "targeting_tools",
]

_PACKAGES = ("agent", "tools", "encoders", "prompts")
_PLACES = {
    "AudienceService": "tools.service",
    "AudienceSpec": "tools.types",
    "Settings": "encoders.settings",
    "settings": "encoders.settings",
    "targeting_tools": "tools.interfaces.langchain",
}
_T = TypeVar("_T")


def _check_packages() -> None:
    """Say whose file hides a package of this project, where one does.

    Raises:
        ImportError: another module is imported under the name of one of the packages.
    """
    here = Path(__file__).resolve().parent
    for name in _PACKAGES:
        found = find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or origin.parent.parent != here:
            raise ImportError(
                f"'{name}' is {origin or 'nothing with code'}, and not the package of audience-targeting in {here}. "
                "Rename that file or folder, or take its folder off the path."
            )


_check_packages()


def __getattr__(name: str) -> Any:
    """The names that need more than a moment to import, imported when they are first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'audience_targeting' has no attribute '{name}'")
    from encoders.errors import named_extra

    with named_extra():
        return getattr(import_module(_PLACES[name]), name)


def main() -> None:
    """Entry of the console script ``audience``."""
    from agent.cli.main import main as commands

    commands()


# --- over HTTP ------------------------------------------------------------------------------------


class ClientError(Exception):
    """What a server turned down, in its own sentence.

    Attributes:
        status: the HTTP status.
        problem: the problem details of the answer (RFC 9457); 'type' tells kinds apart.
        retry_after: seconds after which to try again, where the server says so.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: int | None = None) -> None:
        self.status, self.problem, self.retry_after = status, problem, retry_after
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))


class Client:
    """The operations of a served workspace, each under its own name; answers are the types of the service.

    What writes takes a ``key``: a new one for each thing to be done. Repeat a call whose answer was lost with the same
    key, and it is done once.
    """

    def __init__(self, url: str, token: str = "", timeout: float = 60.0) -> None:
        """Call the server at ``url``, which is where its page is, with a token of ``audience token create``."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(base_url=f"{url.rstrip('/')}/api", headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # --- what the data has ---

    def describe_data(self) -> "DataCard":
        """Sources, attributes with their values, common item groups, dates."""
        from tools.types import DataCard

        return self._get(DataCard, "/data")

    def search_items(self, words: str, limit: int = 10) -> "tuple[ItemHit, ...]":
        """Items near some words, best first."""
        from tools.types import ItemHit

        return self._get(tuple[ItemHit, ...], "/items", words=words, limit=limit)

    def search_groups(self, words: str, limit: int = 8) -> "tuple[GroupHit, ...]":
        """Groups of items near some words, best first."""
        from tools.types import GroupHit

        return self._get(tuple[GroupHit, ...], "/groups", words=words, limit=limit)

    def browse(self, of: str = "", page: int = 0, limit: int = 12) -> "CataloguePage":
        """Names in the catalogue: the sources, the groups of a source, or the items of a group."""
        from tools.operation_types import CataloguePage

        return self._get(CataloguePage, "/catalogue", of=of, page=page, limit=limit)

    def describe_group(self, group: str) -> "GroupCard":
        """What is known of a group."""
        from tools.operation_types import GroupCard

        return self._get(GroupCard, "/groups/details", group=group)

    # --- an audience as it would be ---

    def size(self, spec: "AudienceSpec | str") -> "SizeEstimate":
        """How many users an audience has, and how many of them are expected to respond."""
        from tools.types import SizeEstimate

        return self._post(SizeEstimate, "/sizes", _spec(spec))

    def reach_goal(self, spec: "AudienceSpec | str", goal: "Goal") -> "GoalReached":
        """The cut that reaches a goal."""
        from tools.operation_types import GoalReached

        return self._post(GoalReached, "/goals", {"spec": _spec(spec), "goal": goal.model_dump(mode="json")})

    def preview(self, spec: "AudienceSpec | str", count: int = 5) -> "tuple[SampleUser, ...]":
        """A few users of it, masked, with the past events that put them there."""
        from tools.types import SampleUser

        return self._post(tuple[SampleUser, ...], "/previews", _spec(spec), params={"count": count})

    def profile(self, spec: "AudienceSpec | str", limit: int = 12) -> "tuple[ProfileRow, ...]":
        """What is more common in it than among everyone."""
        from tools.types import ProfileRow

        return self._post(tuple[ProfileRow, ...], "/profiles", _spec(spec), params={"limit": limit})

    def skew(self, spec: "AudienceSpec | str") -> "SkewReport":
        """Whom it takes more often than others, by each attribute."""
        from tools.types import SkewReport

        return self._post(SkewReport, "/skews", _spec(spec))

    def explain(self, user_id: str, spec: "AudienceSpec | str") -> "Explanation":
        """Why one user is in it."""
        from tools.types import Explanation

        return self._post(Explanation, "/explanations", {"user_id": user_id, "spec": _spec(spec)})

    def compare(self, audiences: "Sequence[AudienceSpec | str]") -> "Comparison":
        """How far audiences overlap; each is a spec, or the name or id of a saved one."""
        from tools.types import Comparison

        each = [one if isinstance(one, str) else _spec(one) for one in audiences]
        return self._post(Comparison, "/comparisons", {"audiences": each})

    def combined_users(self, operation: Literal["and", "or", "not"], audiences: Sequence[str]) -> "CombinedUsers":
        """How many users a combination of saved audiences would have."""
        from tools.operation_types import CombinedUsers

        body = {"operation": operation, "audiences": list(audiences)}
        return self._post(CombinedUsers, "/combinations/sizes", body)

    # --- saved audiences ---

    def list_audiences(self, limit: int = 20, cursor: str = "") -> "AudiencePage":
        """The newest version of every saved audience, a page at a time."""
        from tools.operation_types import AudiencePage

        return self._get(AudiencePage, "/audiences", limit=limit, cursor=cursor)

    def saved(self, audience: str) -> "SavedAudience":
        """One saved audience, by name or id."""
        from tools.types import SavedAudience

        return self._get(SavedAudience, f"/audiences/{_part(audience)}")

    def save(
        self, spec: "AudienceSpec | str", name: str, approved_by: str, key: str, holdout: float | None = None
    ) -> "SavedAudience":
        """Save an audience, with its holdout, once a person has said yes."""
        from tools.types import SavedAudience

        body = {"spec": _spec(spec), "name": name, "approved_by": approved_by, "holdout": holdout}
        return self._post(SavedAudience, "/audiences", body, key=key)

    def combine(
        self,
        operation: Literal["and", "or", "not"],
        audiences: Sequence[str],
        name: str,
        approved_by: str,
        key: str,
    ) -> "SavedAudience":
        """Save a combination of saved audiences."""
        from tools.types import SavedAudience

        body = {"operation": operation, "audiences": list(audiences), "name": name, "approved_by": approved_by}
        return self._post(SavedAudience, "/combinations", body, key=key)

    def export(
        self, audience: str, key: str, format: Literal["csv", "parquet"] = "csv", platform: str = ""
    ) -> "Exported":
        """Write a file of a saved audience, or send it to a destination."""
        from tools.operation_types import Exported

        body = {"format": format, "platform": platform}
        return self._post(Exported, f"/audiences/{_part(audience)}/exports", body, key=key)

    def exported(self, name: str) -> bytes:
        """The bytes of an export, by the name that ``export`` answered."""
        return self._send("GET", f"/exports/{_part(name)}").content

    def outcome(self, audience: str) -> "CampaignOutcome":
        """How a saved audience did, as recorded last."""
        from tools.operation_types import CampaignOutcome

        return self._get(CampaignOutcome, f"/audiences/{_part(audience)}/outcome")

    def ledger(self, limit: int = 20, cursor: str = "") -> "LedgerPage":
        """What was forecast for saved audiences beside what then happened, a page at a time, and how many held."""
        from tools.operation_types import LedgerPage

        return self._get(LedgerPage, "/ledger", limit=limit, cursor=cursor)

    def record_outcome(
        self, audience: str, approved_by: str, key: str, responders_csv: str | None = None, version: int | None = None
    ) -> "CampaignOutcome":
        """Record who responded; without a file they are counted in the data, once the horizon is over."""
        from tools.operation_types import CampaignOutcome

        body = {"approved_by": approved_by, "responders_csv": responders_csv, "version": version}
        return self._post(CampaignOutcome, f"/audiences/{_part(audience)}/outcome", body, key=key)

    def drift(self, audience: str) -> "Drift":
        """Whether a saved audience is still what was saved."""
        from tools.operation_types import Drift

        return self._get(Drift, f"/audiences/{_part(audience)}/drift")

    def refresh(self, audience: str, approved_by: str, key: str, as_of: date | None = None) -> Mapping[str, Any]:
        """Save it again at a later day, as a job; ``job`` says how far it is."""
        body = {"approved_by": approved_by, "as_of": as_of.isoformat() if as_of else None}
        return self._post(dict[str, Any], f"/audiences/{_part(audience)}/refreshes", body, key=key)

    def job(self, job: str) -> Mapping[str, Any]:
        """A job as it stands: its state, its progress, and its result once it is done."""
        return self._get(dict[str, Any], f"/jobs/{_part(job)}")

    # --- the wire ---

    def _get(self, kind: type[_T], path: str, **params: str | int) -> _T:
        return TypeAdapter(kind).validate_json(self._send("GET", path, params=params).content)

    def _post(
        self, kind: type[_T], path: str, body: object, key: str = "", params: Mapping[str, int] | None = None
    ) -> _T:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._send("POST", path, json=body, params=params, headers=headers)
        return TypeAdapter(kind).validate_json(answer.content)

    def _send(self, method: str, path: str, **given: Any) -> httpx2.Response:
        answer = self._http.request(method, path, **given)
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
        except ValueError:
            problem = {"title": answer.reason_phrase}
        wait = answer.headers.get("Retry-After", "")
        raise ClientError(answer.status_code, problem, int(wait) if wait.isdecimal() else None)


def _spec(spec: "AudienceSpec | str") -> dict[str, Any]:
    """An audience as the body of a request; a sentence alone is its demand."""
    return {"demand": spec} if isinstance(spec, str) else spec.model_dump(mode="json", exclude_defaults=True)


def _part(name: str) -> str:
    """A name as one part of a path."""
    from urllib.parse import quote

    return quote(name, safe="")
