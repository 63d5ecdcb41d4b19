"""Which scope each operation needs; an operation that is not here needs ``admin``."""

from tools.access.caller import Scope

_NEEDED = {
    Scope.READ: "describe_data search_items search_groups tuned list_audiences outcome refresh_day destinations "
    "capabilities saved saved_version job list_jobs get_adcp_capabilities list_accounts",
    Scope.SIZE: "size reach_goal profile skew compare combined_users drift get_signals",
    Scope.PREVIEW: "preview explain",
    Scope.ACTIVATE: "save combine export record_outcome tune refresh exported cancel "
    "delete_audience delete_export webhooks add_webhook remove_webhook deliveries activate_signal sync_accounts",
    Scope.ADMIN: "forget delete_conversation",
}

NEEDED = {operation: scope for scope, operations in _NEEDED.items() for operation in operations.split()}
"""The name of an operation, as the tools are called, and the scope."""


ANY_SCOPE = frozenset({"list_tools", "unknown_tool"})
"""What every token may ask, and what nobody is answered."""


def needed(operation: str) -> Scope | None:
    """The scope of an operation; None where any will do."""
    return None if operation in ANY_SCOPE else NEEDED.get(operation, Scope.ADMIN)
