"""What may be left of the users who are erased: their ids, their contacts and hashes of them, and their masks.

An id is a whole value, never a part of one. An id that could be any number or word ("12") counts in a column of ids, as
the value of an id in JSON, after a word for a user ("household 12", "user12", "id=12") and in a list of ids; one that
is nothing else ("cust-7f3a") counts wherever it stands by itself, also in the name of a file ("export_cust-7f3a.csv").
A line about "household 12" goes as a whole, with what it says. What another user is called stays, whatever is in it.

An id that is a word of the product ("held_out") counts in columns and values of users and in what people wrote, never
as a key or a value by itself: it is what the product reads there.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

import ormsgpack

from encoders.data.contacts import ContactFormat, Phones, contact_hash
from prompts.loader import LANGUAGES, table
from tools.erasure.columns import is_of_things, is_of_users, may_hold_users

_NEAR, _WINDOW = 6, 200
"""So many parts of a word on either side of an id are looked at, in so many signs before it."""
_SURE = 6
"""Signs of a name that no numbers of a model look like by chance."""

ERASED = "[erased]"
"""What stands in a text where a user was named."""
_ERASED_NAME = "erased"
"""And in a name, which may not have brackets."""

_WRITTEN = frozenset(
    {"text", "demand", "sentence", "definition", "said", "question", "note", "notes", "message", "why"}
)
"""What values are called that people wrote, or that are written for them."""
_NEVER = "(?!)"
_USER_WORDS = ("users?", "customers?", "clients?", "households?", "viewers?", "members?", "ids?")
_LEFT = r"(?<![^\W_])(?<![@-])"
"""What an id begins behind; "_" parts the words of a name."""
_FILE = r"\.(?:csv|tsv|txt|jsonl?|ndjson|parquet|xlsx?|pdf|log|zip|gz|safetensors)(?![\w@])"
_RIGHT = rf"(?:(?![\w@-]|\.\w)|(?=_[^\W\d_]|{_FILE}))"
"""What an id ends before."""
_BEFORE, _BEHIND = re.compile(r"[\w@.-]*\Z"), re.compile(r"[\w@.-]*")
_NAMES = ("like", "name", "subject")
"""Values and columns that hold what somebody called something."""
_GMAIL = re.compile(r"(?P<name>[^@+]+)@gmail\.com")
_LIST = re.compile(r"(?<![\w.@-])(?:[\w-]+\s*[,;\n]\s*){4,}[\w-]+(?!\.?\w)")
_COUNTS = ("users", "seeds")
_CONDITIONS = ("filters", "behaviours", "life_cycle", "memberships")
"""What is written in words of the data."""
_SPACE = re.compile(r"\s")
_ABOUT = {"evidence": [], "why": ERASED, "text": ERASED}
"""What an answer says about one user beside the id."""


def _distinctive(user: str) -> bool:
    mixed = any(each.isdigit() for each in user) and any(each.isalpha() for each in user)
    return len(user) >= 6 or (mixed and len(user) >= 3)


@dataclass(frozen=True)
class Traces:
    """How some users may be recognised."""

    users: frozenset[str]
    contacts: Mapping[str, frozenset[str]]
    """Per kind, their contacts in the form that all spellings share; none that somebody else has as well."""
    spellings: frozenset[str]
    """The same contacts as they stood in the data."""
    masks: frozenset[str]
    form: ContactFormat
    units: frozenset[str] = frozenset()
    """What one user is called in the data."""
    is_other: Callable[[str], bool] = lambda _: False
    """Whether a word is the id of another user."""
    is_own: Callable[[str], bool] = lambda _: False
    """Whether a word is one of the product itself."""
    doubtful: frozenset[str] = frozenset()
    """Those of the users who are nobody's and may be any word: they count only where users stand."""

    @cached_property
    def own(self) -> frozenset[str]:
        """Those of the users who are called by a word of the product."""
        return frozenset(user for user in self.users if self.is_own(user))

    def keeps(self, data: bytes) -> bool:
        """Whether bytes have a word of the product that one of the users is called by; nobody's ids do not count."""
        return bool(self._kept.search(data))

    @cached_property
    def hashes(self) -> frozenset[str]:
        """Hashes under which the users may have been written to a file."""
        plain = {kind: set(same) for kind, same in self.contacts.items() if kind not in self.form.hashed}
        numbers = {each.removeprefix("+") for each in plain.get("phone", ())}
        made = [contact_hash(each) for each in {*plain.get("email", ()), *plain.get("phone", ()), *numbers}]
        ways = ((gmail, plus) for gmail in (True, False) for plus in (True, False))
        made += [self.form.hash(kind, each, *way) for way in ways for kind in self.contacts for each in self.spellings]
        came = [each for kind in self.form.hashed for each in self.contacts.get(kind, ())]
        ids = [sha256(user.encode()).hexdigest() for user in self.users]
        return frozenset(each for each in (*made, *came, *ids) if each)

    def is_user(self, cell: str, column: str = "", alone: bool = False) -> bool:
        """Whether a cell of a table stands for one of the users.

        Args:
            cell: its text.
            column: the name of the column.
            alone: there is no other column, so it names users.
        """
        value = cell.strip().removeprefix("'")
        for user in {value, value.removesuffix(".0")} & self.users:
            is_known = user in self._plain - self.own and not is_of_things(column)
            if alone or is_known or may_hold_users(column, self.units):
                return True
        if value.lower() in self.hashes or value in self.spellings:
            return True
        return any(same in self.contacts[kind] for kind in self.contacts if (same := self.form.same(kind, value)))

    def in_text(self, text: str, lists: bool = True) -> str:
        """A text without the users it named; ``lists`` where five words with commas between may be a list of them."""
        text = "".join(self._unless_about(line) for line in text.splitlines(keepends=True))
        text = self._phones.replaced(text, ERASED, self.is_other)
        text = self._anywhere.sub(lambda found: found[0] if self._in_other(found) else ERASED, text)
        if self._short:
            text = self._before_day.sub(ERASED, text)
            text = _LIST.sub(lambda found: self._short_word.sub(ERASED, found[0]), text) if lists else text
        return text

    def in_name(self, name: str) -> str:
        """What somebody called something, without the users in it; it is a name as before, also of a file.

        In a name, "-" stands between words: "like-cust7f" names a user, and what is another's id as a whole does not.
        """
        names = "|".join(re.escape(each).replace(r"\ ", "[ -]") for each in self._long) or _NEVER
        alone = re.compile(rf"(?<![^\s-])(?P<id>{names})(?![^\s-])", re.IGNORECASE)
        left = alone.sub(lambda found: found[0] if self._in_other(found) else ERASED, name)
        return self.in_text(left).replace(ERASED, _ERASED_NAME)

    def in_value(self, value: Any, name: str = "") -> Any:
        """A value of JSON or MessagePack without the users it named; ``name`` is what it is called there."""
        if isinstance(value, int | float) and name not in _COUNTS:  # "users" is how many, where it is a number
            return ERASED if self._is_listed(str(value).removesuffix(".0"), name) else value
        if isinstance(value, str):
            return self._in_named(value, name)
        if isinstance(value, list | tuple):
            return [self._in_element(each, name) for each in value]
        if isinstance(value, _Extension):
            return self._in_extension(value)
        if not isinstance(value, dict):
            return value
        made = {self._in_word(key): self._below(key).in_value(each, str(key)) for key, each in value.items()}
        named = any(made.get(key) != value.get(key) for key in ("masked_id", "user_id"))
        return made | {key: about for key, about in _ABOUT.items() if named and key in made}

    def in_bytes(self, data: bytes) -> bytes:
        """JSON, MessagePack or text without the users it named; of anything else ``overwritten``."""
        try:
            cleaned = self._in_msgpack(data)
        except (ValueError, TypeError):
            return self.in_file(data)
        pieces = self._pieces("\n".join(_texts(_unpacked(data))))
        return _packed(_without(_unpacked(cleaned), pieces, self.is_own)) if pieces else cleaned

    def in_file(self, data: bytes) -> bytes:
        """The content of a file of text without the users it named; of any other ``overwritten``."""
        try:
            return self._in_string(data.decode()).encode()
        except UnicodeDecodeError:
            return self.overwritten(data)

    def overwritten(self, data: bytes) -> bytes:
        """Bytes of an unknown form, as long as they were, with signs over what surely names the users."""
        return self._same_length.sub(lambda found: b"x" * len(found[0]), data)

    def mentioned(self, data: bytes) -> bool:
        """Whether bytes may name one of the users: true for all that do, and for some that do not."""
        return bool(self._needles.search(data))

    def in_word(self, value: Any) -> Any:
        """A value of one word, such as an address, without the users in it who are called by no word of the product."""
        return self._without_own.in_text(value) if isinstance(value, str) else value

    # --- inside -----------------------------------------------------------------------------------

    def _is_listed(self, value: str, name: str) -> bool:
        """Whether a value stands for one of the users by what it is called."""
        if value not in self.users:
            return False
        return is_of_users(name) or (may_hold_users(name, self.units) and not self.is_own(value))

    def _below(self, key: Any) -> "Traces":
        return self._without_own if key in _CONDITIONS else self

    def _in_element(self, value: Any, name: str) -> Any:
        if isinstance(value, int | float) and name in _COUNTS:
            return ERASED if str(value).removesuffix(".0") in self.users else value
        return self.in_value(value, name)

    def _in_named(self, value: str, name: str) -> str:
        if self._is_listed(value.strip(), name):
            return ERASED
        if name in _NAMES:
            return self.in_name(value)
        return self._in_string(value) if name in _WRITTEN else self._in_word(value)

    def _in_word(self, value: Any) -> Any:
        """A key, or a value that is called nothing in particular: a single word of the product stays."""
        if not isinstance(value, str):
            return self.in_value(value)
        if self.own and (_SPACE.search(value) is None or self.is_own(value)):
            return self._without_own._in_string(value)
        return self._in_string(value)

    def _in_string(self, text: str) -> str:
        if text[:1] in ("{", "["):
            try:
                value = json.loads(text)
            except ValueError:
                return self.in_text(text)
            made = self.in_value(value)
            if made == value:
                return text
            indent = 1 if "\n" in text.strip() else None
            return json.dumps(made, ensure_ascii=False, indent=indent)
        return self.in_text(text)

    def _in_msgpack(self, data: bytes) -> bytes:
        """Raises ValueError for what is not MessagePack from its first byte to its last."""
        value = _unpacked(data)
        if _packed(value) != data:
            raise ValueError("There is more in it, or it was written by something else.")
        return _packed(self._in_string(value) if isinstance(value, str) else self.in_value(value))

    def _pieces(self, text: str) -> re.Pattern[str] | None:
        """What a message that was taken apart may keep of the addresses in it; None where it names none of theirs.

        A conversation keeps a message and what was read in it side by side. There, an address stands in pieces: what is
        on either side of its "@", and the words of that.
        """
        found = {each[0].lower() for each in self._anywhere.finditer(text) if "@" in each[0]}
        words = {word for each in found for word in words_of_address(each)}
        if not words:
            return None
        names = "|".join(map(re.escape, _longest_first(words)))
        return re.compile(rf"(?<![\w.+@-])(?:{names})(?![\w@-]|\.\w)", re.IGNORECASE)

    def _in_extension(self, value: "_Extension") -> "_Extension":
        try:
            inside = _unpacked(value.data)
            if _packed(inside) != value.data:
                raise ValueError("There is more in it.")
            head, rest = _typed(inside)
            return _Extension(value.code, _packed([*head, *self.in_value(rest)] if head else self.in_value(inside)))
        except (ValueError, TypeError):
            return _Extension(value.code, self.overwritten(value.data))

    @cached_property
    def _short(self) -> frozenset[str]:
        return self.users - self._plain

    @cached_property
    def _plain(self) -> frozenset[str]:
        """Those who are recognised wherever their ids stand as one word of a text."""
        return frozenset(user for user in self.users - self.doubtful if _distinctive(user))

    @cached_property
    def _without_own(self) -> "Traces":
        return replace(self, users=self.users - self.own) if self.own else self

    @cached_property
    def _kept(self) -> re.Pattern[bytes]:
        words = "|".join(map(re.escape, _longest_first(self.own - self.doubtful))) or _NEVER
        return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])".encode())

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        ids = [rf"{_LEFT}(?P<id>{'|'.join(map(re.escape, long))}){_RIGHT}"] if (long := self._long) else []
        masks = [rf"(?<![\w-]){re.escape(each)}(?![\w-])" for each in _longest_first(self.masks)]
        plain = {each for kind in self.contacts for each in self.contacts[kind]} | self.spellings | self.hashes
        written = [*map(re.escape, _longest_first(plain)), *self._gmail]
        contacts = [rf"(?<![\w.+-]){each}(?![\w@-]|\.\w)" for each in written]
        return re.compile("|".join([*contacts, *ids, *masks]) or _NEVER, re.IGNORECASE)

    @cached_property
    def _about(self) -> re.Pattern[str]:
        """What makes a line one about one of the users."""
        words = "|".join([*_USER_WORDS, *_words_of_languages(), *map(re.escape, sorted(self.units))])
        names = "|".join(map(re.escape, _longest_first(self.users | self.masks))) or _NEVER
        number = r"(?:[ \t_-]?(?:ids?|no\.?|nr\.?|number))?"
        between = r"[ \t]*[#:=_-]?[ \t]*[\"'“„«]?"
        return re.compile(rf"(?<![^\W_])(?:{words}){number}{between}(?P<id>{names}){_RIGHT}", re.IGNORECASE)

    def _unless_about(self, line: str) -> str:
        """A line, or what stands for it where it is about one of the users: what it says goes with the name."""
        if all(self._in_other(found) for found in self._about.finditer(line)):
            return line
        bare = line.rstrip("\r\n")
        return ERASED + line[len(bare) :]

    def _in_other(self, found: re.Match[str]) -> bool:
        """Whether an id that was found is a part of the id of another user."""
        if not found.groupdict().get("id"):
            return False
        return any(self.is_other(word) for word in _around(found) if word not in self.users)

    @cached_property
    def _long(self) -> list[str]:
        return _longest_first(self.users - self._short)

    @cached_property
    def _phones(self) -> Phones:
        return Phones(self.contacts.get("phone", ()))

    @cached_property
    def _gmail(self) -> list[str]:
        """Patterns of the addresses that Gmail takes for one of theirs: dots and what follows a "+" do not count."""
        names = [found["name"] for each in self.contacts.get("email", ()) if (found := _GMAIL.fullmatch(each))]
        host = r"(?:\+[\w.+-]*)?@(?:gmail|googlemail)\.com"
        return [r"[.]?".join(map(re.escape, each)) + host for each in sorted(names)]

    @cached_property
    def _before_day(self) -> re.Pattern[str]:
        """How a review of a label calls its user."""
        return re.compile(rf"^(?:{'|'.join(map(re.escape, _longest_first(self._short)))})(?= \d{{4}}-\d\d-\d\d )")

    @cached_property
    def _short_word(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, _longest_first(self._short)))})(?![\w-])")

    @cached_property
    def _tokens(self) -> list[str]:
        plain = {each for kind in self.contacts for each in self.contacts[kind]} | self.spellings
        return _longest_first({*self.users, *plain, *self.hashes, *self.masks})

    @cached_property
    def _needles(self) -> re.Pattern[bytes]:
        cased = {way for each in self._tokens for way in (each, each.lower(), each.upper())}
        escaped = {json.dumps(each)[1:-1] for each in cased} | cased
        plain = [re.escape(each.encode()) for each in _longest_first(escaped)]
        return re.compile(b"|".join([*plain, *self._patterns]), re.IGNORECASE)

    @cached_property
    def _same_length(self) -> re.Pattern[bytes]:
        unsure = self._short | self.own
        sure = [re.escape(each.encode()) for each in self._tokens if each not in unsure and len(each) >= _SURE]
        sure += self._patterns
        return re.compile(rb"(?<![\w@-])(?:" + b"|".join(sure or [_NEVER.encode()]) + rb")(?![\w@-])", re.IGNORECASE)

    @cached_property
    def _patterns(self) -> list[bytes]:
        """Patterns of contacts that are written in many ways."""
        return [*self._phones.in_bytes, *(each.encode() for each in self._gmail)]


