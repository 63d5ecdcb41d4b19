"""From rulings to the set that is kept: its rows, and the figures of its card."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from agent.labelling.grounding import Checked, Dropped, Grounding
from agent.labelling.horizon import Line
from agent.labelling.job import Job, Paths
from agent.labelling.ledger import Ledger
from agent.labelling.money import cost
from agent.labelling.planning import Plan
from agent.labelling.prompting import Draft, Purpose, prompt_digest, shown
from agent.labelling.record import Example, LabelReport, as_table, save
from agent.labelling.reviews import agreement, reviewed
from agent.labelling.rulings import Ruling
from agent.labelling.statistics import Diversity, diversity, hard
from agent.labelling.templates import MODEL
from agent.usage import read_prices
from encoders.settings import Settings

_EXAMPLES = 12


def finish(
    paths: Paths,
    settings: Settings,
    job: Job,
    plan: Plan,
    model: str,
    drafts: Sequence[Draft | None],
    rulings: Sequence[Ruling],
    grounding: Grounding,
    ledger: Ledger,
) -> LabelReport:
    """Write the set, its report and its card; what people said about it before is applied again."""
    purposes: list[Purpose] = [] if model == MODEL else ["write", "check"] if job.self_check else ["write"]
    prompts = {purpose: prompt_digest(purpose) for purpose in purposes}
    reviews = ledger.reviews(job.name)
    labels, rejected = reviewed(as_table(_rows(plan, drafts, rulings, model, " ".join(prompts.values()))), reviews)
    dropped = Counter(str(each) for each in rulings if isinstance(each, Dropped)) + Counter(
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
        revised=sum(isinstance(each, Checked) and each.revised for each in rulings),
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
    plan: Plan, drafts: Sequence[Draft | None], rulings: Sequence[Ruling], model: str, prompt: str
) -> list[dict[str, object]]:
    kept = [(task, draft, each) for task, draft, each in zip(plan.tasks, drafts, rulings, strict=True)]
    stand = [(task, draft, each) for task, draft, each in kept if isinstance(each, Checked) and draft is not None]
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


def _diversity(plan: Plan, rulings: Sequence[Ruling], grounding: Grounding) -> Diversity:
    """Of all labels that stand, against the things that the writers read about."""
    stand = [each for each in rulings if isinstance(each, Checked)]
    sentences = [each.sentence for each in stand]
    groups = sorted({line.name for task in plan.tasks for line in task.unit.lines if line.items})
    named = {line.name for each in stand for line in each.lines}
    vectors = grounding.vectors_of(groups)
    return diversity(sentences, grounding.embed(sentences), vectors, np.array([name in named for name in groups]))


def _examples(plan: Plan, drafts: Sequence[Draft | None], rulings: Sequence[Ruling]) -> tuple[Example, ...]:
    """Some labels from all over the set, kept and dropped alike."""
    there = [
        Example(
            lines="; ".join(shown(task.unit.lines, plan.card).splitlines()),
            sentence=draft.sentence,
            fate=f"kept, by {each.ground}: {', '.join(_names(each.lines))}" if isinstance(each, Checked) else str(each),
        )
        for task, draft, each in zip(plan.tasks, drafts, rulings, strict=True)
        if draft is not None
    ]
    return tuple(there[:: max(1, len(there) // _EXAMPLES)][:_EXAMPLES])
