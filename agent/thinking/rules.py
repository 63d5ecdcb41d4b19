"""The offline way: the same context always gives the same step."""

from agent.checking import Searching, check_step
from agent.context import Context
from agent.rules.deciding import decide
from agent.thinking.decision import Decision
from agent.usage import Conduct


class RuleThinker:
    """Rules over what the data has; no language model, no network."""

    def __init__(self, name: str, search: Searching) -> None:
        """Decide with ``search``, which gives the groups near some words, best first."""
        self.name, self._search = name, search

    def decide(self, context: Context, conduct: Conduct) -> Decision:
        """Decide by rules; ``conduct`` stays as it is."""
        step, notes = check_step(decide(context), context, self._search)
        return Decision(step, notes, conduct)
