"""The logins of the platform's parts, as the prepare job creates them on a cluster."""

from urllib.parse import urlsplit

from tasador.settings import Settings
from tasador.warehouse import logins

PASSWORDS = {part: f"{part}-0123456789abcdef" for part in (*logins.GRANTS, *logins.OWNERS)}


def on(url: str, part: str = "", password: str = "", database: str = "") -> str:
    """The database's URL for a part's login, and for another database of the server."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    if part:
        login = f"{logins.login(part)}:{password or PASSWORDS[part]}"
    path = f"/{database}" if database else parts.path
    return parts._replace(netloc=f"{login}@{host}", path=path).geturl()


def url_of(platform: Settings, part: str) -> str:
    """The URL with which the part reaches the platform's database, with its rights alone."""
    logins.ensure_logins(platform.database_url, PASSWORDS, {})
    return on(platform.database_url, part)
