"""The embedded platform prepares its stores as a cluster's job does."""

from tasador.local import platform as local_platform
from tasador.local.platform import Platform
from tasador.operations import provision
from tasador.settings import Settings


def test_platform_prepares_with_the_functions_of_the_cluster_job(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        provision, "prepare_database", lambda _: calls.append("databases") or ("x", "mlflow")
    )
    monkeypatch.setattr(provision, "prepare_buckets", lambda _: calls.append("buckets"))
    settings = Settings(
        home=tmp_path, database_url="postgresql://u:p@h:1/x", s3_endpoint="http://s"
    )
    provision.prepare(settings)
    assert calls == ["databases", "buckets"]

    (tmp_path / "run").mkdir()
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").touch()
    platform = Platform(tmp_path)
    platform._make_schema(settings)
    local_platform._make_buckets(settings)
    assert calls == ["databases", "buckets"] * 2

    platform._make_schema(settings)  # nothing has changed since
    assert calls == ["databases", "buckets"] * 2