def words_of_address(address: str) -> frozenset[str]:
    """What is on either side of the "@" of an address, and the longer words in that; in small letters."""
    sides = address.strip().lower().split("@") if "@" in address else []
    words = {word for side in sides for word in re.split(r"[\W_]+", side) if _distinctive(word)}
    return frozenset({*sides, *words} - {""})


class _Extension:
    """A value of MessagePack that has a type of its own: what the conversation keeps are such."""

    def __init__(self, code: int, data: bytes) -> None:
        self.code, self.data = code, data


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of MessagePack, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for each in pair for text in _texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))
    elif isinstance(value, _Extension):
        with suppress(ValueError, TypeError):
            yield from _texts(_unpacked(value.data))


def _typed(inside: Any) -> tuple[list[Any], Any]:
    """The module and the name of a type, which nobody wrote, and what follows them; no head where there is none."""
    is_typed = isinstance(inside, list) and len(inside) > 2 and all(isinstance(each, str) for each in inside[:2])
    return (inside[:2], inside[2:]) if is_typed else ([], inside)


def _without(value: Any, pieces: re.Pattern[str], is_own: Callable[[str], bool]) -> Any:
    """A value of MessagePack whose texts have lost what fits ``pieces``; a word of the product stays."""
    if isinstance(value, str):
        return value if is_own(value) else pieces.sub(ERASED, value)
    if isinstance(value, dict):
        return {key: _without(each, pieces, is_own) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(each, pieces, is_own) for each in value]
    if isinstance(value, _Extension):
        with suppress(ValueError, TypeError):
            head, rest = _typed(_unpacked(value.data))
            left = _without(rest, pieces, is_own)
            return _Extension(value.code, _packed([*head, *left] if head else left))
    return value


