"""The type of the callback that reports the progress of long work.

It takes the stage, the fraction of it that is done (0 to 1), and a message for the user.
"""

from collections.abc import Callable

Progress = Callable[[str, float, str], None]
