"""The built-in writer: sentences from templates, in other frames than those that training draws by itself.

It needs no model and no network and costs nothing. It says what the data says, in the words of the data, so it cannot
bring the words of people who do not know the data.
"""

import hashlib
from string import Template

import numpy as np

from agent.labelling.prompting import Draft
from agent.labelling.sampling import Task
from prompts.loader import table

MODEL = "embedded"
_FIRST = 0.6
"""How often the first line is written about; the next one takes the same share of what is left, and so on."""


def write_from_template(task: Task, seed: int) -> Draft | None:
    """The same draft for the same task and seed; None where no template fits."""
    templates: list[str] = table("labelling/templates").get(task.language, {}).get(task.style, [])
    if not templates:
        return None
    lines = [number for number, line in enumerate(task.unit.lines, 1) if line.items]
    missing = [number for number, line in enumerate(task.unit.lines, 1) if not line.items]
    digest = hashlib.sha256(repr((seed, task.unit.user_id, task.unit.as_of, task.style, task.language)).encode())
    rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
    chosen = lines[min(int(rng.geometric(_FIRST)), len(lines)) - 1]
    template = Template(templates[int(rng.integers(len(templates)))])
    values = {"items": task.unit.lines[chosen - 1].name}
    named: tuple[int, ...] = (chosen,)
    if "not" in template.get_identifiers():
        without = missing[int(rng.integers(len(missing)))]
        values["not"], named = task.unit.lines[without - 1].name, (chosen, without)
    return Draft(lines=named, topics=(values["items"],), sentence=template.substitute(values), confidence=5)
