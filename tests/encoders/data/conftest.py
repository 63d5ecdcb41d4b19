from pathlib import Path

import pytest

from encoders.data import completejourney
from encoders.data.events import Dataset
from tests.encoders.data.small_shop import CUSTOMER, Shop, make_shop


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The built-in data set, prepared once for all tests."""
    folder = tmp_path_factory.mktemp("journey") / "data"
    completejourney.prepare(folder)
    return Dataset(folder)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path)


@pytest.fixture
def open_shop(shop: Shop) -> Shop:
    """A shop that asks nobody for consent."""
    shop.change('consent = "agreed"\n', "")
    shop.table("customers.csv", [CUSTOMER])
    return shop
