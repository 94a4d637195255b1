"""A simulated market and a bundle trained on it, shared by the tests of the model."""

import pytest

from tasador.model.bundle import Bundle
from tests.kit.listings import simulated_frame
from tests.kit.models import DEFAULT, train_bundle
from tests.kit.once import written_once


@pytest.fixture(scope="session")
def market():
    """Six thousand simulated listings."""
    return simulated_frame(6000)


@pytest.fixture(scope="session")
def trained_folder(market):
    """The folder of the trained bundle; tests must not change it."""
    return written_once("market", lambda folder: train_bundle(market, folder, DEFAULT))


@pytest.fixture(scope="session")
def trained(trained_folder):
    """A bundle trained on the market's properties outside the holdout."""
    return Bundle.load(trained_folder)
