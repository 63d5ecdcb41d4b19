"""Train the classifier of intents and write it into ``agent/reading``.

    python -m benchmarks.conversations.train_intents

It learns from the messages in ``prompts/intents`` with their slots filled, sloppily typed as people type, and, as first
requests with much around the wish, from what the reader of whole requests learns from (``encoders.reader``). The same
seeds give the same weights.
"""

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file

from agent.reading.intents import CHANGES, ENCODERS, INTENTS, Intent, Stage, form_of, shortened
from benchmarks.conversations.small_network import trained
from encoders.reader.head import material
from encoders.reader.knowledge import trades
from encoders.text.encoders import text_encoder
from prompts.loader import LANGUAGES, table

_FILLINGS = {"en": 4, "other": 4}
_PHRASES = 400
"""Occasions and habits that are learned as requests."""
_STAGES: dict[str, tuple[Stage, ...]] = {
    "demand": ("fresh", "fresh", "fresh", "fresh", "draft", "draft", "question", "question"),
    "choose": ("question",),
    "none_of_these": ("question",),
    "difference": ("question",),
    "courtesy": ("fresh", "draft", "question"),
    "chatter": ("fresh", "fresh", "draft", "question"),
    "help": ("fresh", "fresh", "draft", "question"),
    "about_data": ("fresh", "fresh", "draft", "question"),
    "about_saved": ("fresh", "draft", "question"),
    "about_people": ("draft", "draft", "question", "question", "fresh"),
    "about_size": ("draft", "draft", "question", "fresh"),
    "about_accuracy": ("draft", "draft", "question", "fresh"),
    "about_cost": ("draft", "draft", "question", "fresh"),
    "about_lift": ("draft", "draft", "question", "fresh"),
    "explain": ("draft", "draft", "question", "fresh"),
    "rename": ("draft", "draft", "draft", "question", "fresh"),
    "save": ("draft", "draft", "draft", "question", "fresh"),
    "goal": ("draft", "draft", "draft", "question", "fresh"),
    "size": ("draft", "draft", "draft", "question", "fresh"),
    "segments": ("fresh", "fresh", "draft"),
    "like": ("fresh", "draft"),
    "combine": ("fresh", "draft"),
    "compare": ("fresh", "draft", "draft"),
    "outcome": ("fresh", "draft"),
    "refresh": ("fresh", "draft"),
    "past": ("draft", "draft", "fresh"),
    "people": ("draft", "draft", "draft", "fresh"),
    "restart": ("draft", "draft", "question"),
}
"""Where a message of an intent is said; where nothing stands here, mostly while an audience is on the page."""

_USUAL: tuple[Stage, ...] = ("draft", "draft", "draft", "draft", "draft", "fresh")
_OPENINGS = {
    "en": ("ok ", "hi, ", "please ", "hey ", "so ", "and ", "hmm ", "alright, ", "could you ", "now ", "well, "),
    "de": ("ok ", "hallo, ", "bitte ", "also ", "und ", "hm, ", "gut, ", "so, ", "jetzt "),
    "es": ("vale, ", "hola, ", "por favor ", "y ", "bueno, ", "pues ", "oye, ", "ahora "),
    "fr": ("ok ", "bonjour, ", "svp ", "et ", "bon, ", "alors ", "euh ", "maintenant "),
    "zh": ("好，", "请", "那", "嗯，", "麻烦", "你好，"),
}
_ENDINGS = {
    "en": (" please", " pls", " thx", "!", ".", "?", " thanks", "..", " then", " if possible"),
    "de": (" bitte", "!", ".", " danke", "..", " mal"),
    "es": (" por favor", " porfa", "!", ".", " gracias", ".."),
    "fr": (" svp", " stp", " !", ".", " merci", ".."),
    "zh": ("吧", "。", "！", "谢谢", "可以吗", "呢"),
}


class Example(NamedTuple):
    """A message as it may come, and what it wants."""

    text: str
    stage: Stage
    options: tuple[str, ...]
    intent: Intent


