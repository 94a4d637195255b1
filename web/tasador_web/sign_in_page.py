"""The page on which people sign in: plain HTML without a script. No Reflex."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from tasador_web.languages import LANGUAGES, address, in_other_language, language, text

_FRAME = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Tasador</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/sign-in.css">
</head>
<body>
<main>
<p class="brand">Tasador</p>
<h1>{title}</h1>
{content}
<p class="back"><a href="{home}">{back}</a>{other}</p>
</main>
</body>
</html>
"""
_PROVIDER = """<p><a class="button" href="/login/openid?next={next}">
{organisation}</a></p>
<p class="hint">{alternative}</p>
"""
_FORM = """{problem}{provider}
<form method="post" action="/login">
<input type="hidden" name="token" value="{token}">
<input type="hidden" name="next" value="{next}">
<label for="name">{name_label}</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="64"{focus_name}>
<label for="password">{password_label}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="256"{focus_password}>
<button type="submit">{button}</button>
</form>
<p class="hint">{hint}</p>
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
        text("Sign in"),
        _FORM.format(
            problem=f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else "",
            provider=_provider(following) if has_provider else "",
            token=escape(token, quote=True),
            next=escape(following, quote=True),
            name=escape(name, quote=True),
            focus_name="" if name else focused,
            focus_password=focused if name else "",
            name_label=text("Name"),
            password_label=text("Password"),
            button=text("Sign in"),
            hint=text(
                "Reading needs no account unless your platform says so. Acting does: rolling "
                "back, approving, accepting a batch. {command} adds an account.",
                command="<code>tasador user add</code>",
            ),
        ),
        following,
    )


def message(title: str, says: str) -> str:
    """A page that only says something."""
    return _page(title, f'<p class="problem" role="alert">{escape(says)}</p>')


def _provider(following: str) -> str:
    return _PROVIDER.format(
        next=quote(following, safe=""),
        organisation=text("Sign in with your organisation"),
        alternative=text("or with an account of this platform:"),
    )


def _page(title: str, content: str, following: str = "") -> str:
    return _FRAME.format(
        language=language(),
        title=escape(title),
        content=content,
        home=address("/"),
        back=text("Back to the pages"),
        other=_other_language(following),
    )


def _other_language(following: str) -> str:
    """A link to the form in the other language, which leads to the next page in it."""
    there = in_other_language(following) if following else ""
    if there == following:
        return ""
    other = "en" if language() == "es" else "es"
    return (
        f' · <a href="/login?next={quote(there, safe="")}" lang="{other}" hreflang="{other}">'
        f"{LANGUAGES[other]}</a>"
    )
