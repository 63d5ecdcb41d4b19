"""The examples on offer speak of what users do as the data does."""

import pytest

from agent.replies import examples
from tests.agent.agent_doubles import CARD


@pytest.mark.parametrize("verb", ["buy", "like"])
def test_examples_use_the_verb_of_the_data(verb: str) -> None:
    worded = CARD.sources[0].model_copy(update={"wording": f"{verb} {{items}}"})
    shown = examples(CARD.model_copy(update={"main_source": worded.source, "sources": (worded,)}))
    assert f" that will {verb} " in shown[0]
    assert not any("buy" in each or "sell" in each for each in shown[1:])
