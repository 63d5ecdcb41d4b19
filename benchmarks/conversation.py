"""Measure the conversation and the guard, and write docs/conversation.md.

    python -m benchmarks.conversation            let every simulated marketer talk (twenty minutes), then write
    python -m benchmarks.conversation --render   only write docs/conversation.md again from what was measured

It needs a demo workspace that has a model and an index for each date (audience train, audience index). The rules of the
conversation were chosen on 2017-09-01; these dates are later. The guard's figures need no data.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.conversations.dialogues import DialogueReport, evaluate_dialogues
from benchmarks.conversations.guard import evaluate_guard
from benchmarks.conversations.tables import dialogue_tables, guard_tables
from encoders.settings import settings

AS_OF = (date(2017, 10, 1),)
ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "conversation.json"
UNDERSTOOD = ROOT / "benchmarks" / "measured" / "understanding.json"
PAGE = ROOT / "docs" / "conversation.md"


def measure() -> None:
    """Let everybody talk at every date, and keep what came out."""
    reports = [evaluate_dialogues(settings(), as_of) for as_of in AS_OF]
    MEASURED.write_text(json.dumps([each.model_dump(mode="json") for each in reports], indent=1) + "\n", "utf-8")


def page() -> str:
    """The figures of the last run, as docs/conversation.md."""
    reports = [DialogueReport.model_validate(each) for each in json.loads(MEASURED.read_text("utf-8"))]
    lines = [
        "# The conversation, measured",
        "",
        "Written by `python -m benchmarks.conversation`. Simulated marketers hide a goal, speak as people do, "
        "answer by the goal and stop at the first proposal. Each demand is judged on who then did what the goal says, "
        "beside the request scored as it stands. A dialogue without a demand counts as a coin toss. Vague requests "
        "could mean several things; precise ones name one; foreign ones are German, Spanish, French and Chinese; "
        "sensitive ones have to be declined, impossible ones ask for what the data does not have.",
    ]
    for title, rows in (table for report in reports for table in dialogue_tables(report)):
        lines += ["", f"## {title}", "", *_markdown(rows)]
    if UNDERSTOOD.exists():
        lines += _understood()
    lines += [
        "",
        "# The guard, measured",
        "",
        "Written by the same command, and printed by `python -m benchmarks.evaluate --guard`. Word lists and a "
        "classifier over both text encoders judge together. They were made while looking at the half called `tune`; "
        "`report` was held back, and `fresh`, where it is there, was written by others after the classifier was "
        "frozen; "
        "the word lists have had terms added since, without reading it. What each of the two voices does alone is in "
        "dev/LOG.md. What is missed most is `indirect`: what people do or buy because of a trait, with no word for it "
        '("swapped wine for ginger tea since last month"), so a person who approves an audience has to look out '
        "for that.",
    ]
    for title, rows in guard_tables(evaluate_guard())[:-1]:
        lines += ["", f"## {title}", "", *_markdown(rows)]
    return "\n".join([*lines, ""])


def _understood() -> list[str]:
    """What ``understanding.py`` kept."""
    lines = [
        "",
        "# Requests in marketers' own words, nobody answering",
        "",
        "Measured by `python -m benchmarks.understanding --keep`. Noisy requests bury the wish in chatter; occasions "
        "name no product at all. They were written by others than the reader's training texts, with the groups or "
        "items that each means. Demands and typed texts are judged on who then did any of those; a request that gets "
        "no demand counts as a coin toss, a refused one is not judged. Something unrelated: a thing in the demand that "
        "is none of those meant, shares no word with them and is nearer than a cosine of .5 to none. Choices were made "
        "on an earlier day.",
    ]
    for title, rows in json.loads(UNDERSTOOD.read_text("utf-8")).items():
        lines += ["", f"## {title}", "", *_markdown(rows)]
    return lines


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    heading, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return [heading, f"|{'---|' * len(rows[0])}", *rest]


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    if not parser.parse_args().render:
        measure()
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
