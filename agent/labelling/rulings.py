"""The rule pass over all drafts of a run, what the self-check makes of it, and what stands in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.guarding.judging import read_ahead
from agent.labelling.grounding import Checked, Dropped, Grounding
from agent.labelling.planning import Plan
from agent.labelling.prompting import Draft, Verdict
from encoders.language.text import text_encoder
from encoders.model.scene import read_vocabulary
from encoders.settings import Settings
from encoders.workspace import Workspace

Ruling = Checked | Dropped | None
"""What became of a task; None where there is no draft."""


class Rulings:
    """Applies the rules to the drafts of one plan."""

    def __init__(self, workspace: Workspace, settings: Settings, plan: Plan) -> None:
        """Check against the data of ``workspace``, by the text encoder of the settings."""
        encoder = text_encoder(settings.text_encoder)
        vocabulary = read_vocabulary(plan.dataset, encoder, workspace)
        self.grounding, self._plan = Grounding(vocabulary, encoder, plan.card), plan

    def by_rules(self, drafts: Sequence[Draft | None]) -> list[Ruling]:
        """The rule pass, one ruling per draft."""
        sentences = {n: _plain(draft.sentence) for n, draft in enumerate(drafts) if draft is not None}
        return self._ruled(sentences, {n: draft.lines for n, draft in enumerate(drafts) if draft is not None})

    def after(self, verdicts: Mapping[int, Verdict | None], found: Sequence[Ruling]) -> list[Ruling]:
        """The rulings after a self-check; a sentence that it revised goes through the rules once more.

        Args:
            verdicts: by number of the task, for all that the rules kept; None where no answer came.
            found: the rulings so far.
        """
        before = {n: each.sentence for n, each in enumerate(found) if isinstance(each, Checked)}
        revised = {n: v for n, v in verdicts.items() if v is not None and not v.supported}
        revised = {n: v for n, v in revised.items() if _plain(v.revised) not in ("", before.get(n))}
        sentences = {number: _plain(verdict.revised) for number, verdict in revised.items()}
        again = self._ruled(sentences, {number: verdict.lines for number, verdict in revised.items()})
        rulings = list(found)
        for number, verdict in verdicts.items():
            first, after = rulings[number], again[number]
            if verdict is None:
                rulings[number] = Dropped("not checked yet")
            elif verdict.supported and isinstance(first, Checked):
                rulings[number] = first if first.ground else replace(first, ground="self-check")
            elif isinstance(after, Checked) and after.ground:
                rulings[number] = replace(after, revised=True)
            else:
                rulings[number] = Dropped("not supported by the self-check")
        return rulings

    def _ruled(self, sentences: Mapping[int, str], named: Mapping[int, Sequence[int]]) -> list[Ruling]:
        read_ahead(sentences.values())  # each is judged by the guard below
        vectors = dict(zip(sentences, self.grounding.embed(list(sentences.values())), strict=True))
        return [
            self.grounding.check(task, sentences[number], named[number], vectors[number])
            if number in sentences
            else None
            for number, task in enumerate(self._plan.tasks)
        ]


def settled(found: Sequence[Ruling]) -> list[Ruling]:
    """What stands: every sentence about the same things once, and nothing that was not proved."""
    seen: set[tuple[object, ...]] = set()
    rulings: list[Ruling] = []
    for each in found:
        ruling = each
        if isinstance(each, Checked):
            key = (each.sentence.casefold(), *(line.name for line in (*each.lines, *each.without)))
            if not each.ground:
                ruling = Dropped("not grounded")
            elif key in seen:
                ruling = Dropped("a duplicate")
            seen.add(key)
        rulings.append(ruling)
    return rulings


def _plain(sentence: str) -> str:
    """A sentence on one line, without the marks around it."""
    return " ".join(sentence.split()).strip(" \"'“”.")
