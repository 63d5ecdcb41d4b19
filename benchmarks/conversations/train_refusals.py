"""Train the classifier of clauses that refuse something and write it into ``agent/reading``.

    python -m benchmarks.conversations.train_refusals

It learns from the frames in ``prompts/refusals`` around names of the knowledge, and from what refuses nothing:
situations, and the clauses of the chatter that requests stand in (``encoders.reader``). The same seeds give the same
weights.
"""

import random
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from agent.reading.intents import ENCODERS, clauses, features
from benchmarks.conversations.small_network import trained
from encoders.reader.head import material
from encoders.reader.knowledge import trades
from encoders.text.encoders import text_encoder

KINDS = ("wanted", "refused")
"""Their order is that of the classes."""
_FILLINGS = 4
_SHORT = 8
"""Words of a situation that is one clause."""


def main() -> None:
    """Train and write the weights; progress goes to stderr."""
    torch.set_num_threads(1)
    texts, labels = examples()
    sys.stderr.write(f"embedding {len(texts):,} clauses\n")
    weights = trained(features(texts, [text_encoder(name) for name in ENCODERS]), labels, len(KINDS))
    halved = {name: each.astype(np.float16) for name, each in weights.items()}
    save_file(halved, Path(__file__).parents[2] / "agent" / "reading" / "refusals.safetensors")


def examples() -> tuple[list[str], list[int]]:
    """Clauses, and the number of the kind of each."""
    draw = random.Random(0)
    things = sorted({thing for entries in trades().values() for entry in entries for thing in entry.things})
    texts, labels = [], []
    for label, kind in enumerate(KINDS):
        for frame in files("prompts").joinpath("refusals", f"{kind}.txt").read_text("utf-8").splitlines():
            for _ in range(_FILLINGS if "{" in frame else 1):
                text = frame.replace("{x}", draw.choice(things)).replace("{y}", draw.choice(things))
                texts.append(text.lower() if draw.random() < 0.3 else text)
                labels.append(label)
    said = [each.text for told in material().situations.values() for each in told]
    short = [text for text in said if len(text.split()) <= _SHORT]
    chatter = [frame.replace("{x}", draw.choice(things)) for frame in material().frames]
    around = [clause for text in (*chatter, *material().nothings) for clause in clauses(text)]
    texts += [*short, *around]
    labels += [KINDS.index("wanted")] * (len(short) + len(around))
    return texts, labels


if __name__ == "__main__":
    main()
