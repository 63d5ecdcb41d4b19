import ast
import re
import string
from pathlib import Path

import pytest

from agent import replies
from agent.steps import NEWNESS
from prompts.loader import LANGUAGES, PromptError, fill, reply, table

ROOT = Path(__file__).parents[2]


def _calls(function: str) -> list[tuple[str, set[str], str]]:
    found = []
    for path in sorted((ROOT / "agent").glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                keys = [node.args[0]] if node.args else []
                if keys and isinstance(keys[0], ast.IfExp):
                    keys = [keys[0].body, keys[0].orelse]
                names = {each.arg or "" for each in node.keywords}
                found += [(str(k.value), names, path.name) for k in keys if isinstance(k, ast.Constant)]
    return found


@pytest.mark.parametrize(("key", "names", "file"), _calls("reply"))
def test_every_reply_in_the_code_has_a_text_with_exactly_its_variables(key: str, names: set[str], file: str) -> None:
    assert set(string.Template(table("replies")[key]).get_identifiers()) == names, file


def test_every_text_is_used() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "agent").glob("**/*.py"))
    code += str(table("guard")).replace("'", '"')  # a restricted attribute names its own reply
    assert [key for key in table("replies") if f'"{key}"' not in code] == []


def test_what_the_assistant_says_is_of_no_trade() -> None:
    """What people do is said by the verbs of the data."""
    buttons = [replies.FIRST, replies.EVERYONE, replies.LEAVE_OUT, *NEWNESS]
    buttons += [label for code in LANGUAGES for label in table(f"languages/{code}")["labels"]]
    of_data_that_is_bought = {"sentence", "sentence_first"}  # only said where the verb of the data is "buy"
    texts = [text for key, text in table("replies").items() if key not in of_data_that_is_bought]
    trade = re.compile(r"\b(?:buy|bought|buyers?|purchase\w*|shop(?:s|pers?|ping)?)\b", re.I)
    assert [each for each in (*buttons, *texts) if trade.search(each)] == []


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(PromptError, match=r"repair\.md needs a value for problem"):
        fill("repair")


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(PromptError, match=r"repair\.md has no place for mood"):
        fill("repair", problem="none", mood="bad")


def test_a_missing_text_is_named() -> None:
    with pytest.raises(PromptError, match=r"no prompt file nowhere\.md"):
        fill("nowhere")
    with pytest.raises(PromptError, match="no text 'nowhere'"):
        reply("nowhere")


def test_dollar_signs_in_a_value_stay_as_they_are() -> None:
    assert "income = $15,000" in fill("turn", turn='{"a": "income = $15,000"}')
