"""The little of SQL that is looked at here: that a query is one SELECT, whether it sorts, and how a name is written.

That nothing is changed is seen to by the databases: every reader opens them for reading, or begins a transaction that
cannot write.
"""

import re

_OPAQUE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
"""Texts, quoted names and remarks, in which words mean nothing."""
_NAME = re.compile(r'"(?:[^"]|"")+"|[^."]+')


def checked_query(query: str) -> str:
    """See that a query is one SELECT; it comes back without the semicolon at its end.

    Raises:
        ValueError: it is something else, or more than one statement.
    """
    bare = _bare(query)
    end = len(bare.rstrip("; \t\r\n"))
    if not re.match(r"[\s(]*(?:select|with)\b", bare, re.IGNORECASE) or ";" in bare[:end]:
        raise ValueError("a query has to be one SELECT, and nothing behind it")
    return query[:end]


def sorts(query: str) -> bool:
    """Whether a query says in which order its rows come."""
    outside, depth = "", 0
    for sign in _bare(query):
        depth += (sign == "(") - (sign == ")")
        outside += sign if not depth else " "
    return re.search(r"\border\s+by\b", outside, re.IGNORECASE) is not None


def quoted(table: str, sign: str = '"') -> str:
    """The name of a table as SQL takes it: shop.orders, where a part with a point in it stands in double quotes."""
    return ".".join(identifier(part, sign) for part in names_in(table))


def names_in(table: str) -> list[str]:
    """The parts of the name of a table: of its schema, and its own."""
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part.strip() for part in _NAME.findall(table)]


def identifier(name: str, sign: str = '"') -> str:
    """One name as SQL takes it, whatever is in it."""
    return f"{sign}{name.replace(sign, sign * 2)}{sign}"


def _bare(query: str) -> str:
    """A query with blanks in place of remarks, and signs that mean nothing in place of texts and quoted names."""
    return _OPAQUE.sub(lambda found: (" " if found[0].startswith(("--", "/*")) else "_") * len(found[0]), query)
