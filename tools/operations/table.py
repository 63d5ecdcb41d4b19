"""THE table: every operation once, in the order an agent needs them. Interfaces, scopes and docs are made from it."""

from types import MappingProxyType
from typing import Any

from tools.access.callers import Scope
from tools.operation_types import download
from tools.operations import asking, doing
from tools.operations.operation import Effect, Http, Interface, Operation

_DEMAND = "Households that will buy coffee in the next 28 days"
_SPEC: dict[str, Any] = {"demand": _DEMAND, "cut": 0.2}
_COFFEE = {"audience": "Coffee"}
_BOTH = {"operation": "not", "audiences": ["Coffee", "Tea"]}
_SEEDS = ["1001", "1007", "1012", "1033", "1099"]
_CSV = "user_id,date\n1001,2017-10-03\n1007,2017-10-05\n"

_CALLS = (Interface.MCP, Interface.LANGCHAIN)
_JOBS = dict.fromkeys(_CALLS, "'tune' and 'refresh' answer in the call itself")
_VERSIONS = dict.fromkeys(_CALLS, "'saved' takes a version")
_FILES = dict.fromkeys(_CALLS, "its answer is a file; 'export' says where it lies")
_OWNER = dict.fromkeys(_CALLS, "it cannot be undone and is the owner's, so a person asks for it")
_SECRET = dict.fromkeys(_CALLS, "its answer is a secret, which no language model should read")
_SERVED = {Interface.LANGCHAIN: "a program that holds the service opens another one itself"}
_NO_TOKEN = {Interface.LANGCHAIN: "it deletes, and no token limits what an agent in the same program may do"}

