import pytest

from tests.kit.listings import simulated_frame
from tests.kit.models import DEFAULT, train_bundle


@pytest.fixture(scope="session")
def market():
    """Six thousand simulated listings."""
    return simulated_frame(6000)


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    """Where the trained bundle lies."""
    return tmp_path_factory.mktemp("model") / "bundle"


@pytest.fixture(scope="session")
def trained(market, trained_folder):
    """A bundle trained on the market's properties outside the holdout."""
    return train_bundle(market, trained_folder, DEFAULT)
