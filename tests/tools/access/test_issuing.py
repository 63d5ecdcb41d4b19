"""Tokens as the owner makes and revokes them: with an audit line, and never the token in it."""

from contextlib import closing
from pathlib import Path

import pytest

from encoders.errors import NotAllowedError, NotThereError, RequestError
from encoders.workspace import Workspace
from tests.planted import world_settings
from tools.access.callers import Caller, Scope, Tokens
from tools.access.issuing import IssuedTokens
from tools.service import AudienceService
from tools.storage.registry import Registry


def test_what_is_done_with_tokens_is_written_down_without_them(tmp_path: Path) -> None:
    lines: list[tuple[str, dict[str, str]]] = []
    issued = IssuedTokens(tmp_path / "tokens.db", lambda action, details: lines.append((action, dict(details))))
    assert issued.list() == ()
    assert not issued.needed()
    token = issued.create("shop-agent", [Scope.SIZE, Scope.READ], "shop", 10, 30)
    with Tokens(tmp_path / "tokens.db") as tokens:
        assert tokens.caller(token).name == "shop-agent"
    for lacking in ("shop-agent", "No Name"):
        with pytest.raises(RequestError):
            issued.create(lacking, [Scope.READ])
    issued.revoke("shop-agent")
    with pytest.raises(NotThereError):
        issued.revoke("nobody")
    assert [each.state for each in issued.list()] == ["revoked"]
    assert issued.needed()
    assert lines == [
        ("create token", {"token": "shop-agent", "scopes": "read,size", "of": "shop"}),
        ("revoke token", {"token": "shop-agent"}),
    ]
    assert token not in str(lines)


@pytest.mark.slow
def test_tokens_are_the_owners(own_workspace: Workspace) -> None:
    with closing(AudienceService.open(world_settings(own_workspace.path))) as shop:
        for scopes, tenant in (([Scope.ACTIVATE], ""), ([Scope.ADMIN], "shop")):
            caller = Caller(name="agent", scopes=frozenset(scopes), tenant=tenant)
            with pytest.raises(NotAllowedError, match="admin token without a tenant"):
                _ = shop.of(caller).tokens
        shop.tokens.create("me", [Scope.READ])
    with Registry(own_workspace.registry) as registry:
        assert [(each.actor, each.action) for each in registry.audit()] == [("owner", "create token")]