OPERATIONS: tuple[Operation, ...] = (
    Operation(asking.describe_data, "Describe the data", Scope.READ, Http("GET", "/data", cached=True)),
    Operation(asking.search_items, "Search items", Scope.READ, Http("GET", "/items"), {"words": "baby food"}),
    Operation(asking.search_groups, "Search item groups", Scope.READ, Http("GET", "/groups"), {"words": "baby food"}),
    Operation(asking.browse, "Browse the catalogue", Scope.READ, Http("GET", "/catalogue"), {"limit": 12}),
    Operation(
        asking.describe_group, "Describe an item group", Scope.READ, Http("GET", "/groups/details"),
        {"group": "coffee"},
    ),
    Operation(asking.size, "Size an audience", Scope.SIZE, Http("POST", "/sizes", body="spec"), {"spec": _SPEC}),
    Operation(
        asking.reach_goal, "Find the cut for a goal", Scope.SIZE, Http("POST", "/goals"),
        {"spec": _SPEC, "goal": {"users": 300}},
    ),
    Operation(
        asking.holdout_plan, "Plan a holdout", Scope.SIZE, Http("POST", "/holdouts"),
        {"spec": _SPEC, "shares": [0.1, 0.25]},
    ),
    Operation(
        asking.preview, "Preview an audience", Scope.PREVIEW, Http("POST", "/previews", body="spec", query=("count",)),
        {"spec": _SPEC, "count": 5},
    ),
    Operation(
        asking.profile, "Profile an audience", Scope.SIZE, Http("POST", "/profiles", body="spec", query=("limit",)),
        {"spec": _SPEC, "limit": 12},
    ),
    Operation(
        asking.skew, "Check an audience for skew", Scope.SIZE, Http("POST", "/skews", body="spec"), {"spec": _SPEC},
    ),
    Operation(
        asking.explain, "Explain one user", Scope.PREVIEW, Http("POST", "/explanations"),
        {"user_id": "1001", "spec": _SPEC},
    ),
    Operation(
        asking.similar, "Find users like one", Scope.PREVIEW, Http("POST", "/neighbours"),
        {"user_id": "1001", "spec": _SPEC, "count": 5},
    ),
    Operation(
        asking.compare, "Compare audiences", Scope.SIZE, Http("POST", "/comparisons"), {"audiences": ["Coffee", _SPEC]},
    ),
    Operation(asking.combined_users, "Size a combination", Scope.SIZE, Http("POST", "/combinations/sizes"), _BOTH),
    Operation(
        asking.tuned, "Show a tuned demand", Scope.READ, Http("GET", "/demands/{name}", cached=True, tag="Work"),
        {"name": "regulars"},
    ),
    Operation(
        asking.list_audiences, "List saved audiences", Scope.READ, Http("GET", "/audiences", cached=True, tag="Keep"),
        {"limit": 20},
    ),
    Operation(
        asking.saved, "Show a saved audience", Scope.READ,
        Http("GET", "/audiences/{audience}", cached=True, tag="Keep"), _COFFEE,
    ),
    Operation(
        asking.saved_version, "Show a version of a saved audience", Scope.READ,
        Http("GET", "/audiences/{audience}/versions/{version}", cached=True, tag="Keep"),
        _COFFEE | {"version": 1}, not_over=_VERSIONS,
    ),
    Operation(
        asking.history, "Show the versions of a saved audience", Scope.READ,
        Http("GET", "/audiences/{audience}/history", cached=True, tag="Keep"), _COFFEE,
    ),
    Operation(
        asking.uses, "Show where a saved audience is in use", Scope.READ,
        Http("GET", "/audiences/{audience}/uses", cached=True, tag="Keep"), _COFFEE,
    ),
    Operation(
        asking.deleted_audiences, "List deleted audiences", Scope.READ,
        Http("GET", "/deleted-audiences", cached=True, tag="Keep"),
    ),
    Operation(
        asking.outcome, "Show an outcome", Scope.READ,
        Http("GET", "/audiences/{audience}/outcome", cached=True, tag="Keep",
        absent="No outcome of '{audience}' was recorded yet; bring one."), _COFFEE,
    ),
    Operation(
        asking.ledger, "Show how good the forecasts were", Scope.READ, Http("GET", "/ledger", cached=True, tag="Keep"),
        {"limit": 20},
    ),
    Operation(
        asking.uplift, "Tell who changes because of us", Scope.SIZE, Http("POST", "/uplift", tag="Keep"),
        {"audience": "Coffee", "value": 20.0, "cost": 0.5},
    ),
    Operation(
        asking.model_card, "Show the card of a model", Scope.READ, Http("GET", "/model-card", cached=True),
    ),
    Operation(
        asking.refresh_day, "Show the day of a refresh", Scope.READ,
        Http("GET", "/audiences/{audience}/refresh-day", tag="Work"), _COFFEE | {"as_of": "2017-11-01"},
    ),
    Operation(
        asking.drift, "Check a saved audience for drift", Scope.SIZE,
        Http("GET", "/audiences/{audience}/drift", tag="Tell"), _COFFEE,
    ),
    Operation(asking.destinations, "List destinations", Scope.READ, Http("GET", "/destinations", tag="Tell")),
    Operation(
        asking.capabilities, "Show versions and capabilities", Scope.READ, Http("GET", "/capabilities", cached=True),
    ),
    Operation(
        doing.save, "Save an audience", Scope.ACTIVATE,
        Http("POST", "/audiences", 201, place="/audiences/{id}/versions/{version}", tag="Keep"),
        {"spec": _SPEC, "name": "Coffee", "approved_by": "Robin", "key": "coffee-1"}, effect=Effect.ADD,
    ),
    Operation(
        doing.combine, "Combine saved audiences", Scope.ACTIVATE,
        Http("POST", "/combinations", 201, place="/audiences/{id}/versions/{version}", tag="Keep"),
        _BOTH | {"name": "Coffee alone", "approved_by": "Robin", "key": "coffee-2"}, effect=Effect.ADD,
    ),
    Operation(
        doing.export, "Export a saved audience", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/exports", 201, tag="Keep", shown=download, place="/exports/{name}",
        there=doing.still_exported, problems=(502,)),
        _COFFEE | {"key": "coffee-3", "format": "csv"}, effect=Effect.SEND,
    ),
    Operation(
        doing.exported, "Download an export", Scope.ACTIVATE, Http("GET", "/exports/{name}", file=True, tag="Keep"),
        {"name": "aud-0123456789ab-v1.csv"}, not_over=_FILES,
    ),
    Operation(
        doing.record_outcome, "Record an outcome", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/outcome", 201, tag="Keep"),
        _COFFEE | {"approved_by": "Robin", "responders_csv": _CSV}, effect=Effect.ADD,
    ),
    Operation(
        doing.tune, "Tune a demand to known users", Scope.ACTIVATE,
        Http("PUT", "/demands/{name}", 202, replaces=asking.tuned, job=doing.tuned_alone, tag="Work"),
        {"name": "regulars", "seeds": _SEEDS, "demand": _DEMAND}, effect=Effect.REPLACE,
    ),
    Operation(
        doing.refresh, "Refresh a saved audience", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/refreshes", 202, job=doing.refreshed_alone, tag="Work"),
        _COFFEE | {"approved_by": "Robin", "key": "coffee-4", "as_of": "2017-11-01"}, effect=Effect.ADD,
    ),
    Operation(
        doing.rename, "Rename a saved audience", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/name", keyed=False, tag="Keep"),
        _COFFEE | {"name": "Coffee, autumn", "approved_by": "Robin"}, effect=Effect.ADD,
    ),
    Operation(
        doing.archive, "Archive a saved audience", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/archive", keyed=False, tag="Keep"), _COFFEE | {"approved_by": "Robin"},
        effect=Effect.ADD,
    ),
    Operation(
        doing.take_back, "Take an archived audience back", Scope.ACTIVATE,
        Http("POST", "/audiences/{audience}/take-back", keyed=False, tag="Keep"), _COFFEE | {"approved_by": "Robin"},
        effect=Effect.ADD,
    ),
    Operation(
        doing.restore, "Bring a deleted audience back", Scope.ACTIVATE,
        Http("POST", "/deleted-audiences/{audience}/restore", keyed=False, tag="Keep"),
        {"audience": "aud-0123456789ab", "approved_by": "Robin"}, effect=Effect.ADD,
    ),
    Operation(
        doing.reopen, "Open the newest version", Scope.ADMIN, Http("POST", "/versions", keyed=False, tag="Work"),
        not_over=_SERVED, effect=Effect.ADD,
    ),
    Operation(
        doing.list_jobs, "List jobs", Scope.READ, Http("GET", "/jobs", tag="Work"), {"limit": 20}, not_over=_JOBS,
    ),
    Operation(
        doing.job, "Watch a job", Scope.READ, Http("GET", "/jobs/{job}", tag="Work"),
        {"job": "job-0123456789ab"}, not_over=_JOBS,
    ),
    Operation(
        doing.cancel, "Cancel a job", Scope.ACTIVATE, Http("DELETE", "/jobs/{job}", tag="Work"),
        {"job": "job-0123456789ab"}, not_over=_JOBS, effect=Effect.DELETE,
    ),
    Operation(
        doing.delete_audience, "Delete a saved audience", Scope.ACTIVATE,
        Http("DELETE", "/audiences/{audience}", replaces=asking.saved, tag="Keep"), _COFFEE, not_over=_NO_TOKEN,
        effect=Effect.DELETE,
    ),
    Operation(
        doing.delete_export, "Delete an export", Scope.ACTIVATE, Http("DELETE", "/exports/{name}", 204, tag="Keep"),
        {"name": "aud-0123456789ab-v1.csv"}, not_over=_NO_TOKEN, effect=Effect.DELETE,
    ),
    Operation(
        doing.delete_conversation, "Delete a conversation", Scope.ADMIN,
        Http("DELETE", "/conversations/{conversation}", 204, tag="Keep"), {"conversation": "0f3a"}, not_over=_OWNER,
        effect=Effect.DELETE,
    ),
    Operation(
        doing.forget, "Erase users", Scope.ADMIN, Http("POST", "/erasures", 201, tag="Keep"),
        {"users": ["1001"], "approved_by": "Robin"}, not_over=_OWNER, effect=Effect.DELETE,
    ),
    Operation(doing.webhooks, "List webhooks", Scope.ACTIVATE, Http("GET", "/webhooks", tag="Tell")),
    Operation(
        doing.add_webhook, "Add a webhook", Scope.ACTIVATE, Http("POST", "/webhooks", 201, keyed=False, tag="Tell"),
        {"url": "https://example.com/hook", "events": ["audience.ready"]}, not_over=_SECRET, effect=Effect.ADD,
    ),
    Operation(
        doing.remove_webhook, "Remove a webhook", Scope.ACTIVATE, Http("DELETE", "/webhooks/{webhook}", tag="Tell"),
        {"webhook": "wh-0123456789ab"}, not_over=_NO_TOKEN, effect=Effect.DELETE,
    ),
    Operation(
        doing.deliveries, "List messages to webhooks", Scope.ACTIVATE, Http("GET", "/deliveries", tag="Tell"),
        {"limit": 50},
    ),
)  # fmt: skip

BY_NAME = MappingProxyType({each.name: each for each in OPERATIONS})
"""Each operation under its name."""


def offered(interface: Interface) -> tuple[Operation, ...]:
    """The operations that an interface offers."""
    return tuple(each for each in OPERATIONS if interface not in each.not_over)
