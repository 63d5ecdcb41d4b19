"""Language models: models pull, models record; and label, which has one write what users did next."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import AsOf, Json, PlainGroup, open_workspace, progress_bar, show
from agent.labelling.job import LANGUAGES, STANDARD_STYLES, STYLES, LabelJob, Paths, Sampling
from encoders.errors import RequestError
from encoders.settings import Settings
from encoders.workspace import Workspace

if TYPE_CHECKING:
    from datetime import date

    from agent.labelling.report import Agreement
    from agent.labelling.writing import LabellingResult, Terms

# --- Language models: models pull, models record --------------------------------------------------


app = typer.Typer(cls=PlainGroup, help="Language models; none is needed.")


@app.command(epilog="Example: audience models pull qwen2.5-coder-0.5b")
def pull(
    name: Annotated[str, typer.Argument(help="The model's name, qwen2.5-coder-0.5b or qwen2.5-coder-1.5b.")],
    as_json: Json = False,
) -> None:
    """Fetch a model in parts and check its SHA-256 before anything may load it."""
    workspace, _ = open_workspace()
    from agent.models.chat import pull as run

    with progress_bar() as progress:
        path = run(name, workspace.path, progress)
    show({"model": path}, as_json, lambda: f"Model: {path}\nNext: AUDIENCE_CHAT_MODEL=local:{name} audience serve")


@app.command(epilog="Example: audience models record --requests requests.jsonl --out recorded.jsonl")
def record(
    requests: Annotated[Path, typer.Option(help='JSONL of {"id", "request"}.')],
    out: Annotated[Path, typer.Option(help="JSONL of what the model called and answered, a line a request.")],
    as_json: Json = False,
) -> None:
    """Record what the language model of the settings makes of a file of requests, nobody answering its questions.

    The file holds the tools it called with what it gave them, the audience that came of it, and the tokens; a test can
    replay it without the model.
    """
    _, settings = open_workspace()
    from agent.batch import read_recorded
    from agent.batch import record as run
    from encoders.workspace import SHARED, atomic_file
    from tools.service import AudienceService

    asked = read_recorded(requests)
    with progress_bar() as progress, closing(AudienceService.open(settings)) as service:
        recorded = list(run(service, settings, asked, progress))
    with atomic_file(out, SHARED) as part:
        part.write_text("".join(f"{each.model_dump_json()}\n" for each in recorded), "utf-8")
    proposed = sum(each.spec is not None for each in recorded)
    answers = sum(len(each.answers) for each in recorded)
    said = f"{len(recorded)} requests, {answers} answers of the model, {proposed} audiences: {out}"
    show({"requests": len(recorded), "answers": answers, "audiences": proposed, "out": out}, as_json, lambda: said)


# --- Labels: have a language model write what users did next, check it, and look at it ------------


_FEW = 1
_MANY = 8


def label(
    name: Annotated[str, typer.Argument(help="What this set of labels is called; the same name goes on with it.")],
    as_of: AsOf = None,
    users: Annotated[int, typer.Option(min=1, help="User-windows to write about.")] = 500,
    windows: Annotated[int, typer.Option(min=1, help="Windows of 28 days, the latest that were over first.")] = 3,
    styles: Annotated[str, typer.Option(help=f"Of {', '.join(STYLES)}; taken in turns.")] = ",".join(STANDARD_STYLES),
    languages: Annotated[str, typer.Option(help=f"Of {', '.join(LANGUAGES)}; taken in turns.")] = "en",
    per_user: Annotated[int, typer.Option(min=1, help="Sentences per user-window.")] = 1,
    lines: Annotated[int, typer.Option(min=1, max=12, help="Things about a user that the writer reads.")] = 4,
    sampling: Annotated[
        Sampling, typer.Option(help="Whom to choose: spread evenly, or those the model foresaw worst.")
    ] = "stratified",
    self_check: Annotated[bool, typer.Option("--self-check", help="Have the model re-read every sentence.")] = False,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="Else what the server does.")] = None,
    rpm: Annotated[float | None, typer.Option(min=0.1, help="Requests per minute that the server allows.")] = None,
    tpm: Annotated[float | None, typer.Option(min=1, help="Tokens per minute that the server allows.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at the same time; 1 for a local model.")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Dollars that the set may cost; never passed.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="By OpenAI's Batch API: submit now, fetch later.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many calls, tokens and dollars.")] = False,
    review: Annotated[bool, typer.Option("--review", help="Look at the labels: accept, edit or reject each.")] = False,
    by: Annotated[str, typer.Option(help="Who looks at them.")] = "me",
    as_json: Json = False,
) -> None:
    """Write sentences about what users did next, with the model that AUDIENCE_CHAT_MODEL names, for training."""
    workspace, settings = open_workspace()
    job = LabelJob(
        name=name,
        units=users,
        windows=windows,
        styles=_split(styles),
        languages=_split(languages),
        per_unit=per_user,
        lines=lines,
        sampling=sampling,
        self_check=self_check,
        temperature=temperature,
    )
    if review:
        _review(workspace, name, by, as_json)
    elif dry_run:
        _estimate(workspace, settings, job, as_of, as_json)
    else:
        from agent.labelling.calls import Limits
        from agent.labelling.writing import Terms

        many = _FEW if settings.chat_model.startswith("local:") else _MANY
        terms = Terms(Limits(rpm, tpm, concurrency or many), budget, batch)
        _write(workspace, settings, job, as_of, terms, as_json)


def _split(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _write(
    workspace: Workspace, settings: Settings, job: LabelJob, as_of: "date | None", terms: "Terms", as_json: bool
) -> None:
    from agent.labelling.writing import write_labels

    with progress_bar() as progress:
        outcome = write_labels(workspace, settings, job, as_of, terms, progress)
    paths = Paths(workspace, job.name)
    answer = {"labels": paths.labels, "card": paths.card, "stopped": outcome.stopped, **outcome.report.model_dump()}
    show(answer, as_json, lambda: _in_words(outcome, paths))


def _in_words(outcome: "LabellingResult", paths: Paths) -> str:
    report = outcome.report
    lines = [
        f"{report.kept:,} labels of {report.answered:,} answers, {report.planned:,} planned; by {report.model}",
        f"  labels {paths.labels}",
        f"  card   {paths.card}",
        *(f"  {count:,} dropped: {reason}" for reason, count in report.dropped.items()),
    ]
    if report.calls:
        cost = "" if report.dollars is None else f", ${report.dollars:,.4f}"
        lines.append(f"  {report.calls:,} calls, {report.input_tokens:,} + {report.output_tokens:,} tokens{cost}")
    if outcome.stopped:
        lines.append(outcome.stopped)
    failed = sum(report.errors.values())
    if failed:
        lines.append(f"{failed:,} requests failed; run the same command again and they are asked again.")
    return "\n".join([*lines, f"Next: audience train --labels {paths.labels}"])


def _estimate(workspace: Workspace, settings: Settings, job: LabelJob, as_of: "date | None", as_json: bool) -> None:
    from agent.labelling.writing import estimate_labels

    with progress_bar() as progress:
        found = estimate_labels(workspace, settings, job, as_of, progress)
    money = "no prices are set (AUDIENCE_CHAT_PRICES)" if found.dollars is None else f"about ${found.dollars:,.4f}"
    show(
        found,
        as_json,
        lambda: (
            f"{found.calls:,} calls, about {found.input_tokens:,} tokens read and {found.output_tokens:,} written; "
            f"{money}. Nothing was sent."
        ),
    )


def _review(workspace: Workspace, name: str, by: str, as_json: bool) -> None:
    found = review_labels(workspace, name, by)
    show(
        found,
        as_json,
        lambda: f"{found.reviewed} of the labels were looked at; the card says more: {_card(workspace, name)}",
    )


def _card(workspace: Workspace, name: str) -> Path:
    return Paths(workspace, name).card


# --- label NAME --review: one label after the other beside what its user did ---------------------

_QUIT = "quit"


def review_labels(workspace: Workspace, name: str, by: str) -> "Agreement":
    """Show every label that ``by`` has not looked at yet, until they quit; each word is kept at once.

    Raises:
        DataError: there are no such labels.
        RequestError: nothing was looked at, now or before.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel

    from agent.labelling.finishing import EDIT, agreement, label_key, reviewed
    from agent.labelling.ledger import LabelLedger, Review
    from agent.labelling.report import load, save

    paths = Paths(workspace, name)
    labels, report = load(paths)
    console = Console()
    with LabelLedger.open(paths.ledger) as ledger:
        seen = {review.label for review in ledger.reviews(name) if review.reviewer == by}
        left = [row for row in labels.iter_rows(named=True) if label_key(row) not in seen]
        for number, row in enumerate(left, 1):
            body = "\n".join([*row["lines"], "", row["sentence"], f"rests on: {', '.join(row['names'])}"])
            title = f"{number} of {len(left)} · {row['style']} · {row['language']} · by {row['grounded_by']}"
            console.print(Panel(escape(body), title=escape(title)))
            verdict = _asked()
            if verdict == _QUIT:
                break
            sentence = (
                typer.prompt("The sentence as it should be", row["sentence"]) if verdict == EDIT else row["sentence"]
            )
            ledger.review(name, Review(label_key(row), by, verdict, sentence))
        said = ledger.reviews(name)
    found = agreement(said)
    if found is None:
        raise RequestError("No label was looked at.")
    kept, rejected = reviewed(labels, said)
    dropped = report.dropped | (
        {"rejected by a person": report.dropped.get("rejected by a person", 0) + rejected} if rejected else {}
    )
    save(paths, kept, report.model_copy(update={"kept": kept.height, "dropped": dropped, "agreement": found}))
    return found


def _asked() -> str:
    """What a person says about the label they see."""
    from agent.labelling.finishing import ACCEPT, EDIT, REJECT

    keys = {"a": ACCEPT, "e": EDIT, "r": REJECT, "q": _QUIT}
    while True:
        key = typer.prompt("(a)ccept, (e)dit, (r)eject, (q)uit", "a").strip().lower()[:1]
        if key in keys:
            return keys[key]
