import pytest

from tests.model.kit import DEFAULT, bundle_of, simulated


@pytest.fixture(scope="session")
def market():
    """Six thousand simulated listings."""
    return simulated(6000)


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    """Where the trained bundle lies."""
    return tmp_path_factory.mktemp("model") / "bundle"


@pytest.fixture(scope="session")
def trained(market, trained_folder):
    """A bundle trained on the market's properties outside the holdout."""
    return bundle_of(market, trained_folder, DEFAULT)
