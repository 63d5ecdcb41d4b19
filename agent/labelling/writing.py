"""``audience label``: choose users, have sentences written, check them, and leave a set that training reads.

    plan ─> drafts (server, batch or templates) ─> rule pass ─> self-check ─> labels.parquet, card.md

Every stage begins from what the ledger holds, so a run that was stopped anywhere is simply run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from agent.labelling.batches import ask_by_batch
from agent.labelling.budget import CostEstimate, LabelBudget, cost, estimate
from agent.labelling.calls import Server, ask_all, server_of
from agent.labelling.checks import CheckedLabel, Ruling, Rulings, settled
from agent.labelling.finishing import finish
from agent.labelling.job import LabelJob, Paths
from agent.labelling.ledger import LabelLedger, LabelRequest
from agent.labelling.pace import Limits
from agent.labelling.planning import Plan, plan
from agent.labelling.prompting import (
    MODEL,
    LabelDraft,
    check_messages,
    read_draft,
    read_verdict,
    write_from_template,
    write_messages,
)
from agent.labelling.report import LabelReport
from agent.models.usage import Prices, read_prices
from encoders.errors import RequestError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from prompts.loader import table


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
