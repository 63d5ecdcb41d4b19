"""``audience label NAME --review``: one label after the other beside what its user did."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from agent.labelling.finishing import ACCEPT, EDIT, REJECT, agreement, label_key, reviewed
from agent.labelling.job import Paths
from agent.labelling.ledger import LabelLedger, Review
from agent.labelling.report import Agreement, load, save
from encoders.errors import RequestError
from encoders.workspace import Workspace

_QUIT = "quit"
_KEYS = {"a": ACCEPT, "e": EDIT, "r": REJECT, "q": _QUIT}


def review_labels(workspace: Workspace, name: str, by: str) -> Agreement:
    """Show every label that ``by`` has not looked at yet, until they quit; each word is kept at once.

    Raises:
        DataError: there are no such labels.
        RequestError: nothing was looked at, now or before.
    """
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
    while True:
        key = typer.prompt("(a)ccept, (e)dit, (r)eject, (q)uit", "a").strip().lower()[:1]
        if key in _KEYS:
            return _KEYS[key]
