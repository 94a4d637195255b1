"""Files and folders that a user names appear whole or not at all, and stay what they are."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from tasador.machine.files import is_special, whole_file, whole_folder
from tests.kit.checkout import ROOT


def write(path, text="new"):
    with whole_file(path) as part:
        part.write_text(text)


def fails(opened, name=""):
    with opened as part:
        (part / name if name else part).write_text("half")
        raise ZeroDivisionError


def test_file_appears_whole_at_the_end(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_stays(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fails(whole_file(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_stays_one(tmp_path, exists):
    file, link = tmp_path / "file", tmp_path / "link"
    if exists:
        file.write_text("old")
    link.symlink_to(file)
    write(link)
    assert link.is_symlink()
    assert file.read_text() == "new"


def test_pipe_gets_the_content_and_stays_one(tmp_path):
    """As /dev/stdout and /dev/null: root would replace the device by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert is_special(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert got == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_standard_output_is_continued_where_it_is(tmp_path):
    """It may be a file, which has content before and gets more behind it."""
    script = (
        "import os, sys; from pathlib import Path; from tasador.machine.files import whole_file\n"
        "print('before', flush=True)\n"
        "for name in ('/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'):\n"
        "    with whole_file(Path(name)) as part: part.write_text(f'{name}\\n')\n"
        "print('after')"
    )
    path = tmp_path / "out"
    with path.open("w") as out:
        subprocess.run([sys.executable, "-c", script], stdout=out, cwd=ROOT, check=True)
    written = path.read_text().split()
    assert written == ["before", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "after"]


def test_pipe_gets_nothing_after_an_error(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ZeroDivisionError):
        fails(whole_file(pipe))
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_folder_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(IsADirectoryError), whole_file(tmp_path):
        raise AssertionError("not reached")


@pytest.mark.parametrize("name", ["x" * 255, "ñ" * 127])
def test_longest_names(tmp_path, name):
    write(tmp_path / name)
    assert (tmp_path / name).read_text() == "new"


def fill(folder):
    with whole_folder(folder, last="manifest.json") as part:
        for name in ("manifest.json", "a", "z"):
            (part / name).write_text(name)


def test_folder_is_new_or_stays_the_same_one(tmp_path):
    new, empty = tmp_path / "new" / "er", tmp_path / "empty"
    empty.mkdir()
    before = empty.stat().st_ino
    for folder in (new, empty):
        fill(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["a", "manifest.json", "z"]
    assert empty.stat().st_ino == before
    assert {path.name for path in tmp_path.iterdir()} == {"new", "empty"}


def test_current_folder_and_a_link_to_a_folder_are_filled(tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    fill(tmp_path / "here")
    fill(tmp_path / "link")
    assert (tmp_path / "here" / "a").exists()
    assert (tmp_path / "there" / "a").exists()
    assert (tmp_path / "link").is_symlink()
    assert os.listdir() != []


def test_a_mount_point_is_filled_from_inside(tmp_path, monkeypatch):
    folder = tmp_path / "volume"
    folder.mkdir()
    monkeypatch.setattr(type(folder), "is_mount", lambda self: self == folder)
    with whole_folder(folder, last="manifest.json") as part:
        assert part.parent == folder
        (part / "manifest.json").touch()
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("exists", [True, False])
def test_folder_gets_nothing_after_an_error(tmp_path, exists):
    folder = tmp_path / "out"
    if exists:
        folder.mkdir()
    with pytest.raises(ZeroDivisionError):
        fails(whole_folder(folder, last="b"), "a")
    assert [path.name for path in tmp_path.rglob("*")] == (["out"] if exists else [])


def test_folder_that_cannot_be_made_is_an_error_before_the_block(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), whole_folder(tmp_path / "file" / "out", last="b"):  # noqa: PT011
        raise AssertionError("not reached")


def test_what_a_killed_process_left_is_deleted_by_the_next_one(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".out.csv.{ended.pid}.part"
    kept = [tmp_path / f".out.csv.{os.getppid()}.part", tmp_path / ".other.csv.1234567.part"]
    for path in (left, *kept):
        path.write_text("a part")
    with whole_file(tmp_path / "out.csv") as part:
        part.write_text("whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "out.csv", *kept}
