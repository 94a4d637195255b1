"""The database's revisions: one chain, in the order of their numbers."""

from pathlib import Path

from alembic.script import ScriptDirectory

from tests.kit.checkout import ROOT


def test_revisions_are_one_chain_in_the_order_of_their_files():
    scripts = ScriptDirectory(str(ROOT / "tasador" / "warehouse" / "migrations"))
    assert len(scripts.get_heads()) == 1
    revisions = list(scripts.walk_revisions())[::-1]
    numbers = [f"{number:04}" for number in range(1, len(revisions) + 1)]
    assert [revision.revision for revision in revisions] == numbers
    files = sorted(Path(scripts.versions).glob("v*.py"))
    assert [file.name[1:5] for file in files] == numbers
