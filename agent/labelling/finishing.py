"""From rulings and reviews to the set that is kept."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from agent.labelling.checks import CheckedLabel, DroppedLabel, LabelChecker, Ruling
from agent.labelling.job import LabelJob, Paths
from agent.labelling.ledger import LabelLedger, Review, cost
from agent.labelling.prompting import MODEL, LabelDraft, Plan, Purpose, prompt_digest, shown
from agent.labelling.report import Agreement, Diversity, LabelExample, LabelReport, as_table, diversity, hard, save
from agent.labelling.sampling import Line
from agent.models.usage import read_prices
from encoders.settings import Settings

ACCEPT, EDIT, REJECT = "accept", "edit", "reject"
PERSON = "a person"
"""What an edited label is grounded by."""


def label_key(row: dict[str, Any]) -> str:
    """What a review is about: the same task in every run."""
    return " ".join(str(row[name]) for name in ("user_id", "as_of", "style", "language"))


def reviewed(labels: pl.DataFrame, reviews: Sequence[Review]) -> tuple[pl.DataFrame, int]:
    """The labels as people left them, and how many they took out; one rejection is enough.

    Of several edits that of the last reviewer by name stands.
    """
    said: dict[str, list[Review]] = defaultdict(list)
    for review in reviews:
        said[review.label].append(review)
    rows, rejected = [], 0
    for row in labels.iter_rows(named=True):
        words = said.get(label_key(row), [])
        if any(each.verdict == REJECT for each in words):
            rejected += 1
            continue
        edits = [each.sentence for each in words if each.verdict == EDIT]
        rows.append(row | {"sentence": edits[-1], "grounded_by": PERSON} if edits else row)
    return pl.DataFrame(rows, schema=labels.schema), rejected


def agreement(reviews: Sequence[Review]) -> Agreement | None:
    """Figures of the reviews; None where there are none."""
    if not reviews:
        return None
    said: dict[str, list[str]] = defaultdict(list)
    for review in reviews:
        said[review.label].append(review.verdict)
    several = [verdicts for verdicts in said.values() if len(verdicts) > 1]
    same = [len({verdict == ACCEPT for verdict in verdicts}) == 1 for verdicts in several]
    counts = {verdict: sum(review.verdict == verdict for review in reviews) for verdict in (ACCEPT, EDIT, REJECT)}
    return Agreement(
        reviewed=len(said),
        accepted=counts[ACCEPT],
        edited=counts[EDIT],
        rejected=counts[REJECT],
        twice=len(several),
        agreed=sum(same) / len(same) if same else None,
    )


_EXAMPLES = 12


def finish(
    paths: Paths,
    settings: Settings,
    job: LabelJob,
    plan: Plan,
    model: str,
    drafts: Sequence[LabelDraft | None],
    rulings: Sequence[Ruling],
    grounding: LabelChecker,
    ledger: LabelLedger,
) -> LabelReport:
    """Write the set, its report and its card; what people said about it before is applied again."""
    purposes: list[Purpose] = [] if model == MODEL else ["write", "check"] if job.self_check else ["write"]
    prompts = {purpose: prompt_digest(purpose) for purpose in purposes}
    reviews = ledger.reviews(job.name)
    labels, rejected = reviewed(as_table(_rows(plan, drafts, rulings, model, " ".join(prompts.values()))), reviews)
    dropped = Counter(str(each) for each in rulings if isinstance(each, DroppedLabel)) + Counter(
        {"rejected by a person": rejected}
    )
    spent, prices = ledger.spent(job.name), read_prices(settings.chat_prices)
    report = LabelReport(
        name=job.name,
        data=plan.card.title,
        note=plan.card.note,
        data_version=plan.card.version,
        as_of=plan.as_of,
        windows=tuple(sorted({task.unit.as_of for task in plan.tasks})),
        seed=settings.seed,
        model=model,
        prompts=prompts,
        sampling=job.sampling,
        users=plan.users,
        planned=len(plan.tasks),
        answered=sum(each is not None for each in rulings),
        kept=labels.height,
        dropped=dict(dropped.most_common()),
        grounded=dict(labels["grounded_by"].value_counts(sort=True).iter_rows()),
        revised=sum(isinstance(each, CheckedLabel) and each.revised for each in rulings),
        calls=spent.calls,
        untold=spent.untold,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        dollars=cost(prices, spent, None) if prices else None,
        states=ledger.states(job.name),
        errors=ledger.errors(job.name),
        diversity=_diversity(plan, rulings, grounding),
        examples=_examples(plan, drafts, rulings),
        agreement=agreement(reviews),
    )
    save(paths, labels, report)
    return report


def _rows(
    plan: Plan, drafts: Sequence[LabelDraft | None], rulings: Sequence[Ruling], model: str, prompt: str
) -> list[dict[str, object]]:
    kept = [(task, draft, each) for task, draft, each in zip(plan.tasks, drafts, rulings, strict=True)]
    stand = [(task, draft, each) for task, draft, each in kept if isinstance(each, CheckedLabel) and draft is not None]
    far = hard(np.array([each.distance for _, _, each in stand]))
    return [
        {
            "user_id": task.unit.user_id,
            "as_of": task.unit.as_of,
            "horizon_days": task.unit.horizon_days,
            "style": task.style,
            "language": task.language,
            "sentence": each.sentence,
            "topics": list(draft.topics),
            "source": each.lines[0].source,
            "level": each.lines[0].level,
            "names": _names(each.lines),
            "without": _names(each.without),
            "items": sorted({item for line in each.lines for item in line.items}),
            "lines": shown(task.unit.lines, plan.card).splitlines(),
            "confidence": draft.confidence / 5,
            "grounded_by": each.ground,
            "distance": each.distance,
            "hard": bool(is_far),
            "model": model,
            "prompt": prompt,
        }
        for (task, draft, each), is_far in zip(stand, far, strict=True)
    ]


def _names(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line.name for line in lines))


def _diversity(plan: Plan, rulings: Sequence[Ruling], grounding: LabelChecker) -> Diversity:
    """Of all labels that stand, against the things that the writers read about."""
    stand = [each for each in rulings if isinstance(each, CheckedLabel)]
    sentences = [each.sentence for each in stand]
    groups = sorted({line.name for task in plan.tasks for line in task.unit.lines if line.items})
    named = {line.name for each in stand for line in each.lines}
    vectors = grounding.vectors_of(groups)
    return diversity(sentences, grounding.embed(sentences), vectors, np.array([name in named for name in groups]))


def _examples(plan: Plan, drafts: Sequence[LabelDraft | None], rulings: Sequence[Ruling]) -> tuple[LabelExample, ...]:
    """Some labels from all over the set, kept and dropped alike."""
    there = [
        LabelExample(
            lines="; ".join(shown(task.unit.lines, plan.card).splitlines()),
            sentence=draft.sentence,
            fate=f"kept, by {each.ground}: {', '.join(_names(each.lines))}"
            if isinstance(each, CheckedLabel)
            else str(each),
        )
        for task, draft, each in zip(plan.tasks, drafts, rulings, strict=True)
        if draft is not None
    ]
    return tuple(there[:: max(1, len(there) // _EXAMPLES)][:_EXAMPLES])
