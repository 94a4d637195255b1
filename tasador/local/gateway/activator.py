"""Function processes: started by the first request, shared by all requests, ended when idle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import httpx

from tasador.clock import backoff
from tasador.errors import TasadorError
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.daemon import FUNCTION_PROCESSES
from tasador.local.gateway.instance import Instance, unready
from tasador.local.gateway.metrics import GatewayMetrics
from tasador.local.gateway.options import Options, current_settings, function_environ, grant
from tasador.local.gateway.services import Revision
from tasador.local.ports import listens, port_is_free
from tasador.local.process import Running, started_at
from tasador.machine.files import write_private
from tasador.settings import CHECKOUT, Settings

# Requests of one revision that may wait or be in work; more are refused for now.
_MAX_PENDING = 256
_STOP_SECONDS = 25.0
# Below the ports of the platform's parts, Kubernetes NodePorts and outgoing connections.
_PORTS = range(15_000, 20_000)
# Between two checks whether a process is ready (seconds): the first and the longest.
_READY_PAUSES = (0.02, 0.25)
# A process that has failed to become ready for this long does not keep its callers waiting: they
# get its reason. It goes on trying (seconds).
_REASON_SECONDS = 5.0


@dataclass(slots=True)
class _Slot:
    """The process of one revision, if it has one."""

    instance: Instance | None = None
    starting: asyncio.Task[Instance] | None = None
    pending: int = 0


class Activator:
    """Provides ready processes to requests."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        client: httpx.AsyncClient,
        metrics: GatewayMetrics,
    ) -> None:
        self._settings = settings
        self._options = options
        self._client = client
        self._metrics = metrics
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
        """Retire a process; the next request gets a new one, with the current settings.

        It refuses connections, because something other than the gateway has told it to end, or it
        has failed its liveness probe.
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
        return instance.state()

    def readiness(self, name: str) -> tuple[bool | None, str]:
        """Whether a revision is ready, and why not; None if it has no process."""
        slot = self._slots.get(name)
        if slot is None or slot.instance is None:
            return None, ""
        return slot.instance.state()

    def stop_revision(self, name: str) -> None:
        """End the process of a revision, if it has one."""
        slot = self._slots.get(name)
        if slot is not None and slot.instance is not None:
            self._spawn_task(self._retire(slot, slot.instance))

    def running(self) -> list[Instance]:
        """The processes that are alive."""
        instances = [slot.instance for slot in self._slots.values()]
        return [each for each in instances if each is not None and each.alive]

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

    async def replace_unhealthy(self) -> None:
        """Retire processes that fail their liveness probe, as Kubernetes does. Runs for ever."""
        while True:
            await asyncio.sleep(self._options.liveness_seconds)
            self._grant_current_settings()
            for instance in self.running():
                if instance.settled.is_set():
                    await self._check_health(instance)

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
                    503, f"{revision.name} is not ready: {instance.why()}", retry_after=wait
                )
        raise Refusal(503, f"{revision.name} is not ready: {instance.why()}", retry_after=5)

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
        settings = current_settings(self._settings)
        grant(revision.service, settings)
        port, metrics_port = _free_ports(2)
        with path.open("ab") as out:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(part.format(name=revision.service) for part in self._options.command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=CHECKOUT,
                    env=function_environ(revision, settings, port, metrics_port),
                    start_new_session=True,
                )
            except OSError as error:
                raise Refusal(
                    503, f"{revision.name} cannot be started: {error}", retry_after=5
                ) from error
        self._record_process(process.pid, revision)
        instance = Instance(revision, process, port, metrics_port, path)
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
        while instance.alive:
            try:
                answer = await self._client.get(f"{instance.url}/ready", timeout=5)
            except httpx.HTTPError:
                answer = None
            # Another process may have taken the same free port first. It answers there until our
            # process has found the port taken and has ended.
            if answer is not None and listens(instance.process.pid, instance.port):
                instance.ready = answer.status_code == httpx.codes.OK
                instance.final, failures, instance.reason = unready(answer)
                seconds = time.monotonic() - instance.started
                is_stuck = instance.final or (failures > 0 and seconds >= _REASON_SECONDS)
                if instance.ready or (is_stuck and not instance.settled.is_set()):
                    instance.last_used = time.monotonic()
                    instance.settled.set()
                    log(
                        "function is ready" if instance.ready else "function is not ready",
                        revision=instance.revision.name,
                        seconds=round(seconds, 3),
                        reason=instance.reason,
                    )
                if instance.ready:
                    self._metrics.started(instance.revision.service, seconds)
                    return
            await asyncio.sleep(1.0 if instance.settled.is_set() else next(pauses))

    def _grant_current_settings(self) -> None:
        """Pass rotated secrets on to running processes; the kubelet does so on a cluster."""
        try:
            settings = current_settings(self._settings)
            for service in {each.revision.service for each in self.running()}:
                grant(service, settings)
        except (OSError, TasadorError) as error:
            log("the settings cannot be read", reason=str(error))

    async def _check_health(self, instance: Instance) -> None:
        try:
            answer = await self._client.get(f"{instance.url}/health", timeout=5)
        except httpx.HTTPError:
            return  # ``_watch`` notices a process that has ended; a busy one answers later
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            reason = unready(answer)[2]
            log("function is started again", revision=instance.revision.name, reason=reason)
            self.replace(instance)

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


def _free_ports(count: int) -> list[int]:
    free = islice(filter(port_is_free, random.sample(_PORTS, 200)), count)
    if len(ports := list(free)) == count:
        return ports
    raise Refusal(
        503, f"there are too few free ports from {_PORTS.start} to {_PORTS.stop}", retry_after=5
    )
