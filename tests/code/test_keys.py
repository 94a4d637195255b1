"""No version is looked up by its number alone: each model name counts from 1, and again after a
model was deleted from the registry."""

import inspect

import pytest

from tasador.model.model_ref import ModelRef
from tasador.warehouse import schema
from tasador.warehouse.warehouse import Warehouse

METHODS = dict(inspect.getmembers(Warehouse, inspect.isfunction))


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("_")])
def test_warehouse_takes_a_version_only_with_its_name(name):
    parameters = inspect.signature(METHODS[name]).parameters
    numbers = {"version", "champion_version", "model_version"} & parameters.keys()
    assert not numbers or "name" in parameters, f"{name} takes a version's number alone"


@pytest.mark.parametrize("table", schema.METADATA.sorted_tables, ids=lambda table: table.name)
def test_tables_and_unique_indexes_name_the_whole_version(table):
    numbers = {"version", "champion_version", "model_version"} & set(table.columns.keys())
    if not numbers:
        return
    assert "model_name" in table.columns, f"{table.name} has a version without the model's name"
    for number in numbers:
        assert number.replace("version", "digest") in table.columns
    for index in (index for index in table.indexes if index.unique):
        columns = {column.name for column in index.columns}
        for number in numbers & columns:
            assert {"model_name", number.replace("version", "digest")} <= columns, index.name


def test_key_of_a_version_has_all_three():
    one = ModelRef("m", 1, "d", promotion=5, uri="u")
    assert one.key == ModelRef("m", 1, "d", promotion=6, uri="v").key
    others = [ModelRef("n", 1, "d"), ModelRef("m", 2, "d"), ModelRef("m", 1, "e")]
    assert one.key not in [other.key for other in others]
