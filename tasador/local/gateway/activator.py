"""Function processes: started by the first request, shared by all requests, ended when idle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from tasador.clock import backoff
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.daemon import FUNCTION_PROCESSES
from tasador.local.gateway.options import Options, function_environ
from tasador.local.gateway.services import Revision
from tasador.local.process import Running, listens, port_is_free, started_at, write_private
from tasador.settings import CHECKOUT, Settings

# Requests of one revision that may wait or be in work; more are refused for now.
_MAX_PENDING = 256
_STOP_SECONDS = 25.0
# Below the ports of the platform's parts, Kubernetes NodePorts and outgoing connections.
_PORTS = range(15_000, 20_000)
_LOG_TAIL = 2000
# Between two checks whether a process is ready (seconds): the first and the longest.
_READY_PAUSES = (0.02, 0.25)


@dataclass(slots=True, eq=False)
class Instance:
    """One function process. ``settled`` is set once it is ready, can never be ready, or has
    ended."""

    revision: Revision
    process: asyncio.subprocess.Process
    port: int
    log: Path
    started: float = field(default_factory=time.monotonic)
    last_used: float = field(default_factory=time.monotonic)
    in_flight: int = 0
    ready: bool = False
    final: bool = False
    reason: str = "is starting"
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alive(self) -> bool:
        """Whether the process is alive, as far as is known."""
        return self.process.returncode is None

    @property
    def url(self) -> str:
        """The address of the process."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class _Slot:
    """The process of one revision, if it has one."""

    instance: Instance | None = None
    starting: asyncio.Task[Instance] | None = None
    pending: int = 0


