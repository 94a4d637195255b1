"""What one test sets in this process's environment is gone before the next."""

import os

_NAME = "TASADOR_TEST_LEAK"


def test_that_leaks():
    os.environ[_NAME] = "1"


def test_that_follows():
    assert _NAME not in os.environ
