"""What sentences say over one data set: their parts, the source they speak of, and the items that their words mean."""

import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from encoders.data.events import HORIZON_DAYS
from encoders.model.dual import EncodedParts, encode_parts
from encoders.model.match import ItemEmbeddings
from encoders.model.users import FeatureSnapshot
from encoders.model_folder import TrainedModel
from encoders.reader import Reader
from encoders.reader.meaning import MEANT, Heard, Meaning, chances, meaning_of
from encoders.reader.targets import Targets, Titles, dated_name, spoken_name
from encoders.text.demand import Demand, Part, read_demand, without_witness
from encoders.text.encoders import JoinedEncoders, RememberingEncoder, TextEncoder, embed_vocabulary, one_by_one
from encoders.text.words import names, parts_of, stemmed, stems
from encoders.workspace import Workspace

Matrix = npt.NDArray[np.float32]
Items = npt.NDArray[np.int64]

_FOREIGN = 0.15
"""How much nearer the data comes by the first encoder alone when the others do not know the words."""
_KNOWN = 0.42
"""A phrase that comes nowhere nearer than this (a cosine) to any item or group is no name of any."""
_NEAREST_GROUPS = 3
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_LISTING = frozenset({"and", "or", "other", "like"})
_OF_ANY_SORT = frozenset({"food", "good", "item", "product"})
"""A sort of such things is a name for many others as well: "mexican foods"."""
_MOST_REMEMBERED = 1000
"""Of more groups, embedding a demand for each would take longer than it saves."""
_GOOD_PART = 0.03
"""A name of one word means only items with such a part of their group: "beef" is no sort of frozen dinner."""


@dataclass(frozen=True)
class GroundedItems:
    """What a phrase means in the data."""

    items: Items
    foreign: str = ""
    """The first of its alternatives that nothing in the data is near to; empty where the data has all of them."""
    nearest: tuple[str, ...] = ()
    """The groups that come nearest to that one all the same."""


