"""Dependencies point one way: core <- ports <- flows, functions, web, cli.

Read from the syntax trees, lazy imports included, since xgboost imports pandas wherever it is
installed and ``sys.modules`` would then tell nothing.
"""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_PARTY = ("tasador", "functions", "flows")

CORE = (
    "arrays",
    "clock",
    "engine",
    "errors",
    "events",
    "gate",
    "ingestion.replay",
    "listings",
    "model",
    "monitoring.policy",
    "prediction_record",
    "records",
)
# Of those folders, what needs more than numpy.
NOT_CORE = ("events.announce", "listings.table")
CORE_MAY = {"numpy", "xgboost", "cloudevents", "httpx"}
SERVING = ("functions.host", "functions.predict.func", "functions.explain.func")
SERVING_MAY = CORE_MAY | {
    "parliament",
    "flask",
    "waitress",
    "werkzeug",
    "prometheus_client",
    "orjson",
}


def path_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def imports_of(module: str) -> frozenset[str]:
    """Every module that ``module`` imports at run time, wherever in it the import stands."""
    path = path_of(module)
    assert path is not None, module
    found: set[str] = set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            found.add(base)
            names = (f"{base}.{alias.name}" for alias in node.names)
            found.update(n for n in names if n.startswith(FIRST_PARTY) and path_of(n))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return frozenset(found)


def closure(module: str) -> dict[str, list[str]]:
    """Third-party package -> the chain of first-party modules by which it is reached."""
    reached: dict[str, list[str]] = {}
    seen: set[str] = set()
    waiting = [[module]]
    while waiting:
        chain = waiting.pop()
        if chain[-1] in seen:
            continue
        seen.add(chain[-1])
        for name in imports_of(chain[-1]):
            top = name.split(".")[0]
            if top in FIRST_PARTY:
                if path_of(name):
                    waiting.append([*chain, name])
            elif top not in sys.stdlib_module_names:
                reached.setdefault(top, chain)
    return reached


def modules_of(package: str) -> list[str]:
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def is_core(module: str) -> bool:
    name = module.removeprefix("tasador").removeprefix(".")
    within = [rule for rule in CORE if name == rule or name.startswith(f"{rule}.")]
    return not name or (bool(within) and name not in NOT_CORE)


@pytest.mark.parametrize("module", [m for m in modules_of("tasador") if is_core(m)])
def test_core_imports_neither_ports_nor_heavy_packages(module):
    reached = closure(module)
    assert set(reached) <= CORE_MAY, {k: v for k, v in reached.items() if k not in CORE_MAY}
    assert all(is_core(n) for n in imports_of(module) if n.startswith("tasador"))


@pytest.mark.parametrize("module", SERVING)
def test_serving_imports_only_what_a_lean_image_holds(module):
    reached = closure(module)
    assert set(reached) <= SERVING_MAY, {k: v for k, v in reached.items() if k not in SERVING_MAY}


@pytest.mark.parametrize("module", modules_of("tasador"))
def test_the_library_imports_no_edge(module):
    edges = {n for n in imports_of(module) if n.split(".")[0] in ("flows", "functions", "web")}
    assert not edges
    if not module.startswith(("tasador.cli", "tasador.local", "tasador.__main__")):
        local = {n for n in imports_of(module) if n.startswith(("tasador.local", "tasador.cli"))}
        assert not local, "only the command line and the platform itself know the platform"


@pytest.mark.parametrize("module", modules_of("tasador"))
def test_nothing_runs_at_import_time(module):
    path = path_of(module)
    assert path is not None
    for node in ast.parse(path.read_text()).body:
        ran = isinstance(node, ast.For | ast.While | ast.With | ast.Try) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        )
        assert not ran or path.name == "__main__.py", f"{path}:{node.lineno}"
