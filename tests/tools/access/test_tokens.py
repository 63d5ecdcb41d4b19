"""Tokens: shown once, kept as a hash, and dead once they are revoked or out of date."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import NotThereError, RequestError, UnknownTokenError
from tools.access import callers as module
from tools.access.callers import Scope, Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    with Tokens(tmp_path / "tokens.db") as opened:
        yield opened


def test_a_token_says_who_calls_and_is_in_no_file(tokens: Tokens, tmp_path: Path) -> None:
    token = tokens.create("shop-agent", [Scope.SIZE], tenant="shop", per_minute=5)
    caller = tokens.caller(token)
    assert (caller.name, caller.tenant, caller.per_minute) == ("shop-agent", "shop", 5)
    assert caller.scopes == {Scope.SIZE}
    assert caller.may(Scope.SIZE)
    assert not caller.may(Scope.PREVIEW)
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"shop-agent" in files
    assert token.encode() not in files
    assert token.removeprefix("aud_").encode() not in files


def test_admin_may_everything(tokens: Tokens) -> None:
    caller = tokens.caller(tokens.create("boss", [Scope.ADMIN]))
    assert all(caller.may(scope) for scope in Scope)


def test_revoked_out_of_date_and_made_up_tokens_are_told_apart_by_nobody(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked, dated = tokens.create("a", [Scope.READ]), tokens.create("b", [Scope.READ], days=2)
    assert tokens.any()
    tokens.revoke("a")
    assert tokens.caller(dated).name == "b"

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=3)

    monkeypatch.setattr(module, "datetime", Later)
    told = set()
    for token in (revoked, dated, "aud_madeup", ""):
        with pytest.raises(UnknownTokenError) as error:
            tokens.caller(token)
        told.add(str(error.value))
    assert len(told) == 1
    assert [card.state for card in tokens.list()] == ["revoked", "expired"]
    assert not tokens.any()
    assert tokens.needed()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"name": "No Spaces"}, "cannot name a token"),
        ({"tenant": "../other"}, "cannot name a tenant"),
        ({"scopes": []}, "at least one scope"),
        ({"per_minute": 0}, "at least 1"),
        ({"days": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_a_token_is_said(tokens: Tokens, facts: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        tokens.create(**{"name": "x", "scopes": [Scope.READ], **facts})  # type: ignore[arg-type]
    assert not tokens.list()


def test_a_name_is_used_once_even_after_it_was_revoked(tokens: Tokens) -> None:
    tokens.create("x", [Scope.READ])
    tokens.revoke("x")
    with pytest.raises(RequestError, match="already"):
        tokens.create("x", [Scope.READ])
    with pytest.raises(NotThereError, match="no token 'y'"):
        tokens.revoke("y")


@given(st.text(max_size=60))
def test_whatever_is_guessed_opens_nothing(tmp_path_factory: pytest.TempPathFactory, guess: str) -> None:
    with Tokens(tmp_path_factory.mktemp("guessed") / "tokens.db") as tokens:
        tokens.create("x", [Scope.ADMIN])
        with pytest.raises(UnknownTokenError):
            tokens.caller(guess)
