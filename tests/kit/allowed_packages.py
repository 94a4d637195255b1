"""An import-linter contract: which third-party packages modules may reach, directly or not.

import-linter can forbid named packages. Serving needs the stronger rule: anything that is not on
the list is forbidden, packages that nobody has added yet included.
"""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class AllowedPackagesContract(Contract):
    """``source_modules`` reach no third-party package but ``allowed_packages``.

    Lazy imports count. The standard library is always allowed.
    """

    type_name = "allowed_packages"

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed_packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        sources = module_expressions_to_modules(graph, self.source_modules)  # type: ignore[arg-type]
        allowed = {*self.allowed_packages, *sys.stdlib_module_names}  # type: ignore[misc]
        chains = {
            chain
            for source in sources
            for package in graph.find_upstream_modules(source.name)
            if graph.is_module_squashed(package) and package not in allowed
            if (chain := graph.find_shortest_chain(source.name, package)) is not None
        }
        return ContractCheck(kept=not chains, metadata={"chains": sorted(chains)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for chain in check.metadata["chains"]:
            output.print(" -> ".join(chain))
