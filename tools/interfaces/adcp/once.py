"""Done once for each idempotency key: a repeated request gets the answer of the first, another one is turned down."""

import json
from collections.abc import Callable
from typing import Any

from tools.access.caller import current
from tools.delivery.deployments import Deployments
from tools.interfaces.adcp.protocol import TaskError
from tools.interfaces.adcp.requests import Keyed
from tools.storage.answers import KeyReusedError

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
