"""The page on which people sign in: plain HTML without a script. No Reflex."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Tasador</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/sign-in.css">
</head>
<body>
<main>
<p class="brand">Tasador</p>
<h1>{title}</h1>
{content}
<p class="back"><a href="/">Back to the pages</a></p>
</main>
</body>
</html>
"""
_PROVIDER = """<p><a class="button" href="/login/openid?next={next}">
Sign in with your organisation</a></p>
<p class="hint">or with an account of this platform:</p>
"""
_FORM = """{problem}{provider}
<form method="post" action="/login">
<input type="hidden" name="token" value="{token}">
<input type="hidden" name="next" value="{next}">
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="64"{focus_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="256"{focus_password}>
<button type="submit">Sign in</button>
</form>
<p class="hint">Reading needs no account unless your platform says so. Acting does: rolling back,
approving, accepting a batch. <code>tasador user add</code> adds an account.</p>
"""
# The browser sends no cookie when a link of another site leads here, but does when we lead here.
AGAIN = '<!DOCTYPE html><title>Tasador</title><meta http-equiv="refresh" content="0">'


def onward(following: str) -> str:
    """Leads to a page of this server, as our own link does."""
    return AGAIN.replace('"0"', f'"0;url={escape(following, quote=True)}"')


def form(
    *, token: str, following: str, name: str = "", problem: str = "", has_provider: bool = False
) -> str:
    """The form; ``following`` is the page that comes next, ``problem`` why it is shown again."""
    focused = " autofocus"
    return _page(
        "Sign in",
        _FORM.format(
            problem=f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else "",
            provider=_PROVIDER.format(next=quote(following, safe="")) if has_provider else "",
            token=escape(token, quote=True),
            next=escape(following, quote=True),
            name=escape(name, quote=True),
            focus_name="" if name else focused,
            focus_password=focused if name else "",
        ),
    )


def message(title: str, text: str) -> str:
    """A page that only says something."""
    return _page(title, f'<p class="problem" role="alert">{escape(text)}</p>')


def _page(title: str, content: str) -> str:
    return _FRAME.format(title=escape(title), content=content)