class DemandReader:
    """Reads sentences as a model places their words in the data; safe to use from several threads."""

    def __init__(self, model: TrainedModel, snapshot: FeatureSnapshot, encoder: TextEncoder) -> None:
        """Read over the data of a snapshot.

        Args:
            model: places sentences, items and groups in one space.
            snapshot: its vocabulary and its card say what there is.
            encoder: the text encoder the model was trained with.
        """
        self.model, self.snapshot = model, snapshot
        self.encoder: TextEncoder = model.adapted or encoder
        self.dataset = snapshot.histories.past.dataset
        self._reader: Reader | None = None
        self._texts: TextEncoder = one_by_one(self.encoder)

    @cached_property
    def placed(self) -> ItemEmbeddings:
        """The items and groups of the data where sentences are compared with them."""
        with torch.no_grad():
            return self.model.encoder.match.place(self.snapshot.vocabulary)

    def source_meant(self, sentence: str) -> int:
        """Index of the source a sentence speaks of: other than the main one where it uses the words of its wording."""
        bare, _ = without_witness(sentence)
        for phrase in (phrase for part in self.read(bare).parts for phrase in part.phrases):
            if self._titled(phrase).any():  # Star Wars is no rating by stars
                bare = bare.replace(phrase, " ")
        said = {word.strip(".,;:!?").rstrip("s") for word in bare.lower().split()}
        wordings = self.dataset.card.wordings
        main = _words_of(wordings.get(self.snapshot.vocabulary.sources[0], ""))
        for number, source in enumerate(self.snapshot.vocabulary.sources[1:], start=1):
            own = _words_of(wordings.get(source, "")) - main
            if own and own & said:
                return number
        return 0

    def similar_items(self, words: str) -> Matrix:
        """How near every item is to a phrase, [V] cosines."""
        with torch.no_grad():
            near = self.model.encoder.nearness(self.placed, self.encode(_only(words), 0))
            return np.asarray(self.model.encoder.match.relevance(near)[0].numpy())

    def items_meant(self, words: str, source: int = 0) -> Items:
        """Items of a source (by its number; the main one is the first) that a phrase means, best first."""
        return self.grounded(words, source).items

    @torch.no_grad()
    def grounded(self, words: str, source: int = 0) -> GroundedItems:
        """Items of a source that a phrase means, best first, and whether the data has such things at all."""
        [belongs] = self.snapshot.of_source(np.array([source]))
        demand = Demand(words, self.read(words).parts[:1])
        parts, found = self.encode(demand, source), self.meaning(demand, source)
        [items] = [found.items] if found is not None and found.sure else self._meant(demand, parts, belongs[None])
        near, there = self.model.encoder.nearness(self.placed, parts.apart()), np.flatnonzero(belongs)
        for phrase, text, group in zip(demand.parts[0].phrases, near.text.numpy(), near.group.numpy(), strict=True):
            nearness = np.maximum(text, group)[there]
            if nearness.max() < _KNOWN and not (self._named(phrase) & belongs).any():
                best = there[np.argsort(-nearness, kind="stable")]
                groups = dict.fromkeys(self.snapshot.vocabulary.groups[item] for item in best)
                return GroundedItems(items, phrase, tuple(groups)[:_NEAREST_GROUPS])
        return GroundedItems(items)

    def items_of(self, demand: Demand, parts: EncodedParts) -> list[Items]:
        """Per part of a demand that is encoded already, the items that it means, best first."""
        return self._meant(demand, parts, self.snapshot.of_source(parts.source))

    @torch.no_grad()
    def _meant(self, demand: Demand, parts: EncodedParts, belongs: npt.NDArray[np.bool_]) -> list[Items]:
        """Items that each part means, among those that it may mean, ``belongs`` [B, V]."""
        near = self.model.encoder.nearness(self.placed, parts.apart())
        found = []
        for number, part in enumerate(demand.parts):
            phrases = np.flatnonzero(parts.owner.numpy() == number)
            if part.anything:
                found.append(np.flatnonzero(belongs[number]).astype(np.int64))
                continue
            named = [self._named(phrase) & belongs[number] for phrase in part.phrases]
            if len(phrases) != len(named):  # what users have in common is a mixture of all names
                named = len(phrases) * [np.any(named, axis=0)]
            items = [
                self._of_phrase(known, near.text[row].numpy(), near.group[row].numpy(), belongs[number])
                for known, row in zip(named, phrases, strict=True)
            ]
            found.append(np.array(list(dict.fromkeys(np.concatenate(items).tolist())), np.int64))
        return found

    def _of_phrase(
        self, named: npt.NDArray[np.bool_], text: Matrix, group: Matrix, belongs: npt.NDArray[np.bool_]
    ) -> Items:
        """All items that a phrase names; where it names none, what the encoder finds near."""
        found = self.model.config.grounding.meant(text, group, belongs)
        if not named.any():
            return found
        known = np.flatnonzero(named)
        return np.concatenate([found[named[found]], known[~np.isin(known, found)]])

    def _named(self, phrase: str) -> npt.NDArray[np.bool_]:
        groups = self.snapshot.vocabulary.groups
        called = {group for group in set(groups) if names(phrase, group)}
        called = {group for group in called if stems(group) == stems(phrase)} or called
        return np.array([group in called for group in groups]) if called else self._titled(phrase)

    def items_titled(self, name: str) -> Items:
        """Items of the main source that go by a name, where items are things by themselves."""
        return np.flatnonzero(self._titled(name) & self.snapshot.vocabulary.main_items)

    def _titled(self, phrase: str) -> npt.NDArray[np.bool_]:
        """Items that are called by a phrase; none where a group is."""
        before = self.dataset.card.wordings.get(self.snapshot.vocabulary.sources[0], "{items}").partition("{items}")[0]
        # The frame of a demand takes one word for what is done: "give five stars to Jaws" leaves "five stars to Jaws".
        words = stemmed(phrase.removeprefix(before.partition(" ")[2]))
        items = () if words in self._group_names else self._called.get(words, ())
        return np.isin(np.arange(len(self.snapshot.vocabulary.texts)), items)

    @cached_property
    def _group_names(self) -> frozenset[tuple[str, ...]]:
        return frozenset(stemmed(group) for group in set(self.snapshot.vocabulary.groups))

    @cached_property
    def _called(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """Items by what people call them, where items are things by themselves; elsewhere their group is meant."""
        vocabulary = self.snapshot.vocabulary
        if not self._targets.singles:
            return {}
        names = list(map(spoken_name, vocabulary.texts, vocabulary.groups))
        called = {words: title.items for words, title in Titles(names, range(len(names))).called.items()}
        for number, text in enumerate(vocabulary.texts):
            if words := stemmed(dated_name(text)):
                called[words] = (*called.get(words, ()), number)
        return called

    @torch.no_grad()
    def encode(self, demand: Demand, source: int) -> EncodedParts:
        """The parts of a demand as the model reads them; by the first of several encoders where only that knows them.

        Args:
            demand: a sentence, taken apart.
            source: the source it speaks of.
        """
        parts, _ = encode_parts(self._texts, [demand], [source])
        parts = self._by_their_texts(demand, parts)
        if isinstance(self.encoder, JoinedEncoders):
            first = parts.by_first_alone(self.encoder)
            near, near_first = (self.model.encoder.nearness(self.placed, way).best for way in (parts, first))
            if near_first.mean() > near.mean() + _FOREIGN:
                return first
        return parts

    def _by_their_texts(self, demand: Demand, parts: EncodedParts) -> EncodedParts:
        """The same with names of single items read as the whole texts of those: a title by itself says too little."""
        phrases, vocabulary = parts.phrases.clone(), self.snapshot.vocabulary
        for row, phrase in enumerate(phrase for part in demand.parts for phrase in part.phrases):
            of_source = vocabulary.source_of == parts.source[parts.owner[row]]
            items = np.flatnonzero(self._titled(phrase) & of_source)
            if len(items):
                phrases[row] = functional.normalize(torch.from_numpy(vocabulary.text_vectors[items]).mean(0), dim=-1)
        return replace(parts, phrases=phrases)

    def read(self, sentence: str) -> Demand:
        """A sentence taken apart, the names of the data left whole."""
        demand = read_demand(sentence, self._whole_names, self.dataset.card.unit_plural)
        parts = tuple(replace(part, phrases=self._each_named(part.phrases)) for part in demand.parts)
        return replace(demand, parts=parts)

    def _each_named(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """The same with names that are joined by "and" as alternatives: "bread and milk" is either."""
        found = list[str]()
        for phrase in phrases:
            each = _AND.split(phrase)
            whole = len(each) == 1 or stemmed(phrase) in self._group_names
            joined = not whole and all(self._named(name).any() for name in each)
            found += each if joined else [phrase]
        return tuple(dict.fromkeys(found))

    @cached_property
    def _whole_names(self) -> tuple[str, ...]:
        """Names of groups and items that would be taken apart in a sentence."""
        vocabulary = self.snapshot.vocabulary
        items = map(spoken_name, vocabulary.texts, vocabulary.groups)
        names = sorted({*vocabulary.groups, *items})
        return tuple(name for name in names if read_demand(name).phrases != (name,))

    def remember_names(self, workspace: Workspace) -> None:
        """Have demands for single groups embedded already, from the workspace's cache: most others are read as such."""
        names = self._targets.names[: self._targets.groups]
        if len(names) > _MOST_REMEMBERED:
            return
        texts = [*names, *(self.read(self.alone(name, HORIZON_DAYS)).bare for name in names)]
        vectors = embed_vocabulary(workspace, self.encoder, texts)
        self._texts = RememberingEncoder(one_by_one(self.encoder), texts, vectors)

    def alone(self, words: str, days: int, source: int = 0) -> str:
        """A demand for some things, as the data words it."""
        card = self.dataset.card
        wording = card.wordings.get(self.snapshot.vocabulary.sources[source], "do {items}")
        what = wording.format(items=words)
        return f"{card.unit_plural.capitalize()} that will {what} in the next {days} days"

    def meaning(self, demand: Demand, source: int) -> Meaning | None:
        """The groups that a demand of one part means; None where nobody can tell."""
        reader, [part] = self._reader, demand.parts
        if source != 0 or part.anything or self._targets.singles:
            return None
        named = [self._groups_named(phrase) for phrase in part.phrases]
        sorts = [self._sort_named(phrase) for phrase in part.phrases]
        exact = [stemmed(phrase) in self._group_names for phrase in part.phrases]
        if len(named) == 1 and len(named[0]) and not exact[0]:
            return None  # "wine" of "american wine": the text encoders tell best what else is near
        groups, of_name = np.concatenate(named), self._by_group(np.concatenate(sorts))
        if all(len(each) or len(sort) for each, sort in zip(named, sorts, strict=True)):
            meant = np.isin(np.arange(len(self.members)), [*groups, *of_name])
            narrowed = [items if n in groups else of_name.get(n, items) for n, items in enumerate(self.members)]
            by_name = all(each or len(sort) for each, sort in zip(exact, sorts, strict=True))
            return Meaning(meant.astype(np.float64), narrowed, by_name=by_name)
        if reader is None:
            return None
        each = [
            None if len(groups) else self.heard(reader, words)
            for words, groups in zip(part.phrases, named, strict=True)
        ]
        whole = self.heard(reader, " or ".join(part.phrases))
        if len(each) > 1:
            others = [chances(heard) for heard, sort in zip(each, sorts, strict=True) if heard and not len(sort)]
            # Sorts among other things of their group are examples of it: "tins of corn, green beans, peas".
            of_name = {n: items for n, items in of_name.items() if all(other[n] < MEANT for other in others)}
            return meaning_of(whole, each, groups, of_name, True, self.members)
        words, items = self._item_called(part.phrases[0])
        return meaning_of(whole, [], groups, self._by_group(items), len(words) > 1, self.members)

    def _by_group(self, items: Items) -> dict[int, Items]:
        """Items of the main source by the numbers of their groups."""
        return {group: items[self._place[items] == group] for group in set(self._place[items].tolist())}

    def _sort_named(self, phrase: str) -> Items:
        """The items whose name, in two words or more, a phrase is."""
        words = stemmed(phrase)
        known = len(words) > 1 and words not in self._group_names
        return self._item_names.get(words, np.zeros(0, np.int64)) if known else np.zeros(0, np.int64)

    def _item_called(self, phrase: str) -> tuple[tuple[str, ...], Items]:
        """The one sort of things that a phrase calls by its name, and its items; none where it lists several.

        Several sorts are examples of what is meant, as in "crisps, pretzels and other salty nibbles".
        """
        words, found, taken = stemmed(phrase), list[tuple[str, ...]](), set[int]()
        longest = max(map(len, self._item_names), default=0)
        for length in range(min(longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                run, places = words[start : start + length], set(range(start, start + length))
                if not taken & places and (run in self._item_names or run in self._group_names):
                    taken |= places
                    found.append(run)
        listed = any(word in _LISTING for number, word in enumerate(words) if number not in taken)
        of_any_sort = bool(found) and len(found[0]) < 3 and found[0][-1] in _OF_ANY_SORT
        if len(found) != 1 or listed or found[0] in self._group_names or of_any_sort:
            return (), np.zeros(0, np.int64)
        items = self._item_names[found[0]]
        return found[0], items if len(found[0]) > 1 else items[self._is_common(items)]

    def _is_common(self, items: Items) -> npt.NDArray[np.bool_]:
        """Which of some items make a good part of what is done with their group."""
        times = np.asarray(self.snapshot.histories.counts[-1].sum(axis=0)).ravel()
        return np.array([times[item] >= _GOOD_PART * times[self.members[self._place[item]]].sum() for item in items])

    @cached_property
    def _item_names(self) -> dict[tuple[str, ...], Items]:
        """Items of the main source by what they are called beside their group, and by its parts of two words."""
        vocabulary, found = self.snapshot.vocabulary, dict[tuple[str, ...], list[int]]()
        for item in np.flatnonzero(self._place >= 0).tolist():
            name = spoken_name(vocabulary.texts[item], vocabulary.groups[item])
            parts = [part for part in map(stemmed, parts_of(name)) if len(part) > 1]
            for words in {stemmed(name), *parts}:
                found.setdefault(words, []).append(item)
        return {words: np.array(items, np.int64) for words, items in found.items()}

    @torch.no_grad()
    def heard(self, reader: Reader, text: str) -> Heard:
        """What a text brings in, of the groups that can be meant."""
        alone = Demand(text, (Part((text,)),))
        near = self.model.encoder.nearness(self.placed, self.encode(alone, 0))
        groups = len(self.members)
        called = np.isin(np.arange(groups), list(reader.called(text)))
        return Heard(
            reader.shares(text)[:groups],
            called,
            self._nearest_of_groups(near.group[0].numpy()),
            self._nearest_of_groups(near.text[0].numpy()),
            reader.made_up(text),
        )

    def _nearest_of_groups(self, near: Matrix) -> Matrix:
        """The greatest of some cosines [V] in every group that can be meant, [G]."""
        nearest, known = np.full(len(self.members), -1.0, np.float32), self._place >= 0
        np.maximum.at(nearest, self._place[known], near[known])
        return nearest

    @cached_property
    def _place(self) -> Items:
        """[V]: the number of each item's group in ``Targets``; -1 in other sources, and for what nobody did yet."""
        vocabulary, place = self.snapshot.vocabulary, self._targets.place
        here = zip(vocabulary.groups, vocabulary.main_items & self.snapshot.histories.seen, strict=True)
        return np.array([place[group] if main else -1 for group, main in here], np.int64)

    @cached_property
    def members(self) -> list[Items]:
        """The items of every group that can be meant, in the order of ``Targets``."""
        order = np.argsort(self._place, kind="stable")
        ends = np.searchsorted(self._place[order], np.arange(self._targets.groups + 1))
        return np.split(order, ends)[1:-1]

    @cached_property
    def _targets(self) -> Targets:
        return Targets.of(self.snapshot.vocabulary)

    def _groups_named(self, phrase: str) -> Items:
        """The groups that a phrase names, by their numbers."""
        named = self._named(phrase)
        return np.array([number for number, items in enumerate(self.members) if named[items].any()], np.int64)

    def name_of(self, group: int, items: Items) -> str:
        """What items of a group are called: the group where they are all of it."""
        vocabulary = self.snapshot.vocabulary
        if len(items) == len(self.members[group]):
            return self._targets.names[group]
        names = dict.fromkeys(spoken_name(vocabulary.texts[item], vocabulary.groups[item]) for item in items)
        return " or ".join(names)


def _only(words: str) -> Demand:
    """Words by themselves: their first part."""
    return Demand(words, read_demand(words).parts[:1])


_STOP = {"a", "an", "the", "for", "of", "be", "with", "to", "by", "in", "on", "at", "it", "or", "and"}


def _words_of(wording: str) -> set[str]:
    words = {word.strip(".,").rstrip("s") for word in wording.replace("{items}", " ").lower().split()}
    return {word for word in words if word not in _STOP and len(word) > 2}
