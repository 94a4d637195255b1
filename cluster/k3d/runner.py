"""How the command runs other programs: for real, or only printed (--dry-run)."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Protocol


class CommandFailed(Exception):
    """A program could not be run, or returned an error; the text says which and why."""


class Runner(Protocol):
    """Runs programs; ``dry`` says that it only prints them."""

    dry: bool

    def run(self, *command: str, stdin: str = "", about: str = "") -> None:
        """Run a command whose output the user sees; raises CommandFailed.

        ``about`` says what ``stdin`` is, for the user.
        """

    def output(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """The output of a command; without ``check`` an empty text if it fails."""


def shown(command: Sequence[str], about: str = "") -> str:
    """The command as a line for a shell; of its input only what it is, since it may be secret."""
    return shlex.join(command) + (f"  # reads {about}" if about else "")


class Real:
    """Runs programs, and prints each command that changes something."""

    dry = False

    def run(self, *command: str, stdin: str = "", about: str = "") -> None:
        print(f"$ {shown(command, about)}", flush=True)
        try:
            done = subprocess.run(command, input=stdin or None, text=True)
        except OSError as error:
            raise CommandFailed(f"{command[0]}: {error.strerror}") from error
        if done.returncode:
            raise CommandFailed(f"`{shown(command)}` failed (exit {done.returncode})")

    def output(self, *command: str, stdin: str = "", check: bool = True) -> str:
        try:
            done = subprocess.run(command, input=stdin or None, text=True, capture_output=True)
        except OSError as error:
            if not check:
                return ""
            raise CommandFailed(f"{command[0]}: {error.strerror}") from error
        if done.returncode and check:
            reason = done.stderr.strip() or f"exit {done.returncode}"
            raise CommandFailed(f"`{shown(command)}` failed: {reason}")
        return "" if done.returncode else done.stdout


class Dry:
    """Prints the commands that change something. A query finds nothing, as on a new machine."""

    dry = True

    def run(self, *command: str, stdin: str = "", about: str = "") -> None:
        print(shown(command, about))

    def output(self, *command: str, stdin: str = "", check: bool = True) -> str:
        return ""


def note(text: str) -> None:
    """What happens now; on stderr, since the output is the commands or the answer."""
    print(text, file=sys.stderr, flush=True)
