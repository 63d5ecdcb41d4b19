"""sync_accounts and list_accounts: for whom a caller acts, and who pays; and what is done once for each key."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tools.access.callers import current
from tools.delivery.sending import Deployments
from tools.interfaces.adcp.protocol import Account, AccountsRequest, Keyed, NewAccount, SyncRequest, TaskError, paged
from tools.service import AudienceService
from tools.storage.registry_tables import KeyReusedError

# --- Done once for each idempotency key: a repeated request gets the answer of the first, another one is
#     turned down ---


_NOT_PART = {"idempotency_key", "context", "governance_context"}
"""What may differ when a request is repeated."""


def once(kept: Deployments, request: Keyed, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer to a request, from before or from ``work``; only what succeeds is kept.

    Args:
        kept: where answers are kept.
        request: what the caller wants.
        work: does it; it may run twice where two equal requests come at once, so it does nothing twice itself.

    Raises:
        TaskError: the key came with another request before.
    """
    caller, content = current().name, request.model_dump(mode="json", exclude_none=True, exclude=_NOT_PART)
    asked = json.dumps(content, sort_keys=True)
    try:
        before = kept.answers.find(caller, request.idempotency_key, asked)
    except KeyReusedError as error:
        raise TaskError("IDEMPOTENCY_CONFLICT", str(error), field="idempotency_key") from error
    if before is not None:
        return dict(json.loads(before)) | {"replayed": True}
    answer = work()
    kept.answers.keep(caller, request.idempotency_key, asked, json.dumps(answer, sort_keys=True))
    return answer


# --- sync_accounts and list_accounts: for whom a caller acts, and who pays ------------------------
#
# Accounts are bookkeeping between the two: whose audiences a caller sees is decided by the tenant of the token alone.


def known(service: AudienceService, account: Account | None) -> None:
    """Turn down the id of an account that the caller does not have; a brand and its operator need none.

    Raises:
        TaskError: there is no such account for the caller.
    """
    if account is None or account.account_id is None:
        return
    if account.account_id not in {each["account_id"] for each in service.deployments.accounts(current().name)}:
        raise TaskError(
            "ACCOUNT_NOT_FOUND",
            "There is no such account for this caller.",
            field="account.account_id",
            suggestion="name accounts with sync_accounts first",
            recovery="terminal",
        )


def synced(request: SyncRequest, service: AudienceService) -> dict[str, Any]:
    """What ``sync_accounts`` answers, without its envelope.

    Raises:
        TaskError: the key came with other accounts before.
    """
    kept, caller = service.deployments, current().name

    def work() -> dict[str, Any]:
        before = {each["account_id"]: each for each in kept.accounts(caller)}
        now = {each["account_id"]: each for each in map(_account, request.accounts)}
        if request.delete_missing:
            now |= {id_: each | {"status": "closed"} for id_, each in before.items() if id_ not in now}
        if not request.dry_run:
            kept.put_accounts(caller, list(now.values()))
        accounts = [each | {"action": _action(before.get(id_), each)} for id_, each in now.items()]
        return {"accounts": accounts} | ({"dry_run": True} if request.dry_run else {})

    return once(kept, request, work)


def listed(request: AccountsRequest, service: AudienceService) -> dict[str, Any]:
    """What ``list_accounts`` answers, without its envelope.

    Raises:
        TaskError: the cursor does not lead on.
    """
    accounts = [
        each
        for each in service.deployments.accounts(current().name)
        if request.status in (None, each["status"]) and request.sandbox in (None, each["sandbox"])
    ]
    question = [request.status, request.sandbox]
    shown, pagination = paged(accounts, request.page, lambda each: str(each["account_id"]), question)
    return {"accounts": list(shown), "pagination": pagination}


def _account(new: NewAccount) -> dict[str, Any]:
    """An account as it is kept; the same brand, operator and sandbox are the same account."""
    brand, natural = (
        new.brand.model_dump(exclude_none=True),
        [*new.brand.model_dump().values(), new.operator, new.sandbox],
    )
    direct = new.operator == new.brand.domain
    return {
        "account_id": f"acc-{sha256(repr(natural).encode()).hexdigest()[:16]}",
        "name": new.brand.domain if direct else f"{new.brand.domain} c/o {new.operator}",
        "brand": brand,
        "operator": new.operator,
        "billing": new.billing,
        "account_scope": "brand" if direct else "operator_brand",
        "status": "active",
        "sandbox": new.sandbox,
    }


def _action(before: dict[str, Any] | None, now: dict[str, Any]) -> str:
    if before is None:
        return "created"
    return "unchanged" if before == now else "updated"
