"""``audience label``: choose users, have sentences written, check them, and leave a set that training reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from string import Template
from typing import Any, Literal

from openai import OpenAI, OpenAIError
from openai.types import Batch

from agent.labelling.calls import Limits, Server, ask_all, fault, server_of
from agent.labelling.checks import CheckedLabel, Ruling, Rulings, settled
from agent.labelling.finishing import finish
from agent.labelling.job import LabelJob, Paths
from agent.labelling.ledger import CostEstimate, LabelBudget, LabelLedger, LabelRequest, cost, estimate
from agent.labelling.prompting import (
    MODEL,
    LabelDraft,
    Plan,
    check_messages,
    plan,
    read_draft,
    read_verdict,
    write_from_template,
    write_messages,
)
from agent.labelling.report import LabelReport
from agent.models.calls import in_words
from agent.models.usage import Prices, read_prices
from encoders.errors import RequestError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from prompts.loader import table

# --- OpenAI's Batch API: requests as one JSONL file, answered within a day at a lower price -------
#
# A first run submits, a later one fetches. A batch is found again by the digest of what it asks even when the run that
# submitted it was killed before it could note so; whatever failed in one goes into the next.


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


# --- ``audience label``: choose users, have sentences written, check them, and leave a set that training
#     reads ---
#
# plan ─> drafts (server, batch or templates) ─> rule pass ─> self-check ─> labels.parquet, card.md
#
# Every stage begins from what the ledger holds, so a run that was stopped anywhere is simply run again.


@dataclass(frozen=True)
class Terms:
    """How the server may be asked."""

    limits: Limits = field(default_factory=Limits)
    budget: float | None = None
    """Dollars that the whole set may cost, all passes together."""
    batch: bool = False
    """Whether the requests go out as an OpenAI batch."""


@dataclass(frozen=True)
class LabellingResult:
    """What a run left behind."""

    report: LabelReport
    stopped: str = ""
    """What is still to come, in words; empty where everything has been asked."""


def estimate_labels(
    workspace: Workspace, settings: Settings, job: LabelJob, as_of: date | None = None, progress: Progress = silent
) -> CostEstimate:
    """What a run would still ask for, without asking; a self-check counts one call a sentence."""
    server = server_of(settings, start=False)
    if server is None:
        return CostEstimate(0, 0, 0, None)
    requests = _requests(server, plan(workspace, settings, job, as_of, progress), job)
    with LabelLedger.open(Paths(workspace, job.name).ledger) as ledger:
        answered = ledger.answers(requests)
    left = [each for each in requests if each.key not in answered]
    return estimate([*left, *(requests if job.self_check else [])], read_prices(settings.chat_prices))


def write_labels(
    workspace: Workspace,
    settings: Settings,
    job: LabelJob,
    as_of: date | None = None,
    terms: Terms | None = None,
    progress: Progress = silent,
) -> LabellingResult:
    """Write, check and keep one set of labels; what was answered before is not asked again.

    Raises:
        DataError: there is nothing to write about.
        ChatModelError: the server refuses every call; what was answered is kept.
        RequestError: a budget without prices.
    """
    paths, terms, prices = Paths(workspace, job.name), terms or Terms(), read_prices(settings.chat_prices)
    if terms.budget is not None and prices is None:
        raise RequestError(
            "A budget needs prices; set AUDIENCE_CHAT_PRICES to dollars per million tokens read/written."
        )
    with workspace.lock("label"), LabelLedger.open(paths.ledger) as ledger:
        planned = plan(workspace, settings, job, as_of, progress)
        server = server_of(settings)
        asking = _Asking(job, ledger, terms, prices, server, progress)
        drafts = asking.drafts(planned, settings.seed)
        progress("Checking what was written", None)
        rulings = Rulings(workspace, settings, planned)
        found = rulings.by_rules(drafts)
        if job.self_check and server is not None:
            found = asking.self_checked(server, planned, rulings, found)
        model = server.label if server else MODEL
        report = finish(paths, settings, job, planned, model, drafts, settled(found), rulings.grounding, ledger)
    return LabellingResult(report, asking.stopped)


def _requests(server: Server, planned: Plan, job: LabelJob) -> list[LabelRequest]:
    return [
        server.request("write", write_messages(task, planned.card), len(task.unit.lines), job.temperature)
        for task in planned.tasks
    ]


@dataclass
class _Asking:
    """Asks the server of a run, or the built-in writer where there is none."""

    job: LabelJob
    ledger: LabelLedger
    terms: Terms
    prices: Prices | None
    server: Server | None
    progress: Progress
    stopped: str = ""

    def drafts(self, planned: Plan, seed: int) -> list[LabelDraft | None]:
        """One per task, None where there is no answer."""
        if self.server is None:
            return [write_from_template(task, seed) for task in planned.tasks]
        requests = _requests(self.server, planned, self.job)
        answers = self._ask(self.server, requests)
        return [read_draft(answers[each.key]) if each.key in answers else None for each in requests]

    def self_checked(self, server: Server, planned: Plan, rulings: Rulings, found: Sequence[Ruling]) -> list[Ruling]:
        """Have the model re-read what the rules kept."""
        asked: dict[int, LabelRequest] = {}
        for number, (task, each) in enumerate(zip(planned.tasks, found, strict=True)):
            if isinstance(each, CheckedLabel):
                lines = task.unit.lines
                messages = check_messages(lines, each.sentence, planned.card)
                asked[number] = server.request("check", messages, len(lines), self.job.temperature)
        answers = self._ask(server, list(asked.values()))
        return rulings.after({n: read_verdict(answers.get(each.key, "")) for n, each in asked.items()}, found)

    def _ask(self, server: Server, requests: list[LabelRequest]) -> dict[str, str]:
        """The answers there are, once everything was asked that may be."""
        self.ledger.add(self.job.name, requests)
        budget = self._budget(requests)
        if self.terms.batch:
            self.stopped = ask_by_batch(requests, server, self.ledger, self.job.name, budget) or self.stopped
        elif ask_all(requests, server, self.ledger, self.terms.limits, budget, self.progress).out_of_budget:
            self.stopped = table("labelling/words")["out_of_budget"]
        return self.ledger.answers(requests)

    def _budget(self, requests: Sequence[LabelRequest]) -> LabelBudget:
        longest = max(requests, key=lambda each: each.most_read, default=None)
        already = cost(self.prices, self.ledger.spent(self.job.name), longest) if self.prices else 0.0
        return LabelBudget(self.terms.budget, self.prices, already)
