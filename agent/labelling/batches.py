"""OpenAI's Batch API: requests as one JSONL file, answered within a day at a lower price.

A first run submits, a later one fetches. A batch is found again by the digest of what it asks even when the run that
submitted it was killed before it could note so; whatever failed in one goes into the next.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from string import Template
from typing import Any, Literal

from openai import OpenAI, OpenAIError
from openai.types import Batch

from agent.labelling.budget import LabelBudget
from agent.labelling.calls import Server, fault
from agent.labelling.ledger import LabelLedger, LabelRequest
from agent.models.calls import in_words
from prompts.loader import table

_ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MARK = "audience_requests"
_OVER = {"completed", "failed", "expired", "cancelled"}
_MOST = 50_000
"""Requests in one batch, which is what OpenAI allows."""


def ask_by_batch(
    requests: Sequence[LabelRequest], server: Server, ledger: LabelLedger, name: str, budget: LabelBudget
) -> str:
    """Fetch what earlier batches of the set answered, then submit what is left.

    Returns:
        What to wait for, in words; empty where everything is answered.

    Raises:
        ChatModelError: the server refused.
    """
    known = {each.key: each for each in requests}
    try:
        with OpenAI(base_url=server.url, api_key=server.key or "none", timeout=server.timeout) as client:
            waiting = [batch for batch in ledger.batches(name) if not _merged(client, batch, ledger, known)]
            if waiting:
                return _words("batch_waiting", batch=waiting[0], status=client.batches.retrieve(waiting[0]).status)
            left = [each for each in ledger.left(requests) if budget.reserve(each)][:_MOST]
            if not left:
                return table("labelling/words")["out_of_budget"] if budget.stopped else ""
            batch = _submitted(client, left)
            ledger.batched([each.key for each in left], batch.id)
            return _words("batch_submitted", batch=batch.id, requests=len(left))
    except OpenAIError as error:
        raise in_words(error) from error


def _submitted(client: OpenAI, left: Sequence[LabelRequest]) -> Batch:
    """The batch of just these requests: the one that a killed run left with the server, or a new one."""
    mark = sha256("".join(sorted(each.key for each in left)).encode()).hexdigest()[:48]
    for batch in client.batches.list(limit=100):
        if (batch.metadata or {}).get(_MARK) == mark and batch.status not in _OVER - {"completed"}:
            return batch
    lines = [{"custom_id": each.key, "method": "POST", "url": _ENDPOINT, "body": each.body} for each in left]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    file = client.files.create(file=("requests.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=_ENDPOINT, completion_window="24h", metadata={_MARK: mark}
    )


def _merged(client: OpenAI, identity: str, ledger: LabelLedger, known: dict[str, LabelRequest]) -> bool:
    """Whether a batch is over; if so its answers are in the ledger, and what it did not answer is open again."""
    batch = client.batches.retrieve(identity)
    if batch.status not in _OVER:
        return False
    for file in (batch.output_file_id, batch.error_file_id):
        for line in client.files.content(file).text.splitlines() if file else ():
            _keep(json.loads(line), ledger, known)
    for key in ledger.keys_in(identity):
        ledger.failed(key, f"the batch is '{batch.status}' without an answer")
    return True


def _keep(line: dict[str, Any], ledger: LabelLedger, known: dict[str, LabelRequest]) -> None:
    request = known.get(line["custom_id"])
    if request is None:
        return
    response = line.get("response") or {}
    if line.get("error") or response.get("status_code") != 200:
        ledger.failed(request.key, f"error {response.get('status_code', 'in the batch')}")
        return
    body = response["body"]
    usage = body.get("usage")
    tokens = (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None
    choice = body["choices"][0]
    answer = choice["message"]["content"] or ""
    error = "the answer was cut off" if choice["finish_reason"] == "length" else fault(request, answer)
    ledger.answered(request.key, answer, tokens, error)


def _words(key: str, **values: object) -> str:
    return Template(table("labelling/words")[key]).substitute(values)
