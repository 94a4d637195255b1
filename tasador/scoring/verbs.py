"""The verbs of the score flow: cut a file into parts, price each, join the results.

A job is identified by the content of the file, the version, and the options. Its objects
are below ``scores/JOB/`` in the bucket of clean data: ``in/`` the parts of the file until the job
is finished, ``prices/`` a Parquet file for each part, ``parts/`` what was priced of each, and
``job.json`` the result. A part whose ``parts/`` object exists is done, whichever run priced it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

from tasador.clock import now
from tasador.errors import ConfigurationError, RegistryError
from tasador.listings.csv_file import TableError
from tasador.model.model_ref import ModelRef
from tasador.scoring.part_prices import RECORDED, Pricing, Scored, price_part
from tasador.scoring.parts import Part, cut
from tasador.settings import Settings
from tasador.stores.buckets import Buckets
from tasador.warehouse.warehouse import Warehouse

_FORMAT = 1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file that is priced by one version. ``offsets`` has an item for each part."""

    job_id: str
    listings: str
    sha256: str
    size: int
    suffix: str
    model: ModelRef
    keys: tuple[str, ...]
    record: bool
    begun_at: datetime
    offsets: tuple[int, ...]

    def key(self, folder: str, number: int, suffix: str) -> str:
        """The key of an object of a part."""
        return f"scores/{self.job_id}/{folder}/{number:05d}{suffix}"

    def groups(self, tasks: int) -> list[list[int]]:
        """The numbers of the parts by task, at most ``tasks`` of them; neighbours stay together."""
        count = len(self.offsets)
        tasks = max(1, min(tasks, count))
        bounds = [count * n // tasks for n in range(tasks + 1)]
        return [list(range(a, b)) for a, b in pairwise(bounds)]


def plan(
    settings: Settings,
    listings: str,
    *,
    version: int = 0,
    keys: Sequence[str] = (),
    record: str = "",
    part_bytes: int = 24_000_000,
    say: Say = lambda _text: None,
) -> Job:
    """Choose the version, and put the parts of the file into the object store.

    ``listings`` is a path or an ``s3://`` URI; ``version`` 0 is the newest promotion. ``record`` is
    "on" or "off", by default TASADOR_SCORE_RECORDING. 24 MB are about 250,000 listings of a CSV. A
    file that an earlier run has cut for the same job is not cut again. Raises TableError,
    ConfigurationError, RegistryError, ObjectLost.
    """
    settings.require("database_url", "s3_endpoint")
    recorded = _is_on(record or settings.score_recording, "--record" if record else "")
    model = _model(settings, version)
    lake, bucket = Buckets(settings), settings.bucket_clean
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        path = _fetched(lake, listings, Path(scratch))
        sha256 = _digest_of(path)
        identity = [_FORMAT, sha256, model.name, model.version, model.digest, *keys, recorded]
        job_id = hashlib.sha256(json.dumps([*identity, part_bytes]).encode()).hexdigest()[:20]
        if (known := _known(lake, bucket, job_id)) is not None:
            say(f"job {job_id} was begun at {known.begun_at:%Y-%m-%d %H:%M} UTC: it goes on")
            return known
        offsets, suffix = [], ""
        for number, part in enumerate(cut(path, Path(scratch), part_bytes)):
            suffix = part.path.suffix
            lake.put_file(bucket, f"scores/{job_id}/in/{number:05d}{suffix}", part.path)
            part.path.unlink()
            offsets.append(part.offset)
            say(f"part {number} of {listings} is stored")
        job = Job(
            job_id=job_id,
            listings=listings,
            sha256=sha256,
            size=path.stat().st_size,
            suffix=suffix,
            model=model,
            keys=tuple(keys),
            record=recorded,
            begun_at=now(),
            offsets=tuple(offsets),
        )
    # Last: a job without it is cut again.
    lake.put_bytes(bucket, f"scores/{job_id}/plan.json", _as_json(job))
    return job


def price(
    settings: Settings, job: Job, numbers: Sequence[int], say: Say = lambda _text: None
) -> list[Scored]:
    """Price these parts, and return what was priced of each; a part that is done is not repeated.

    The rows of raw.inference_logs are stored first, by ids that a repetition has too; then the
    Parquet file; then the object that says that the part is done.
    """
    lake, bucket = Buckets(settings), settings.bucket_clean
    done = {number: _done(lake, bucket, job, number) for number in numbers}
    if None in done.values():
        bundle = lake.load_bundle(job.model)
        pricing = Pricing(
            bundle=bundle,
            model=job.model,
            keys=job.keys,
            prefix=job.job_id,
            predicted_at=job.begun_at,
            revision=f"score-{job.job_id}",
        )
        for number in numbers:
            if done[number] is None:
                done[number] = _price(settings, lake, job, pricing, number)
                say(f"part {number}: {done[number].rows:,} rows")  # type: ignore[union-attr]
    return [scored for scored in done.values() if scored is not None]


def finish(settings: Settings, job: Job, scored: Sequence[Scored]) -> Scored:
    """Write ``job.json``, delete the parts of the file, and return what was priced of all of it."""
    lake, bucket = Buckets(settings), settings.bucket_clean
    whole = reduce(add, scored, Scored())
    result = {
        "job": json.loads(_as_json(job)),
        "prices": uri_of(settings, job),
        "scored": whole.as_json(),
        "finished_at": now().isoformat(),
    }
    lake.put_bytes(bucket, f"scores/{job.job_id}/job.json", json.dumps(result, indent=1).encode())
    lake.delete(bucket, [job.key("in", n, job.suffix) for n in range(len(job.offsets))])
    return whole


def uri_of(settings: Settings, job: Job) -> str:
    """Where the Parquet files with the prices are."""
    return f"s3://{settings.bucket_clean}/scores/{job.job_id}/prices/"


# -- inside ----------------------------------------------------------------------------------------


def _price(settings: Settings, lake: Buckets, job: Job, pricing: Pricing, number: int) -> Scored:
    bucket = settings.bucket_clean
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        folder = Path(scratch)
        part = lake.get_file(
            f"s3://{bucket}/{job.key('in', number, job.suffix)}", folder / f"part{job.suffix}"
        )
        prices, lines = folder / "prices.parquet", folder / "rows.csv"
        try:
            with lines.open("w", encoding="utf-8", newline="") as rows:
                scored = price_part(
                    pricing,
                    Part(part, job.offsets[number]),
                    number,
                    prices,
                    rows if job.record else None,
                )
        except TableError as error:
            text = str(error).replace(str(part), f"{job.listings}, part {number}")
            raise TableError(f"{text} (its lines are after {job.offsets[number]:,})") from error
        if job.record:
            with Warehouse(settings.database_url) as warehouse, lines.open("rb") as recorded:
                warehouse.copy_predictions(RECORDED, recorded)
        lake.put_file(bucket, job.key("prices", number, ".parquet"), prices)
    content = json.dumps(scored.as_json()).encode()
    lake.put_bytes(bucket, job.key("parts", number, ".json"), content)
    return scored


def _done(lake: Buckets, bucket: str, job: Job, number: int) -> Scored | None:
    uri = f"s3://{bucket}/{job.key('parts', number, '.json')}"
    return Scored(**json.loads(lake.get_bytes(uri))) if lake.exists(uri) else None


def _known(lake: Buckets, bucket: str, job_id: str) -> Job | None:
    """The job of an earlier run, if each of its parts is done or can be priced."""
    uri = f"s3://{bucket}/scores/{job_id}"
    if not lake.exists(f"{uri}/plan.json"):
        return None
    values = json.loads(lake.get_bytes(f"{uri}/plan.json"))
    job = Job(
        **{
            **values,
            "model": ModelRef(**values["model"]),
            "begun_at": datetime.fromisoformat(values["begun_at"]),
            "keys": tuple(values["keys"]),
            "offsets": tuple(values["offsets"]),
        }
    )
    existing = set(lake.objects(f"{uri}/"))
    for number in range(len(job.offsets)):
        keys = job.key("parts", number, ".json"), job.key("in", number, job.suffix)
        if not any(f"s3://{bucket}/{key}" in existing for key in keys):
            return None
    return job


def _model(settings: Settings, version: int) -> ModelRef:
    name = settings.model_name
    with Warehouse(settings.database_url) as warehouse:
        if version:
            decisions = warehouse.gate_decisions(name, version)
            newest = next((decision for decision in decisions if decision.promotes), None)
        else:
            newest = warehouse.latest_promotion(name)
    if newest is None:
        which = f"version {version} of {name}" if version else f"a version of {name}"
        raise RegistryError(f"{which} was never promoted; `tasador models` lists what was decided")
    return newest.model


def _fetched(lake: Buckets, listings: str, scratch: Path) -> Path:
    if listings.startswith("s3://"):
        return lake.get_file(listings, scratch / f"listings-{Path(listings).name}")
    path = Path(listings)
    if not path.is_file():
        raise TableError(f"{path.absolute()} is no file: --listings is a path or s3://BUCKET/KEY")
    return path


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_on(value: str, where: str) -> bool:
    if value not in ("on", "off"):
        name = where or "TASADOR_SCORE_RECORDING"
        raise ConfigurationError(f"{name} is {value!r}; it must be on or off")
    return value == "on"


def _as_json(job: Job) -> bytes:
    values: dict[str, Any] = {**asdict(job), "begun_at": job.begun_at.isoformat()}
    return json.dumps(values, indent=1).encode()