def main() -> None:
    """Train and write the weights; progress goes to stderr."""
    torch.set_num_threads(1)
    found = list(examples())
    texts = list(dict.fromkeys(shortened(each.text) for each in found))
    sys.stderr.write(f"embedding {len(texts):,} messages\n")
    encoders = [text_encoder(name) for name in ENCODERS]
    embedded = np.concatenate([encoder.encode(texts) for encoder in encoders], axis=1)
    known = dict(zip(texts, embedded, strict=True))
    vectors = np.stack([known[shortened(each.text)] for each in found])
    form = np.stack([form_of(each.text, each.stage, each.options) for each in found])
    labels = [INTENTS.index(each.intent) for each in found]
    weights = trained(np.concatenate([vectors, form], axis=1), labels, len(INTENTS))
    halved = {name: each.astype(np.float16) for name, each in weights.items()}
    save_file(halved, Path(__file__).parents[2] / "agent" / "reading" / "intents.safetensors")


def examples() -> Iterator[Example]:
    """Every message of ``prompts/intents``, filled and typed in several ways, and long-winded first requests."""
    yield from _of_files()
    yield from _long_winded()


def _long_winded() -> Iterator[Example]:
    """Requests in frames of chatter, and by an occasion or a habit alone: a demand, whatever words stand around it."""
    draw = random.Random(1)
    named = [each.strip() for each in table("intents/en")["slots"]["thing"].split(";")]
    phrases = [text for entries in trades().values() for entry in entries for text in entry.says]
    phrases += [each.text for told in material().situations.values() for each in told]
    for frame in material().frames:
        for thing in draw.sample((draw.choice(named), draw.choice(phrases)), 1):
            yield Example(_typed(frame.replace("{x}", thing), "demand", "en", draw), "fresh", (), "demand")
    for text in draw.sample(phrases, min(_PHRASES, len(phrases))):
        yield Example(_typed(text, "demand", "en", draw), "fresh", (), "demand")


def _of_files() -> Iterator[Example]:
    draw = random.Random(0)
    for language in ("en", *LANGUAGES):
        found = table(f"intents/{language}")
        slots = {name: [each.strip() for each in words.split(";")] for name, words in found["slots"].items()}
        for intent in INTENTS:
            for form in found["intents"][intent].strip().splitlines():
                for place in range(_FILLINGS.get(language, _FILLINGS["other"]) if "{" in form else 2):
                    yield _example(intent, form, slots, language, draw, plain=place == 0)


def _example(
    intent: Intent, form: str, slots: dict[str, list[str]], language: str, draw: random.Random, plain: bool
) -> Example:
    stage = draw.choice(_STAGES.get(intent, _USUAL))
    options = tuple(draw.sample(slots["thing"], draw.randint(2, 4))) if stage == "question" else ()
    named = {"o": list(options)} | slots

    def filled(match: re.Match[str]) -> str:
        return draw.choice(named[match[1]])

    text = re.sub(r"\{(\w+)\}", filled, form)
    if stage == "fresh" and intent in CHANGES:
        intent = "demand"
    return Example(text if plain else _typed(text, intent, language, draw), stage, options, intent)


def _typed(text: str, intent: Intent, language: str, draw: random.Random) -> str:
    """The message as somebody else types it: an opening, an ending, no capitals, a slip of the finger."""
    if draw.random() < 0.3 and intent != "courtesy":
        text = draw.choice(_OPENINGS[language]) + text
    if draw.random() < 0.3 and intent not in ("courtesy", "chatter"):
        text = text.rstrip(" .?!") + draw.choice(_ENDINGS[language])
    if draw.random() < 0.3:
        text = text.lower()
    if draw.random() < 0.15:
        text = text.rstrip("?.!").replace("'", "")
    if draw.random() < 0.2 and len(text) > 12:
        place = draw.randrange(1, len(text) - 2)
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text


if __name__ == "__main__":
    main()
