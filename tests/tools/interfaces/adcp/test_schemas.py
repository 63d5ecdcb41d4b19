"""Every answer fits the published schema of the release it was asked in, and of the newest where none was named."""

import pytest
from adcp.validation.schema_validator import validate_response

from tests.tools.interfaces.adcp.asking import AGENT, Json, ask
from tools.interfaces.adcp.listing import of_sentence
from tools.service import AudienceService
from tools.types import AudienceSpec, Filter

WINE = "Households that will buy wine in the next 28 days"
BRAND = {"brand": {"domain": "shop.example"}, "operator": "agency.example", "billing": "operator"}
TO = [{"type": "agent", "agent_url": "https://seller.example"}, {"type": "platform", "platform": "some-dsp"}]
BUY: Json = {"signal_agent_segment_id": of_sentence(WINE).id, "destinations": TO, "pricing_option_id": "monthly"}
REQUESTS: list[tuple[str, Json]] = [
    ("get_adcp_capabilities", {}),
    ("get_adcp_capabilities", {"protocols": ["media_buy"]}),
    ("get_signals", {"signal_spec": "wine drinkers"}),
    ("get_signals", {"discovery_mode": "wholesale", "pagination": {"max_results": 1}}),
    ("get_signals", {"signal_spec": "wine", "filters": {"max_cpm": 0}}),
    ("activate_signal", BUY | {"idempotency_key": "key-0123456789abcdef"}),
    ("activate_signal", BUY | {"idempotency_key": "key-1123456789abcdef", "action": "deactivate"}),
    ("sync_accounts", {"accounts": [BRAND], "idempotency_key": "key-2123456789abcdef"}),
    ("sync_accounts", {"accounts": [], "idempotency_key": "key-3123456789abcdef", "dry_run": True}),
    ("list_accounts", {"pagination": {"max_results": 1}}),
]


@pytest.mark.parametrize("release", ["3.0", "3.1", "3.2", None])
def test_answers_fit_the_schema_of_their_release(own: AudienceService, release: str | None) -> None:
    mine = own.of(AGENT)
    mine.save(AudienceSpec(demand=WINE, filters=(Filter(field="age", values=("25-34",)),)), "Young cellars", "Ada")
    mine.combine("or", [mine.save(AudienceSpec(demand=WINE), "Cellars", "Ada").id, "Young cellars"], "Both", "Ada")
    for name, arguments in REQUESTS:
        answer = ask(own, name, arguments | ({"adcp_version": release} if release else {}), AGENT)
        assert answer["status"] == "completed", answer
        for each in [release] if release else ["3.0", "3.2"]:
            found = validate_response(name, answer, version=each)
            assert found.variant != "skipped"
            assert found.valid, (name, each, found.issues)


@pytest.mark.parametrize("release", ["3.0", "3.1", "3.2"])
def test_errors_fit_it_too(own: AudienceService, release: str) -> None:
    for name in ("activate_signal", "sync_accounts"):
        answer = ask(own, name, {"adcp_version": release}, AGENT)
        assert answer["status"] == "failed"
        found = validate_response(name, answer, version=release)
        assert found.valid, (name, found.issues)
