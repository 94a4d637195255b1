"""Which tests run first, and which run in one process (tests/conftest.py)."""

import pytest

from tests.kit.checkout import ROOT


@pytest.fixture
def conftest(pytestconfig):
    return pytestconfig.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))


def test_named_files_exist(conftest):
    names = (*conftest.SLOWEST_FIRST, *conftest.INDEPENDENT, conftest.TOGETHER)
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert len(set(conftest.SLOWEST_FIRST)) == len(conftest.SLOWEST_FIRST)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/browser/test_pages.py::test_a", "tests/browser/test_people.py::test_b", True),
        ("tests/code/test_gate.py::test_a", "tests/code/test_gate.py::test_b[1]", True),
        ("tests/code/test_gate.py::test_a", "tests/code/test_cli.py::test_a", False),
        (
            "tests/embedded/test_ingest_flow.py::test_a",
            "tests/embedded/test_ingest_flow.py::test_b",
            False,
        ),
    ],
)
def test_unit_of_work(conftest, one, other, together):
    assert (conftest.unit_of(one) == conftest.unit_of(other)) == together
