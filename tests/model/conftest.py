import pytest

from tests.model.kit import DEFAULT, bundle_of, simulated


@pytest.fixture(scope="session")
def market():
    """Six thousand simulated listings."""
    return simulated(6000)


@pytest.fixture(scope="session")
def trained(market, tmp_path_factory):
    """A bundle trained on the market's properties outside the holdout."""
    return bundle_of(market, tmp_path_factory.mktemp("model") / "bundle", DEFAULT)
