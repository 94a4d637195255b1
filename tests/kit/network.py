"""Free ports for servers that tests start."""

import fcntl
import os
import random
import tempfile
from pathlib import Path

from tasador.local.ports import port_is_free

# Below the ports of the platform's parts and functions, those of Kubernetes' NodePorts, and those
# that the system gives to outgoing connections and to servers at port 0.
_PORTS = range(10_500, 14_900)
# One file for each port. Whichever process locks it may use the port; the system unlocks the file
# when that process ends, however it ends.
_LOCKS = Path(tempfile.gettempdir()) / f"tasador-test-ports-{os.getuid()}"
_held = []


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    No other process of the tests gets it until this one has ended. Otherwise a server that is slow
    to start could find another test's server at its port, and its clients would talk to that one.
    """
    _LOCKS.mkdir(exist_ok=True)
    for port in random.sample(_PORTS, len(_PORTS)):
        lock = (_LOCKS / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if port_is_free(port):
            _held.append(lock)
            return port
        lock.close()
    raise AssertionError(f"there is no free port from {_PORTS.start} to {_PORTS.stop}")
