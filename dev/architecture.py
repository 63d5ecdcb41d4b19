"""The floors of the house, and the picture of them in docs/architecture.md.

    python dev/architecture.py     draw the picture again, from the imports as they are

``FLOORS`` is the one table of what may import what: a room may import rooms of lower floors, and on its own floor those
that are listed before it. ``tests/test_house.py`` holds the code to it.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by python dev/architecture.py -->", "<!-- end of the drawing -->"

FLOORS: dict[str, tuple[str, ...]] = {
    "prompts": ("loader",),
    "encoders": (
        *("errors", "records", "settings", "tensors", "workspace", "checksums", "data", "text", "features", "metrics"),
        *("model", "reader", "training", "overdispersion", "calibration", "returning", "model_folder"),
        *("user_vectors", "demand_reader", "predictor"),
        *("train", "worth", "tuning", "score"),
    ),
    "tools": (
        *(
            "bounds",
            "stopping",
            "naming",
            "types",
            "operation_types",
            "library_types",
            "effect_types",
            "sentences",
            "storage",
            "audiences",
            "access",
            "tenants",
        ),
        *("delivery", "problems", "jobs", "erasure", "uploads", "queries", "saved_audiences", "library", "serving"),
        "service",
        *("operations", "interfaces", "workers"),
    ),
    "agent": (
        *(
            "guard",
            "steps",
            "models",
            "reading",
            "labelling",
            "numbers",
            "ledger_words",
            "outcome_words",
            "holdout_words",
            "state",
            "context",
            "replies",
        ),
        *("thinking", "reply_builder", "actions", "graph", "conversation", "batch", "page", "reopening", "cli"),
    ),
    "app_gradio": (),
    "benchmarks": (),
}
"""Floors from the ground up, each with its rooms (folders, and files that lie beside them) from the ground up."""


def product_files() -> list[Path]:
    """Every Python file of the floors, relative to the root."""
    inside = sorted(path.relative_to(ROOT) for floor in FLOORS for path in ROOT.glob(f"{floor}/**/*.py"))
    return [*inside, Path("app_gradio.py")]


def place(module: str) -> tuple[str, str]:
    """Floor and room of a module: ('tools', 'storage') for 'tools.storage.registry'; the room is '' for a package."""
    floor, *rest = module.removesuffix(".__init__").split(".")
    return floor, rest[0] if rest else ""


@cache
def parsed(path: Path) -> ast.Module:
    """What is written in a file."""
    return ast.parse((ROOT / path).read_text("utf-8"))


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Every module that a file imports anywhere in it; names imported from a floor itself are its modules."""
    return tuple(_imported(parsed(path)))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{'.' * node.level}{node.module or ''}"
            if module in FLOORS:
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def above(path: Path) -> list[str]:
    """The imports of a file that do not run down: to a higher floor, or to a higher room of its own floor."""
    floors = list(FLOORS)
    floor, room = place(".".join(path.with_suffix("").parts))
    rooms = FLOORS[floor]
    wrong = []
    for module in imported(path):
        target, other = place(module)
        if target not in FLOORS:
            continue
        higher = floors.index(target) > floors.index(floor)
        inside = target == floor and rooms and "" not in (room, other) and other != room
        if higher or (inside and rooms.index(other) > rooms.index(room)):
            wrong.append(module)
    return wrong


def drawing() -> str:
    """The floors and rooms as a Mermaid flowchart; an arrow goes from a room to the floor below that it imports."""
    arrows: set[tuple[str, str]] = set()
    for path in product_files():
        floor, room = place(".".join(path.with_suffix("").parts))
        for module in imported(path):
            target, other = place(module)
            if target in FLOORS and target != floor:
                arrows.add((floor, target))
            elif target == floor and other not in ("", room) and room:
                arrows.add((f"{floor}.{room}", f"{floor}.{other}"))
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {floor} --> {target}" for floor, target in sorted(arrows) if "." not in floor]
    lines.append("```")
    for floor, rooms in reversed(FLOORS.items()):
        if len(rooms) < 2:
            continue
        inner = {(a, b) for a, b in arrows if a.startswith(f"{floor}.")}
        lines += ["", f"Inside `{floor}`:", "", "```mermaid", "flowchart TD"]
        lines += [f"    {a.partition('.')[2]} --> {b.partition('.')[2]}" for a, b in sorted(_shortest(inner))]
        lines.append("```")
    return "\n".join(lines)


def _shortest(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows without those that a longer way already shows, so that a person can read the picture."""
    below: dict[str, set[str]] = {}
    for a, b in arrows:
        below.setdefault(a, set()).add(b)

    def reached(start: str) -> set[str]:
        found, todo = set(), [start]
        while todo:
            for each in below.get(todo.pop(), ()):
                if each not in found:
                    found.add(each)
                    todo.append(each)
        return found

    return {(a, b) for a, b in arrows if not any(b in reached(each) for each in below[a] - {b})}


def page() -> str:
    """docs/architecture.md with the picture as the imports are now."""
    text = PAGE.read_text("utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