class Activator:
    """Provides ready processes to requests."""

    def __init__(self, settings: Settings, options: Options, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._options = options
        self._client = client
        self._slots: dict[str, _Slot] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._files = settings.home / FUNCTION_PROCESSES
        self._files.mkdir(parents=True, exist_ok=True)

    # -- for requests ---------------------------------------------------------------------------

    async def lease(self, revision: Revision) -> Instance:
        """A ready process of the revision, started if necessary; return it with ``release``.

        Raises Refusal 503 if too many requests wait, if the process is not ready (with its reason)
        or if it ends while starting.
        """
        slot = self._slots.setdefault(revision.name, _Slot())
        if slot.pending >= _MAX_PENDING:
            raise Refusal(503, f"{revision.service} has too many requests waiting", retry_after=1)
        slot.pending += 1
        try:
            instance = await self._obtain(slot, revision)
        except BaseException:
            slot.pending -= 1
            raise
        instance.in_flight += 1
        return instance

    def release(self, instance: Instance) -> None:
        """Return a leased process."""
        instance.in_flight -= 1
        instance.last_used = time.monotonic()
        self._slots[instance.revision.name].pending -= 1

    def replace(self, instance: Instance) -> None:
        """Retire a process that refuses connections; the next request gets a new one.

        Something other than the gateway has told it to end.
        """
        slot = self._slots[instance.revision.name]
        if slot.instance is instance:
            slot.instance = None
            self._spawn_task(self._retire(slot, instance))

    async def start(self, revision: Revision, seconds: float) -> tuple[bool, str]:
        """Start a process if there is none, and wait for it: (is ready, reason if it is not)."""
        slot = self._slots.setdefault(revision.name, _Slot())
        slot.pending += 1
        try:
            instance = await self._process(slot, revision)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(instance.settled.wait(), seconds)
        finally:
            slot.pending -= 1
        return self._state(instance)

    def readiness(self, name: str) -> tuple[bool | None, str]:
        """Whether a revision is ready, and why not; None if it has no process."""
        slot = self._slots.get(name)
        if slot is None or slot.instance is None:
            return None, ""
        return self._state(slot.instance)

    def stop_revision(self, name: str) -> None:
        """End the process of a revision, if it has one."""
        slot = self._slots.get(name)
        if slot is not None and slot.instance is not None:
            self._spawn_task(self._retire(slot, slot.instance))

    # -- for the gateway ------------------------------------------------------------------------

    async def scale_down(self) -> None:
        """End idle processes. Runs for ever."""
        idle = self._options.scale_to_zero_seconds
        while True:
            await asyncio.sleep(min(1.0, idle / 4))
            for slot in self._slots.values():
                instance = slot.instance
                if (
                    instance is not None
                    and slot.pending == 0
                    and time.monotonic() - instance.last_used > idle
                ):
                    log("scaled to zero", revision=instance.revision.name)
                    self._spawn_task(self._retire(slot, instance))

    async def close(self) -> None:
        """End every process after it has finished its requests."""
        slots = [(s, s.instance) for s in self._slots.values() if s.instance is not None]
        await asyncio.gather(*(self._retire(slot, instance) for slot, instance in slots))
        await asyncio.gather(*self._tasks)

    # -- inside ---------------------------------------------------------------------------------

    async def _obtain(self, slot: _Slot, revision: Revision) -> Instance:
        for _attempt in range(2):
            instance = await self._process(slot, revision)
            if not instance.settled.is_set():
                left = instance.started + self._options.cold_start_seconds - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(instance.settled.wait(), max(left, 0.0))
            if instance.ready and instance.alive:
                return instance
            if instance.alive:
                wait = None if instance.final else 1
                raise Refusal(
                    503, f"{revision.name} is not ready: {self._why(instance)}", retry_after=wait
                )
        raise Refusal(503, f"{revision.name} is not ready: {self._why(instance)}", retry_after=5)

    async def _process(self, slot: _Slot, revision: Revision) -> Instance:
        if slot.instance is not None and slot.instance.alive:
            return slot.instance
        if slot.starting is None:
            slot.starting = asyncio.create_task(self._spawn(slot, revision))
            slot.starting.add_done_callback(lambda _: setattr(slot, "starting", None))
        # A caller that gives up must not cancel the start that others wait for.
        return await asyncio.shield(slot.starting)

    async def _spawn(self, slot: _Slot, revision: Revision) -> Instance:
        home = self._settings.home
        path = home / "log" / "functions" / f"{revision.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        (home / "functions" / revision.service).mkdir(parents=True, exist_ok=True)
        port = _free_port()
        with path.open("ab") as out:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(part.format(name=revision.service) for part in self._options.command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=CHECKOUT,
                    env=function_environ(revision, self._settings, port),
                    start_new_session=True,
                )
            except OSError as error:
                raise Refusal(
                    503, f"{revision.name} cannot be started: {error}", retry_after=5
                ) from error
        self._record_process(process.pid, revision)
        instance = Instance(revision, process, port, path)
        slot.instance = instance
        log("function started", revision=revision.name, pid=process.pid, port=port)
        self._spawn_task(self._watch(instance))
        self._spawn_task(self._poll_until_ready(instance))
        return instance

    async def _watch(self, instance: Instance) -> None:
        code = await instance.process.wait()
        instance.settled.set()
        self._file(instance.process.pid, instance.revision).unlink(missing_ok=True)
        log("function ended", revision=instance.revision.name, code=code)

    async def _poll_until_ready(self, instance: Instance) -> None:
        pauses = backoff(*_READY_PAUSES, factor=1.2)
        while instance.alive and not instance.settled.is_set():
            try:
                answer = await self._client.get(f"{instance.url}/ready", timeout=5)
            except httpx.HTTPError:
                answer = None
            # Another process may have taken the same free port first. It answers there until our
            # process has found the port taken and has ended.
            if answer is not None and listens(instance.process.pid, instance.port):
                instance.ready = answer.status_code == httpx.codes.OK
                instance.final, instance.reason = _unready(answer)
                if instance.ready or instance.final:
                    instance.last_used = time.monotonic()
                    instance.settled.set()
                    log(
                        "function is ready" if instance.ready else "function can never be ready",
                        revision=instance.revision.name,
                        seconds=round(time.monotonic() - instance.started, 3),
                        reason=instance.reason,
                    )
                    return
            await asyncio.sleep(next(pauses))

    async def _retire(self, slot: _Slot, instance: Instance) -> None:
        # Out of the slot first, so that a new request starts another process.
        if slot.instance is instance:
            slot.instance = None
        if instance.alive:
            with contextlib.suppress(ProcessLookupError):
                instance.process.terminate()
            try:
                await asyncio.wait_for(instance.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    instance.process.kill()

    def _state(self, instance: Instance) -> tuple[bool, str]:
        ready = instance.ready and instance.alive
        return ready, "" if ready else self._why(instance)

    def _why(self, instance: Instance) -> str:
        if instance.alive:
            return instance.reason
        tail = instance.log.read_text(errors="replace")[-_LOG_TAIL:].strip().splitlines()[-1:]
        return f"its process ended with code {instance.process.returncode}" + "".join(
            f" ({line[:300]})" for line in tail
        )

    def _record_process(self, pid: int, revision: Revision) -> None:
        if (started := started_at(pid)) is not None:
            running = Running(pid, started, "", int(signal.SIGTERM), _STOP_SECONDS)
            write_private(self._file(pid, revision), json.dumps(asdict(running)))

    def _file(self, pid: int, revision: Revision) -> Path:
        return self._files / f"{revision.name}-{pid}.json"

    def _spawn_task(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unready(answer: httpx.Response) -> tuple[bool, str]:
    """(Whether waiting is useless, the reason that the function gives)."""
    if answer.status_code == httpx.codes.OK:
        return False, ""
    try:
        problem = answer.json()
        return problem.get("final") is True, str(problem.get("detail") or problem)[:500]
    except (ValueError, AttributeError):
        return False, answer.text[:500]


def _free_port() -> int:
    for port in random.sample(_PORTS, 200):
        if port_is_free(port):
            return port
    raise Refusal(503, f"there is no free port from {_PORTS.start} to {_PORTS.stop}", retry_after=5)