def _unpacked(data: bytes) -> Any:
    return ormsgpack.unpackb(data, ext_hook=_Extension, option=ormsgpack.OPT_NON_STR_KEYS)


def _packed(value: Any) -> bytes:
    def extension(each: _Extension) -> ormsgpack.Ext:
        return ormsgpack.Ext(each.code, each.data)

    return ormsgpack.packb(value, default=extension, option=ormsgpack.OPT_NON_STR_KEYS)


@cache
def _words_of_languages() -> tuple[str, ...]:
    """Words for a user in the languages that people ask in, as patterns; the last letter may be that of a plural."""
    words = {word for language in LANGUAGES for word in table(f"languages/{language}")["words"].values()}
    return tuple(f"{re.escape(word)}?" if word[-1] in "ns" else re.escape(word) for word in sorted(words))


def _around(found: re.Match[str]) -> Iterator[str]:
    """The words that an id which was found may be a part of."""
    text, (start, end) = found.string, found.span("id")
    before, behind = _BEFORE.search(text, max(0, start - _WINDOW), start), _BEHIND.match(text, end)
    begins = [start, *(start - len(each) for each in _parts(before[0][::-1] if before else ""))]
    ends = [end, *(end + len(each) for each in _parts(behind[0] if behind else ""))]
    yield from (text[begin:last] for begin in begins for last in ends if (begin, last) != (start, end))


