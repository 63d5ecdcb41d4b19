"""Asking many at once: every answer kept the moment it comes, failures asked again, limits and budgets kept."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.labelling import calls
from agent.labelling.calls import Limits, PassResult, Server, ask_all
from agent.labelling.ledger import LabelBudget, LabelLedger, LabelRequest, Spent, worst
from agent.models.calls import TRIES
from agent.models.usage import Prices
from encoders.errors import ChatModelError
from tests.agent.labelling.label_doubles import TOKENS, Answer, LabelServer, completion, draft, refusal

ROOT = Path(__file__).parents[3]
FREE = LabelBudget(None, None)
PRICES = Prices(input=1_000.0, output=1_000.0)

KILLED = """
import sys
from pathlib import Path
from tests.agent.labelling.test_asking_many import FREE, requests
from agent.labelling.calls import ask_all
from agent.labelling.ledger import LabelLedger
from agent.labelling.calls import Limits
from agent.labelling.calls import Server

server = Server("server:planted", "planted", sys.argv[1], "none", 60.0)
with LabelLedger.open(Path(sys.argv[2])) as ledger:
    asked = requests(server, int(sys.argv[3]))
    ledger.add("set", asked)
    ask_all(asked, server, ledger, Limits(concurrency=3), FREE)
"""


def requests(server: Server, count: int) -> list[LabelRequest]:
    """Requests whose prompts differ."""
    return [server.request("write", [{"role": "user", "content": f'1. "thing {n}"'}], 1) for n in range(count)]


def ask(
    server: LabelServer, ledger: LabelLedger, count: int = 6, budget: LabelBudget = FREE, **limits: Any
) -> PassResult:
    asked = requests(server.as_server, count)
    ledger.add("set", asked)
    return ask_all(asked, server.as_server, ledger, Limits(**{"concurrency": 3} | limits), budget)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT", 0.0)


def test_everything_is_asked_once_and_never_again(server: LabelServer, ledger: LabelLedger) -> None:
    assert ask(server, ledger) == PassResult(6, 6, False)
    assert ledger.spent("set") == Spent(6, 0, 6 * TOKENS[0], 6 * TOKENS[1])
    assert ask(server, ledger) == PassResult(0, 0, False)
    answers = ledger.answers(requests(server.as_server, 6))
    assert sorted(json.loads(each)["sentence"] for each in answers.values()) == [
        f"people fond of thing {n}" for n in range(6)
    ]
    assert len(server.asked) == 6
    assert {each["response_format"]["json_schema"]["name"] for each in server.asked} == {"write"}


def test_two_sets_that_ask_alike_pay_once(server: LabelServer, ledger: LabelLedger) -> None:
    ask(server, ledger)
    again = requests(server.as_server, 6)
    ledger.add("other", again)
    assert ledger.left(again) == []
    assert ledger.spent("other").calls == 6


@pytest.mark.parametrize(
    "change",
    [{"model": "x"}, {"temperature": 0.1}, {"messages": []}, {"max_tokens": 9}, {"response_format": {}}],
)
def test_the_key_holds_everything_that_changes_the_answer(server: LabelServer, change: dict[str, Any]) -> None:
    (request,) = requests(server.as_server, 1)
    assert LabelRequest(request.server, "write", request.body | change).key != request.key
    assert LabelRequest("another", "write", request.body).key != request.key
    assert LabelRequest(request.server, "write", dict(reversed(request.body.items()))).key == request.key


def test_a_killed_run_goes_on_and_no_answer_is_paid_for_twice(server: LabelServer, tmp_path: Path) -> None:
    path, count = tmp_path / "ledger.db", 12
    server.hold_after = 5
    command = [sys.executable, "-c", KILLED, server.url, str(path), str(count)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}) as run:
        for _ in range(5 + 3):
            assert server.arrived.acquire(timeout=120)
        os.kill(run.pid, signal.SIGKILL)
    before = {body["messages"][0]["content"] for body in server.asked}
    server.hold_after = None
    server.released.set()
    with LabelLedger.open(path) as ledger:
        assert ask(server, ledger, count).answered == count - 5
        assert ledger.states("set") == {"done": count}
        assert ledger.spent("set").untold == 3, "those under way may have been paid for, and count"
        assert ledger.spent("set").calls == count + 3
    assert len(before) == 8
    assert len(server.asked) == count + 3, "only what was under way is sent again"
    assert len(server.paid) == count, "and under the same idempotency key, for which a server charges once"


def test_failures_are_asked_again_in_the_next_pass_and_their_tokens_count(
    server: LabelServer, ledger: LabelLedger
) -> None:
    def moody(body: dict[str, Any]) -> Answer:
        if "thing 1" in body["messages"][0]["content"]:
            return 200, completion("I would rather not."), {}
        if "thing 2" in body["messages"][0]["content"]:
            return 200, completion('{"lines": [1', finish="length"), {}
        return 200, completion(draft(body)), {}

    good, server.answer = server.answer, moody
    assert ask(server, ledger) == PassResult(6, 4, False)
    assert ledger.errors("set") == {"the answer was cut off": 1, "the answer was no such object": 1}
    server.answer = good
    assert ask(server, ledger) == PassResult(2, 2, False)
    assert ledger.spent("set") == Spent(8, 0, 8 * TOKENS[0], 8 * TOKENS[1])
    assert max(server.paid.values()) == 1, "an answer of no use was paid for: what comes next is a new question"


def test_a_busy_server_is_asked_again_within_the_pass(server: LabelServer, ledger: LabelLedger) -> None:
    script = [refusal(429, retry_after="0.01"), refusal(503)]
    server.answer = lambda body: script.pop() if script else (200, completion(draft(body)), {})
    assert ask(server, ledger, concurrency=1) == PassResult(6, 6, False)
    assert ledger.spent("set").calls == 8
    assert ledger.spent("set").input_tokens == 6 * TOKENS[0]


def test_one_that_stays_busy_leaves_the_rest_for_the_next_pass(server: LabelServer, ledger: LabelLedger) -> None:
    server.answer = lambda body: refusal(503)
    assert ask(server, ledger, 2) == PassResult(2, 0, False)
    assert ledger.errors("set") == {"error 503": 2}
    assert len(server.asked) == 2 * TRIES


@pytest.mark.parametrize(("status", "code"), [(401, None), (404, "model_not_found"), (429, "insufficient_quota")])
def test_a_server_that_will_never_answer_stops_the_run(
    server: LabelServer, ledger: LabelLedger, status: int, code: str | None
) -> None:
    server.answer = lambda body: refusal(status, code)
    with pytest.raises(ChatModelError, match=str(status)):
        ask(server, ledger, 50)
    assert len(server.asked) <= 3


def test_a_server_without_schemas_is_asked_without(server: LabelServer, ledger: LabelLedger) -> None:
    def plain(body: dict[str, Any]) -> Answer:
        return refusal(400) if "response_format" in body else (200, completion(f"Sure! {draft(body)}"), {})

    server.answer = plain
    assert ask(server, ledger, concurrency=1) == PassResult(6, 6, False)
    assert sum("response_format" in body for body in server.asked) == 1


def test_the_budget_is_never_passed(server: LabelServer, ledger: LabelLedger) -> None:
    price = worst(PRICES, requests(server.as_server, 1)[0])
    told = sum(TOKENS) * PRICES.input / 1e6
    budget = LabelBudget(price + 2.5 * told, PRICES)
    assert ask(server, ledger, 20, budget) == PassResult(3, 3, True)
    assert budget.spent == pytest.approx(3 * told)
    assert budget.spent <= (budget.limit or 0)


def test_calls_whose_tokens_nobody_tells_count_as_the_longest(server: LabelServer, ledger: LabelLedger) -> None:
    server.answer = lambda body: (200, completion(draft(body), tokens=None), {})
    price = worst(PRICES, requests(server.as_server, 1)[0])
    assert ask(server, ledger, 20, LabelBudget(2.5 * price, PRICES)).asked == 2
    assert ledger.spent("set").untold == 2
