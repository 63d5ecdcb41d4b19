"""What each column of a database or table may hold, so that an erasure changes no more than it has to."""

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum


class Holds(StrEnum):
    """What an erasure does with the values of a column."""

    USER = "user"
    """The id of a user: the row goes."""
    TEXT = "text"
    """What people wrote, or JSON or MessagePack with that in it: it loses the users it names."""
    NAME = "name"
    """What somebody called something, "-" between words: the same."""
    WORD = "word"
    """One word that callers choose, such as an address: it loses users whose ids are no words of the product."""
    OWN = "own"
    """The product's own: ids, times, states, scopes, digests, numbers; never changed."""


def _table(text: str = "", word: str = "", own: str = "", name: str = "", user: str = "") -> dict[str, Holds]:
    given = {Holds.TEXT: text, Holds.WORD: word, Holds.OWN: own, Holds.NAME: name, Holds.USER: user}
    return {column: holds for holds, columns in given.items() for column in columns.split()}


COLUMNS: Mapping[str, Mapping[str, Holds]] = {
    # registry.db
    "audiences": _table(text="name folded", own="id"),
    "put_away": _table(text="name actor", own="id state time"),
    "versions": _table(
        text="spec definition approved_by notes",
        own="audience version users holdout as_of model_version data_version created forecast",
    ),
    "audit": _table(text="actor details", own="id time action audience version"),
    "keys": _table(word="key", own="content audience version made"),
    "outcomes": _table(text="outcome", own="id audience version content by_user"),
    "responses": _table(user="user_id", own="audience version value"),
    "webhooks": _table(word="url", own="id secret events created disabled"),
    "deliveries": _table(
        text="body answer", word="url", own="id webhook event audience version created state tries due"
    ),
    "told": _table(word="key"),
    "receivers": _table(word="name url", own="secret created"),
    "pushes": _table(word="destination key", own="id audience version content created batches sent"),
    "deployments": _table(text="deployment", word="destination", own="audience"),
    "accounts": _table(text="account", word="account_id", own="caller"),
    "changes": _table(own="number"),
    "meanings": _table(text="meaning", own="audience version"),
    "counts": _table(
        own="audience version data_version members gone responders population population_responders events"
    ),
    "member_tables": _table(word="name connection place", own="user_ids created"),
    # registry.db and the labels' ledger.db: those of a version, and the questions of a set of labels
    "members": _table(user="user_id", word="name", own="audience version held_out key chance habitual control"),
    # registry.db and jobs.db, with the names of older formats
    "answers": _table(text="answer", word="key", own="whose content made caller request tenant"),
    # jobs.db
    "jobs": _table(
        text="progress result problem", name="subject", own="number id tenant kind state created ended caller"
    ),
    # tokens.db, limits.db, allowance.db
    "tokens": _table(own="name hash caller created expires revoked"),
    "calls": _table(own="name at"),
    "asked": _table(own="caller question first"),
    # checkpoints.db
    "checkpoints": _table(
        text="checkpoint metadata", word="thread_id", own="checkpoint_ns checkpoint_id parent_checkpoint_id type"
    ),
    "writes": _table(
        text="value",
        word="thread_id",
        own="checkpoint_ns checkpoint_id task_id task_path idx channel type",
    ),
    # ledger.db of the labels
    "requests": _table(
        text="body answer error",
        word="server",
        own="key purpose state calls answers untold input_tokens output_tokens batch",
    ),
    "reviews": _table(text="label reviewer sentence", word="name", own="verdict"),
}
"""Every table that the product writes, and each of its columns. What stands nowhere here is read as text."""


def holds(table: str, column: str) -> Holds:
    """What a column holds; one of an unknown table is text, or users where it is called so."""
    unknown = Holds.USER if column == "user_id" else Holds.TEXT
    return COLUMNS.get(table, {}).get(column, unknown)


# --- Columns of tables that people bring, and values of JSON, by what they are called ---------------------------

_USERS = re.compile(r"(?:masked|user|customer|client|household|member)[_ .-]?ids?|user|customer|household|seeds|users")
"""Nothing but users."""
_IDS = re.compile(r"(?:^|[_ .-])(?:user|customer|client|household|member)?[_ .-]?ids?$")
_THINGS = re.compile(
    r"(?:^|[_ .-])(?:items?|products?|articles?|artikel|produkt|produit|producto|articulo|skus?|eans?|films?|movies?|"
    r"titles?|tracks?|songs?|albums?|episodes?|shows?|pages?|orders?|bestellung|auftrag|commande|pedido|baskets?|"
    r"carts?|transactions?|invoices?|receipts?|visits?|sessions?|events?|rows?|lines?|stores?|shops?|filiale|magasin|"
    r"tienda|branch|warehouse|suppliers?|brands?|category|departments?|groups?|genres?|regions?|city|country|"
    r"campaigns?|creatives?|ads?|coupons?|promos?|promotions?|offers?|segments?|audiences?|versions?|jobs?|tasks?|"
    r"runs?|messages?|delivery|webhooks?|push|requests?|threads?|models?|signals?)[_ .-]?ids?$"
)
"""Ids that are never those of users."""
_BARE = frozenset({"id", "ids"})


def is_of_users(name: str, units: Collection[str] = ()) -> bool:
    """Whether a column or value can hold nothing but users, by its name.

    Args:
        name: what it is called.
        units: what one user is called in the data, and several.
    """
    folded = _folded(name)
    return bool(_USERS.fullmatch(folded)) or re.sub(r"[_ .-]?ids?$", "", folded) in set(map(_folded, units))


def is_of_things(name: str) -> bool:
    """Whether a column or value holds ids of something else: of items, orders, stores."""
    return bool(_THINGS.search(_folded(name)))


def may_hold_users(name: str, units: Collection[str]) -> bool:
    """Whether a column or value may hold users: one of ids that are not called those of things."""
    return is_of_users(name, units) or (bool(_IDS.search(_folded(name))) and not is_of_things(name))


def read_columns(names: Sequence[str], units: Collection[str]) -> list[str]:
    """The names of the columns of one table, "" in place of "id" where another one surely holds users."""
    sure = any(is_of_users(name, units) for name in names)
    return ["" if sure and _folded(name) in _BARE else name for name in names]


def _folded(name: str) -> str:
    return name.strip().lower()