def _parts(text: str) -> list[str]:
    """What is left of a text at each sign that parts words in it, and all of it."""
    places = [place for place, sign in enumerate(text) if place and sign in "_@.-"]
    return [text[:place] for place in places[:_NEAR]] + ([text] if text else [])


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=lambda text: (-len(text), text))


def traces_of(
    users: Collection[str],
    contacts: Mapping[str, Iterable[tuple[str, str]]],
    form: ContactFormat,
    masks: Iterable[str],
    units: Iterable[str],
    is_other: Callable[[str], bool] = lambda _: False,
    is_own: Callable[[str], bool] = lambda _: False,
    doubtful: Collection[str] = (),
) -> Traces:
    """The traces of some users.

    Args:
        users: their ids.
        contacts: per kind, pairs of the form that all spellings share and a contact as it stood in the data.
        form: how contacts are written.
        masks: what was shown in place of the ids.
        units: what one user is called.
        is_other: whether a word is the id of another user.
        is_own: whether a word is one of the product itself.
        doubtful: those of the users who are nobody's and may be any word.
    """
    pairs = {kind: list(each) for kind, each in contacts.items()}
    return Traces(
        users=frozenset(users),
        contacts={kind: frozenset(same for same, _ in each) for kind, each in pairs.items()},
        spellings=frozenset(written for each in pairs.values() for _, written in each),
        masks=frozenset(masks),
        form=form,
        units=frozenset(units),
        is_other=is_other,
        is_own=is_own,
        doubtful=frozenset(doubtful),
    )
