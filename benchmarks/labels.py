"""What written labels do to sentences in other words: task d of the benchmark, on a date before those reported.

    python -m benchmarks.labels NAME...   train with each set of labels of the workspace, and without any
    python -m benchmarks.labels --render  only write the table in docs/labels.md again, from what was measured

Beside them stands "by hand": the sentences of ``by_hand.jsonl``, written by a person for groups of the grocery data.
None of them shares three words in a row, or two longer ones, with any sentence of the benchmark. A set that was
measured is not trained again; remove its entry of benchmarks/measured/labels.json for that.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agent.labelling.job import Paths
from benchmarks.forecasts.demands import BenchmarkDemand, category_demands, read_topics
from benchmarks.forecasts.figures import difference
from benchmarks.forecasts.judging import AUC, judge
from benchmarks.forecasts.run import read_study
from benchmarks.forecasts.study import observe, train_variant, withheld_items
from benchmarks.forecasts.tasks.wording import PARAPHRASE, TEMPLATE, read_wording, wording_file
from encoders.data.events import Dataset
from encoders.settings import Settings, settings
from encoders.training.fit import Recipe
from encoders.training.labels import LABEL_SCHEMA
from encoders.workspace import Workspace, silent

AS_OF = date(2017, 9, 1)
ROOT = Path(__file__).resolve().parents[1]
MEASURED, PAGE = ROOT / "benchmarks" / "measured" / "labels.json", ROOT / "docs" / "labels.md"
BY_HAND = Path(__file__).with_name("by_hand.jsonl")
PLAIN, HAND = "templates alone", "by hand"
_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
_KINDS = {
    "categories": {"category"},
    "templates": {TEMPLATE},
    "paraphrases": {PARAPHRASE},
    "plain language": {"plain"},
    "both of two": {"conjunction"},
    "one but not another": {"negation"},
    "coarse and fine": {"granularity"},
    "all in other words": {PARAPHRASE, "plain", "conjunction", "negation", "granularity"},
}


def by_hand(path: Path) -> Path:
    """The sentences written by a person as a label file; they come from no event."""
    rows = [json.loads(line) for line in BY_HAND.read_text("utf-8").splitlines()]
    usual = dict.fromkeys(LABEL_SCHEMA) | {
        "as_of": date(2017, 1, 1),
        "horizon_days": 0,
        "style": HAND,
        "language": "en",
    }
    usual |= {"source": "purchases", "level": "group", "without": []}
    table = [usual | {"sentence": row["sentence"], "names": row["groups"]} for row in rows]
    pl.DataFrame(table, schema=LABEL_SCHEMA).write_parquet(path)
    return path


def measure(workspace: Workspace, chosen: Settings, files: dict[str, str]) -> None:
    """Train with every label file that has no figures yet, and keep one AUC per demand."""
    known = _measured()
    dataset = Dataset.current(workspace)
    past = dataset.before(AS_OF)
    withheld = withheld_items(category_demands(dataset, chosen.seed))
    study = read_study(workspace, chosen, past, withheld, Recipe().windows, silent)
    outcome = observe(dataset, study.snapshot, _demands(dataset, chosen.seed))
    for name, file in files.items():
        if name not in known.get(str(chosen.seed), {}):
            recipe = Recipe(labels=file)
            variant = train_variant(workspace, chosen, study.examples, past, name, recipe, withheld)
            values = judge([variant.score(study, outcome.demands)], outcome, chosen)[0].values[AUC]
            kinds = [demand.kind for demand in outcome.demands]
            entry = {"kinds": kinds, "auc": [round(float(value), 5) for value in values]}
            known.setdefault(str(chosen.seed), {})[name] = entry
            MEASURED.write_text(json.dumps(known) + "\n", "utf-8")


def _demands(dataset: Dataset, seed: int) -> list[BenchmarkDemand]:
    """Categories, the wordings, and the templates of the paraphrases."""
    lines, topics = read_wording(wording_file(dataset.card.name)), read_topics(dataset)
    asked = [line.demand(topics) for line in lines]
    plain = {
        line.template: replace(demand, sentence=line.template, kind=TEMPLATE)
        for line, demand in zip(lines, asked, strict=True)
        if line.template is not None
    }
    return [*category_demands(dataset, seed), *plain.values(), *asked]


def _measured() -> dict[str, dict[str, Any]]:
    """By seed and set of labels: 'kinds' and 'auc' of every sentence."""
    return json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}


def table() -> str:
    """AUC per kind of sentence, and how far each is ahead of templates alone, with a 95 % interval over sentences.

    With several seeds, their mean sentence by sentence.
    """
    seeds = list(_measured().values())
    kinds = seeds[0][PLAIN]["kinds"]
    slices = [np.flatnonzero([kind in chosen for kind in kinds]) for chosen in _KINDS.values()]
    runs = {name: [np.array(sets[name]["auc"]) for sets in seeds if name in sets] for name in seeds[0]}
    plain = runs[PLAIN]
    lines = [f"| | seeds | {' | '.join(_KINDS)} |", f"|{'---|' * (len(_KINDS) + 2)}"]
    for name, values in runs.items():
        mean, without = np.mean(values, axis=0), np.mean(plain[: len(values)], axis=0)
        lines.append(f"| {name} | {len(values)} | {' | '.join(f'{mean[each].mean():.4f}' for each in slices)} |")
        if name != PLAIN:
            gains = [_gain(mean[each], without[each]) for each in slices]
            lines.append(f"| ahead by | | {' | '.join(gains)} |")
    return "\n".join([*lines, ""])


def _gain(values: np.ndarray, plain: np.ndarray) -> str:
    found = difference(values, plain)
    return "-" if found is None else f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure unless told not to, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help="sets of labels in the workspace")
    parser.add_argument("--render", action="store_true", help="only write the table again")
    chosen = parser.parse_args(arguments)
    if not chosen.render:
        workspace = Workspace(settings().workspace)
        sets = {name: str(Paths(workspace, name).labels) for name in chosen.names}
        with tempfile.TemporaryDirectory() as folder:
            hand = str(by_hand(Path(folder) / "by_hand.parquet"))
            measure(workspace, settings(), {PLAIN: "", **sets, HAND: hand})
    page = PAGE.read_text("utf-8")
    head, _, rest = page.partition(_BEGIN)
    PAGE.write_text(f"{head}{_BEGIN}{table()}{_END}{rest.partition(_END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
