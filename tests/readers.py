"""Readers that learn from less than a desk's, which takes minutes; how well that one reads, the benchmarks measure.

Run as a module with the name of one of these, it is the command `audience`, for a server in a process of its own:
one that knows more or less than the reader in its workspace would learn another.
"""

import sys
from dataclasses import replace

import pytest

from agent.cli.main import main
from encoders.reader import building, head
from encoders.reader.head import material
from encoders.reader.knowledge import trades

_KINDS = {"pet", "life-stage"}
_PER_GROUP = 8


def know_little(patch: pytest.MonkeyPatch) -> None:
    """Learn from a few entries: looking up four thousand things takes longer than all else in the planted world."""
    little = {"shop": tuple(entry for entry in trades()["shop"] if entry.kind in _KINDS)}
    patch.setattr(building, "trades", lambda: little)
    _without_situations(patch)


def learn_from_few(patch: pytest.MonkeyPatch) -> None:
    """Know all entries, and learn from a few texts about each group: reading twenty thousand takes minutes."""
    patch.setattr(building, "trades", trades)
    _without_situations(patch)
    patch.setattr(head, "PER_GROUP", _PER_GROUP)
    patch.setattr(head, "SEEDS", 1)


def _without_situations(patch: pytest.MonkeyPatch) -> None:
    fewer = replace(material(), situations=dict.fromkeys(material().situations, ()))
    for module in (building, head):
        patch.setattr(module, "material", lambda: fewer)


LEARNING = {"little": know_little, "few": learn_from_few}

if __name__ == "__main__":
    LEARNING[sys.argv.pop(1)](pytest.MonkeyPatch())
    main()
