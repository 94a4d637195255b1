"""TCP ports of this machine: which are free, and which process listens at one."""

from __future__ import annotations

import socket

import psutil


def listens(pid: int, port: int) -> bool:
    """Whether this process listens at a TCP port."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def port_is_free(port: int) -> bool:
    """Whether a server could listen at this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def family_listens(pid: int, port: int) -> bool:
    """Whether this process listens at a TCP port, or one that it started."""
    if listens(pid, port):
        return True
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return False
    return any(listens(child.pid, port) for child in children)
