"""The real app sends what its workspace has to tell, its tenants' too, without being asked."""

from datetime import date
from pathlib import Path

import pytest

from encoders.settings import settings
from encoders.workspace import Workspace
from tests.app.browsing import Serve
from tests.app.page_doubles import make_desk
from tests.listening import listening, signed
from tools.audiences.disclosure import Disclosure
from tools.delivery.outbox import Outbox, announce_saved
from tools.storage.registry import Registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
]


def test_what_was_saved_before_the_app_began_is_sent(serve: Serve, tmp_path: Path) -> None:
    tenant = Workspace(settings().workspace).of_tenant("acme")
    with listening() as listener, Registry(tenant.registry) as registry:
        told = Outbox(registry.database, private=True).add(listener.url)
        registry.save_version(
            "Tea", spec=None, definition="tea", members=["u1"], holdout_share=0.0, as_of=date(2017, 10, 1),
            model_version="m", data_version="d", approved_by="Ada",
            emit=announce_saved(Disclosure(0)),
        )  # fmt: skip
        serve(lambda: make_desk(tmp_path))
        assert listener.first.wait(60)
        assert signed(listener.heard[0], told.secret)
        assert listener.heard[0].data["name"] == "Tea"
