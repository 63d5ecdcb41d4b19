"""Lists for ad platforms: columns, spelling before the hash, names that are refused, and lists that are too small."""

import hashlib
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.data.contacts import ContactFormat
from encoders.errors import RequestError, TooSmallError
from encoders.workspace import Workspace
from tests.tools.reach_doubles import export, prepared
from tools.delivery.destinations import platform_named, platforms
from tools.types import SavedAudience

SAVED = SavedAudience(
    id="aud-1", name="Autumn", version=2, spec=None, definition="Households that will buy tea", users=5, holdout=1,
    as_of=date(2017, 10, 1), model_version="m", data_version="d", created=datetime(2026, 1, 1, tzinfo=UTC),
    approved_by="Ada",
)  # fmt: skip
AMERICAN = ContactFormat("US")
MEMBERS, HOLDOUT = ("u1", "u2", "u3", "u4", "u5"), ("u5",)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    contacts: dict[str, list[str | None]] = {
        "user_id": ["u1", "u2", "u3", "u5"],
        "email": [" Jane.Doe+shop@GMail.com ", "ann@example.com", None, "held@example.com"],
        "phone": ["(650) 555-1212", None, "nonsense", "650 253 0001"],
    }
    prepared(made.data, MEMBERS, contacts)
    return made


@pytest.mark.parametrize(
    ("platform", "kind", "contact", "published"),
    [
        ("meta", "email", "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("meta", "phone", "(650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        ("tiktok", "email", "JaneDoe@gmail.com", "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"),
    ],
)
def test_the_examples_that_platforms_publish(platform: str, kind: str, contact: str, published: str) -> None:
    assert platform_named(platform).hashed(kind, contact, AMERICAN) == published


def test_each_platform_has_its_own_spelling() -> None:
    google, meta, tiktok = (platform_named(name) for name in ("Google", "META", "tiktok"))
    assert google.hashed("email", "Jane.Doe+shop@googlemail.com") == sha("janedoe@googlemail.com")
    assert google.hashed("email", "jane.doe+shop@example.com") == sha("jane.doe+shop@example.com")
    assert meta.hashed("email", "Jane.Doe+shop@gmail.com") == sha("jane.doe+shop@gmail.com")
    assert google.hashed("phone", "650 253 0000", AMERICAN) == sha("+16502530000")
    assert google.hashed("phone", "+1 650 253 0000") == tiktok.hashed("phone", "+1 650 253 0000") == sha("+16502530000")
    assert meta.hashed("phone", "+1 650 253 0000") == sha("16502530000")
    assert google.hashed("email", "+@gmail.com") is None
    linkedin = platform_named("linkedin")
    assert linkedin.hashed("email", "\tJane.Doe+shop@GMail.com ") == sha("jane.doe+shop@gmail.com")
    assert linkedin.contact_columns == {"email": "email"}


@pytest.mark.parametrize(
    ("platform", "header"),
    [
        ("google", "Email,Phone"),
        ("meta", "email,phone"),
        ("tiktok", "Email_SHA256,Phone_SHA256"),
        ("linkedin", "email,firstname,lastname,jobtitle,employeecompany,country,googleaid"),
    ],
)
def test_a_list_has_the_columns_of_its_platform_and_nothing_else(
    workspace: Workspace, platform: str, header: str
) -> None:
    done = export(workspace, SAVED, MEMBERS, HOLDOUT, platform=platform_named(platform))
    path = workspace.exports / f"aud-1-v2-{platform}.csv"
    lines = path.read_text().splitlines()
    assert lines[0] == header == ",".join(done.columns)
    assert done.path == str(path)
    assert done.rows == len(lines) - 1 == 2
    assert not any(word in path.read_text() for word in ("u1", "u2", "example", "@", sha("held@example.com")))
    assert "2 have no contact that" in done.warnings[0]
    assert f"needs at least {platforms()[platform].smallest:,} rows" in done.warnings[1]


def test_names_that_suggest_health_or_money_are_refused_by_meta_alone(workspace: Workspace) -> None:
    for change in ({"name": "Diabetes care"}, {"definition": "Households that will buy cold and flu remedies"}):
        saved = SAVED.model_copy(update=change)
        with pytest.raises(RequestError, match="Meta turns down audiences whose name or description suggests"):
            export(workspace, saved, MEMBERS, HOLDOUT, platform=platform_named("meta"))
        assert export(workspace, saved, MEMBERS, HOLDOUT, platform=platform_named("google")).rows == 2
    rich = SAVED.model_copy(update={"name": "Enriched flour, ostrich farms"})
    assert export(workspace, rich, MEMBERS, HOLDOUT, platform=platform_named("meta")).rows == 2


def test_without_contacts_there_is_no_list(tmp_path: Path) -> None:
    prepared(tmp_path / "data", MEMBERS)
    with pytest.raises(RequestError, match="Google matches people by email or phone, and this data has no such column"):
        export(Workspace(tmp_path), SAVED, MEMBERS, HOLDOUT, platform=platform_named("google"))
    assert not (tmp_path / "exports").exists()
    with pytest.raises(
        RequestError, match="There is no platform 'myspace' here; export for Google, Meta, TikTok, Link"
    ):
        platform_named("myspace")


def test_a_list_of_too_few_is_not_written(workspace: Workspace) -> None:
    with pytest.raises(TooSmallError, match="Fewer than 3 of this audience have a contact that Meta could match"):
        export(workspace, SAVED, MEMBERS, HOLDOUT, platform=platform_named("meta"), minimum=3)
    assert not workspace.exports.exists()


@pytest.mark.parametrize(
    ("contacts", "card", "remedy"),
    [
        ({"phone": ["0170 2345678"] * 5}, {"phone_country": ""}, "'phone' have no country code: write them as"),
        ({"phone": ["0170 2345678"] * 5}, {"phone_country": "US"}, "'phone' are no numbers of US: write them as"),
        ({"email": ["nobody"] * 5}, {}, "'email' are no addresses such as name@example.com"),
        ({"email": ["a@example.com"] * 5}, {"hashed_contacts": ["email"]}, "'email' are no SHA-256"),
        ({"email": ["a@example.com"] * 5}, {}, "Make the audience broader"),
    ],
)
def test_where_few_match_the_message_names_the_format(
    tmp_path: Path, contacts: dict[str, list[str]], card: dict[str, Any], remedy: str
) -> None:
    prepared(tmp_path / "data", MEMBERS, {"user_id": MEMBERS, **contacts}, **card)
    with pytest.raises(TooSmallError, match=re.escape(remedy)) as raised:
        export(Workspace(tmp_path), SAVED, MEMBERS, platform=platform_named("meta"), minimum=3)
    assert "0170" not in str(raised.value)


@given(st.text(max_size=60), st.sampled_from(["email", "phone"]), st.sampled_from(sorted(platforms())))
def test_any_contact_is_hashed_or_left_out(contact: str, kind: str, platform: str) -> None:
    found = platform_named(platform).hashed(kind, contact)
    assert found is None or (len(found) == 64 and set(found) <= set("0123456789abcdef"))
