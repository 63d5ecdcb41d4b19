"""The Batch API: submit, wait, fetch, and go on after a run was killed at the worst moment."""

import pytest

from agent.labelling.ledger import LabelBudget, LabelLedger, Spent, worst
from agent.labelling.writing import ask_by_batch
from agent.models.usage import Prices
from tests.agent.labelling.label_doubles import TOKENS, LabelServer, completion, draft, refusal
from tests.agent.labelling.test_asking_many import FREE, requests


def go(server: LabelServer, ledger: LabelLedger, budget: LabelBudget = FREE) -> str:
    asked = requests(server.as_server, 5)
    ledger.add("set", asked)
    return ask_by_batch(asked, server.as_server, ledger, "set", budget)


def test_submit_wait_and_merge(server: LabelServer, ledger: LabelLedger) -> None:
    assert "5 requests lie with the server as batch batch-0" in go(server, ledger)
    server.batch_status = "in_progress"
    assert "'in_progress'" in go(server, ledger)
    assert ledger.states("set") == {"batched": 5}
    server.batch_status = "completed"
    assert go(server, ledger) == ""
    assert ledger.spent("set") == Spent(5, 0, 5 * TOKENS[0], 5 * TOKENS[1])
    assert len(ledger.answers(requests(server.as_server, 5))) == 5
    assert go(server, ledger) == ""
    assert len(server.batches) == 1


def test_what_failed_in_a_batch_goes_into_the_next(server: LabelServer, ledger: LabelLedger) -> None:
    server.answer = lambda body: (
        refusal(500) if "thing 3" in body["messages"][0]["content"] else (200, completion(draft(body)), {})
    )
    go(server, ledger)
    assert "1 requests lie" in go(server, ledger)
    assert ledger.states("set") == {"batched": 1, "done": 4}


def test_an_expired_batch_is_asked_again(server: LabelServer, ledger: LabelLedger) -> None:
    go(server, ledger)
    (batch,) = server.batches.values()
    server.files[batch["output_file_id"]] = "".join(server.files[batch["output_file_id"]].splitlines(keepends=True)[:2])
    server.batch_status = "expired"
    assert "3 requests lie" in go(server, ledger)


def test_a_batch_whose_submission_was_not_noted_is_found_again(
    server: LabelServer, ledger: LabelLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LabelLedger, "batched", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            go(server, ledger)
    assert "batch batch-0" in go(server, ledger)
    assert len(server.batches) == 1


def test_a_budget_holds_for_batches_too(server: LabelServer, ledger: LabelLedger) -> None:
    prices = Prices(input=1.0, output=1.0)
    price = worst(prices, requests(server.as_server, 1)[0])
    assert "2 requests lie" in go(server, ledger, LabelBudget(2.5 * price, prices))
