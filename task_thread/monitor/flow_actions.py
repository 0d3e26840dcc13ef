"""What may be done to flows from the dashboard's page, and for whom: resume and cancel.

The dashboard knows no users. Who can reach it may look; with actions on, also act. What is kept out
here are other people's web pages, which a browser on this machine may have open:

- An action is a POST of JSON, which a form of another site can't send, with a token in a header,
  which no other site can read.
- The Origin and Sec-Fetch-Site that browsers add must be the dashboard's own.
- The Host must be an address or a name that is known to be the dashboard's: a site that lets its
  own name point to this machine (DNS rebinding) would else be the dashboard's own for the browser.
  For reading that is asked on loopback alone, for actions always.

Everything here belongs to the loop of the dashboard.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from secrets import compare_digest, token_urlsafe
from typing import Any, Final, cast
from urllib.parse import urlsplit

from task_thread.monitor.flow_page import FlowPage
from task_thread.monitor.http_limits import host_of
from task_thread.monitor.http_messages import Answer, Request, error_answer

__all__ = ["Actions", "keywords_of"]

TOKEN: Final = "x-task-thread-token"
_OFF: Final = "actions are off here: Dashboard(actions=True) turns them on"


class Actions:
    """Resumes and cancels flows of a tree.

    :param page: who knows the apps.
    :param allowed: whether the program has turned them on.
    :param bound: the name or address that the dashboard was told to bind.
    :param hosts: other names by which it may be reached, each with or without a port.
    :param log: called with a level, an event and values when something was done.
    """

    def __init__(
        self,
        page: FlowPage,
        *,
        allowed: bool,
        bound: str,
        hosts: Iterable[str],
        log: Callable[..., None],
    ) -> None:
        self._page = page
        self._allowed = allowed
        self._sites = frozenset(host.lower() for host in hosts)
        self._hosts = frozenset({"localhost", bound.lower(), *map(host_of, self._sites)})
        self._log = log
        self._token = token_urlsafe(24)

    def offer(self, request: Request) -> dict[str, Any]:
        """Whether there are actions, and the token for them. Another site's page can't read it."""
        if not self._allowed or self._refusal(request) is not None:
            return {"actions": False, "token": ""}
        return {"actions": True, "token": self._token}

    def check(self, request: Request) -> Answer | None:
        """Why that POST is refused; None: it is not."""
        if not self._allowed:
            return error_answer(403, _OFF)
        refusal = self._refusal(request)
        if refusal is not None:
            return error_answer(403, refusal)
        headers = request.headers
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return error_answer(415, "an action is sent as application/json")
        token = headers.get(TOKEN, "").encode("utf-8", "replace")
        if not compare_digest(token, self._token.encode()):
            return error_answer(403, "the token is not this dashboard's: load the page anew")
        return None

    def _refusal(self, request: Request) -> str | None:
        headers = request.headers
        host = headers.get("host", "")
        if not self._is_own(host_of(host)):
            return (
                f"actions are not taken for the host {host!r}: use the address, or have the "
                "program say Dashboard(hosts=[...])"
            )
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "actions are taken from the dashboard's own page alone"
        origin = headers.get("origin")
        if origin is not None and not self._is_same(origin, host):
            return f"actions are taken from the dashboard's own page alone, not from {origin!r}"
        return None

    def _is_own(self, name: str | None) -> bool:
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)  # no name at all: nobody can let it point elsewhere
        except ValueError:
            return name in self._hosts
        return True

    def _is_same(self, origin: str, host: str) -> bool:
        try:
            given = urlsplit(origin)
        except ValueError:
            return False
        if given.scheme not in ("http", "https"):
            return False
        # Behind a proxy the Host may be another one than the browser's.
        return given.netloc.lower() in {host.strip().lower(), *self._sites}

    # ---- what is done ---------------------------------------------------------------------

    def resume(self, body: bytes) -> None:
        """Resume the flow ``id`` of ``app``, with the keywords that the text ``keywords`` says.

        :raises ValueError, TypeError, LookupError, TaskThreadError: it can't be; nothing is done.
        """
        asked = _asked(body, "app", "id", "keywords")
        app = self._page.find(asked)
        keywords = keywords_of(asked["keywords"])
        app.resume(asked["id"], **keywords)
        names = ", ".join(keywords) or "no keywords"
        self._log("info", "flow %s was resumed from the page, with %s", asked["id"], names)

    def cancel(self, body: bytes) -> None:
        """Cancel the flow ``id`` of ``app``, for ``reason``.

        :raises ValueError, TypeError, LookupError, TaskThreadError: it can't be; nothing is done.
        """
        asked = _asked(body, "app", "id", "reason")
        if not self._page.find(asked).cancel(asked["id"], asked["reason"]):
            raise ValueError(f"flow {asked['id']} has ended already")
        self._log("info", "flow %s was cancelled from the page", asked["id"])


def _asked(body: bytes, *names: str) -> Mapping[str, str]:
    """The texts in a request's body; those that it does not say are empty.

    :raises ValueError: it is no such thing; the message says why.
    """
    data = _json(body.decode("utf-8", "strict"), "the body")
    if not isinstance(data, dict):
        raise ValueError('the body is a JSON object: {"app": ..., "id": ...}')
    said = cast("dict[str, Any]", data)
    unknown = [name for name in said if name not in names]
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r} here, only {', '.join(names)}")
    found: dict[str, str] = dict.fromkeys(names, "")
    for name, value in said.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is text")
        found[name] = value
    if not found["id"]:
        raise ValueError("say which flow: its run id, as id")
    return found


def keywords_of(text: str) -> dict[str, Any]:
    """What somebody typed as keywords: a JSON object; or lines of ``key=value``, where the value
    is JSON, and what is no JSON is text.

    :raises ValueError: it is neither; the message says why.
    """
    text = text.strip()
    if text.startswith("{"):
        found: dict[str, Any] = _json(text, "what stands between { and }")
        return found
    keywords: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not sign or not key.isidentifier():
            raise ValueError(f"a line is key=value, with a name as the key, not {line[:80]!r}")
        if key in keywords:
            raise ValueError(f"{key} is there twice")
        try:
            keywords[key] = _json(value, key)
        except ValueError:
            keywords[key] = value
    return keywords


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {error}") from None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
