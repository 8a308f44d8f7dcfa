"""Reads addresses of sources without ever showing what is secret in them; imports nothing of ours."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~/-]")
HIDDEN = "***"


def scheme_of(text: str) -> str | None:
    """Return the scheme of a URL in lower case, None for a path."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def ambiguous(url: str) -> bool:
    """Return whether a URL leaves open where its password ends and which host it means: then nothing may be sent to a guess."""
    match = _SCHEME.match(url)
    rest = match[2] if match else ""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, at, host = authority.rpartition("@")
    return not _HOST.fullmatch(host) or (bool(at) and "@" in rest[len(authority) :])


def redact(text: str) -> str:
    """Return an address fit to be shown: without user, password, query and fragment; a path is returned as it is.

    A password that was not percent-encoded may hold any of ``@ / ? # %``: everything up to the last ``@`` counts as secret.
    """
    match = _SCHEME.match(text)
    if match is None:
        return text
    scheme, rest = match[1].lower(), match[2]
    secret, at, public = rest.rpartition("@")
    if "?" in secret or "#" in secret:
        return f"{scheme}://{HIDDEN}"  # a password with ? or a query with @: nobody can tell where the secret ends
    place, question, _ = public.partition("?")
    host, slash, path = place.partition("#")[0].partition("/")
    shown_host = host if _HOST.fullmatch(host) else HIDDEN
    shown_path = "/".join(HIDDEN if _UNSAFE.search(part) else part for part in path.split("/"))
    return f"{scheme}://{HIDDEN + '@' if at else ''}{shown_host}{slash}{shown_path}{'?' + HIDDEN if question else ''}"
