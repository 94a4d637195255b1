"""The names of waitress beyond its public API that functions/ overrides or uses.

functions/connection.py, request_parser.py and server.py extend waitress's classes. A release may
rename or drop what they rely on without notice, so pyproject.toml caps waitress at the minor
version. This is the one list of those names. When a test here fails after an upgrade: read
waitress's changelog, adapt the module named in the message, then this list.
"""

import ast
import inspect
import socket
from pathlib import Path

import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

FUNCTIONS = Path(__file__).parents[2] / "functions"

# Methods that our subclasses override or call: class, name, parameters without self.
METHODS = [
    (HTTPRequestParser, "__init__", ["adj"]),
    (HTTPRequestParser, "parse_header", ["header_plus"]),
    (HTTPRequestParser, "received", ["data"]),
    (HTTPRequestParser, "close", []),
    (HTTPRequestParser, "get_body_stream", []),
    (FixedStreamReceiver, "__len__", []),
    (WSGITask, "service", []),
    (HTTPChannel, "__init__", ["server", "sock", "addr", "adj", "map"]),
    (HTTPChannel, "received", ["data"]),
    (HTTPChannel, "handle_read", []),
    (HTTPChannel, "handle_close", []),
    (HTTPChannel, "service", []),
    (HTTPChannel, "write_soon", ["data"]),
    (HTTPChannel, "send", ["data", "do_close"]),
    (HTTPChannel, "_flush_outbufs_below_high_watermark", []),
    (TcpWSGIServer, "add_task", ["task"]),
    (TcpWSGIServer, "handle_accept", []),
    (TcpWSGIServer, "pull_trigger", []),
    (TcpWSGIServer, "maintenance", ["now"]),
    (TcpWSGIServer, "del_channel", ["map"]),
]
# Attributes that our subclasses read or set.
PARSER = ["body_rcv", "chunked", "completed", "content_length", "error", "headers"]
TASK = ["channel", "close_on_finish", "request", "version", "wrote_header"]
CHANNEL = [
    *("close_when_flushed", "connected", "last_activity", "request", "requests", "requests_lock"),
    *("outbuf_lock", "total_outbufs_len"),
    *("server", "socket", "will_close", "task_class", "error_task_class", "parser_class"),
]
SERVER = [
    *("_map", "accepting", "active_channels", "channel_class", "effective_port", "socket"),
    *("task_dispatcher", "trigger"),
]


def fail(owner, name, module, detail):
    pytest.fail(
        f"waitress changed {owner.__module__}.{owner.__name__}.{name}: {detail}. "
        f"functions/{module} relies on it; see the docstring of {Path(__file__).name}."
    )


def module_of(owner):
    return {
        HTTPRequestParser: "request_parser.py",
        FixedStreamReceiver: "request_parser.py",
        WSGITask: "connection.py",
        HTTPChannel: "connection.py",
        TcpWSGIServer: "server.py",
    }[owner]


@pytest.mark.parametrize(
    ("owner", "name", "parameters"), METHODS, ids=[f"{c.__name__}.{n}" for c, n, _ in METHODS]
)
def test_waitress_methods_have_the_expected_parameters(owner, name, parameters):
    method = getattr(owner, name, None)
    if method is None:
        fail(owner, name, module_of(owner), "it no longer exists")
    actual = list(inspect.signature(method).parameters)[1:]
    if actual != parameters:
        fail(owner, name, module_of(owner), f"its parameters are {actual}, not {parameters}")


class Dispatcher:
    def add_task(self, task):
        pass


@pytest.fixture
def server():
    adjustments = Adjustments(host="127.0.0.1", port=0)
    # waitress's server, without our subclass.
    server = TcpWSGIServer(None, map={}, dispatcher=Dispatcher(), adj=adjustments)
    yield server
    server.close()
    server.trigger.close()


def test_waitress_objects_have_the_attributes_that_the_server_uses(server):
    near, far = socket.socketpair()
    with near, far:
        channel = HTTPChannel(server, near, ("127.0.0.1", 1), server.adj, map={})
        parser = HTTPRequestParser(server.adj)
        parser.received(b"POST /path?a=b HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
        parser.received(b"{}")
        task = WSGITask(channel, parser)
        parsed = ["command", "path", "query"]  # of a complete request only
        for instance, names in (
            (parser, PARSER + parsed),
            (task, TASK),
            (channel, CHANNEL),
            (server, SERVER),
        ):
            for name in names:
                if not hasattr(instance, name):
                    owner = type(instance)
                    fail(owner, name, module_of(owner), "the attribute no longer exists")
        channel.close()
        assert (parser.command, parser.path, parser.query) == ("POST", "/path", "a=b")
        assert parser.headers == {"CONTENT_LENGTH": "2"}
        assert bytes(parser.get_body_stream().read()) == b"{}"
        assert hasattr(parser.body_rcv, "buf"), "request_parser.py replaces a receiver's buffer"


class Reader:
    """A connection that notes when it is read."""

    def __init__(self, name, notes):
        self.handle_read_event = lambda: notes.append(name)

    def readable(self):
        return True

    def writable(self):
        return False


def test_waitress_reads_connections_in_the_order_of_its_map():
    """``Server.move_to_end`` relies on it."""
    notes, pairs = [], [socket.socketpair() for _ in range(3)]
    connections = {near.fileno(): Reader(n, notes) for n, (near, _) in enumerate(pairs)}
    for _, far in pairs:
        far.send(b"x")
    first = pairs[0][0].fileno()
    for _ in range(2):
        wasyncore.loop(timeout=1, map=connections, count=1)
        connections[first] = connections.pop(first)
    for pair in pairs:
        for end in pair:
            end.close()
    assert notes == [0, 1, 2, 1, 2, 0], "waitress changed wasyncore.loop: see Server.move_to_end"


def test_every_use_of_a_waitress_attribute_is_listed():
    """Each ``self.NAME`` of our subclasses that they do not define is a name listed above."""
    listed = {name for _, name, _ in METHODS} | {*PARSER, *TASK, *CHANNEL, *SERVER}
    for module in ("connection.py", "request_parser.py", "server.py"):
        for node in ast.parse((FUNCTIONS / module).read_text()).body:
            if not isinstance(node, ast.ClassDef) or not extends_waitress(node):
                continue
            used = {
                (n.attr, isinstance(n.ctx, ast.Store))
                for n in ast.walk(node)
                if isinstance(n, ast.Attribute)
                and isinstance(n.value, ast.Name)
                and n.value.id == "self"
            }
            own = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            own |= {name for name, stored in used if stored}
            own |= {
                target.id
                for n in node.body
                if isinstance(n, ast.Assign)
                for target in n.targets
                if isinstance(target, ast.Name)
            }
            unlisted = {name for name, _ in used} - own - listed
            assert not unlisted, f"{module}: {node.name} uses {unlisted} of waitress: list it"


def extends_waitress(node):
    names = {base.id for base in node.bases if isinstance(base, ast.Name)}
    return bool(names & {"HTTPChannel", "HTTPRequestParser", "TcpWSGIServer", "WSGITask"})
