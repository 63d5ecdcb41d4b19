"""The offline way: the same context always gives the same step."""

from agent.checking import Searching, check_step
from agent.context import Context
from agent.rules.deciding import decide
from agent.steps import Step, StepError
from agent.thinking.decision import Decision
from agent.usage import Conduct


class RuleThinker:
    """Rules over what the data has; no language model, no network."""

    def __init__(self, name: str, search: Searching) -> None:
        """Decide with ``search``, which gives the groups near some words, best first."""
        self.name, self._search = name, search

    def decide(self, context: Context, conduct: Conduct) -> Decision:
        """Decide by rules; ``conduct`` stays as it is."""
        decided = decide(context)
        try:
            step, notes = check_step(decided, context, self._search)
        except StepError:
            return Decision(_instead(decided), (), conduct)
        return Decision(step, notes, conduct)


def _instead(step: Step) -> Step:
    """What is done where nothing usable is left of a step: a question with one answer is that answer."""
    if step.action == "ask" and len(step.options or ()) == 1 and step.topic == "meaning":
        return Step(action="propose", groups=step.options, new_request=step.new_request)
    return Step(action="answer", topic="unknown")
