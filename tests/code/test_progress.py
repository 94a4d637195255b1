"""Progress of long work without a terminal."""

from tasador.cli import progress


def test_progress_lines_without_a_terminal(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 9.0, 10.5, 11.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.stages() as report:
        for done in range(4):
            report("search", done / 10, f"trial {done + 1} of 10 [x]")
        report("fit", 0.0, "the best")
        report("search", 1.0, "found")
    assert capsys.readouterr().out.splitlines() == [
        "search   0%  trial 1 of 10 [x]",
        "search  30%  trial 4 of 10 [x]",
        "fit   0%  the best",
        "search 100%  found",
    ]


def test_quiet_progress_prints_nothing(capsys):
    with progress.stages(quiet=True) as report:
        report("search", 0.0, "trial 1 of 10")
    assert capsys.readouterr().out == ""
