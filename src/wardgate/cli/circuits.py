"""`wardgate circuits`: the circuits to the models' endpoints, and taking one out of use. Exit 0: done; 1: not."""

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from wardgate.cli import running
from wardgate.cli.admin import refused_by, token_header

_ADMIN = "http://127.0.0.1:8081"
_PATIENCE = 15.0  # seconds: the parent waits 5 for a worker that hangs


class CannotAsk(Exception):
    """Why nothing was done, and what to do about it."""


def run(
    action: str,
    service: str | None = None,
    release: str | None = None,
    admin: str | None = None,
    why: Mapping[str, str] | None = None,
) -> int:
    """`action`: list, isolate or close; `why`: reason, ticket and remark. The admin listener that is not given is that
    of the running demo, else that of the default port."""
    demo = running.find()
    admin = (admin or (demo.admin if demo is not None else _ADMIN)).rstrip("/")
    try:
        if action == "list":
            return _list(_asked("GET", admin, "/admin/v1/circuits")[1])
        assert service is not None and release is not None
        place = f"{quote(service, safe='')}/{quote(release, safe='')}"
        status, said = _asked("POST", admin, f"/admin/v1/circuits/{place}/{action}", why or {})
    except CannotAsk as error:
        print(error, file=sys.stderr)
        return 1
    if status == 404:
        print(f"There is no release {release} of {service}. `wardgate circuits` lists what there is.", file=sys.stderr)
        return 1
    print(_line(service, release, said))
    if said["done"]:
        return 0
    print("Not all workers have done it. One that does not answer is replaced; ask again.", file=sys.stderr)
    return 1


def _list(circuits: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> int:
    for service, releases in circuits.items():
        for release, circuit in releases.items():
            print(_line(service, release, circuit))
    return 0


def _line(service: str, release: str, circuit: Mapping[str, Any]) -> str:
    workers = circuit.get("workers", {})
    each = ", ".join(f"worker {number} {state}" for number, state in workers.items())
    return f"{service} {release}  {circuit['state']}" + (f" ({each})" if each else "")


def _asked(method: str, admin: str, path: str, body: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Status and document; raises CannotAsk where it is not the admin listener that answers."""
    try:
        with httpx2.Client(timeout=_PATIENCE, trust_env=False) as http:
            reply = http.request(method, f"{admin}{path}", headers=token_header(), json=body)
    except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise CannotAsk(
            f"No admin listener answers at {admin}.\nName it with --admin URL (`admin.listen` in wardgate.yaml)."
        ) from None
    try:
        document = reply.json()
    except ValueError:
        document = None
    said = isinstance(document, dict) and (reply.status_code == 200 or "done" in document)
    if not said and isinstance(document, dict) and document.get("detail"):
        refused = refused_by(reply)
        gates = [f"  ✗ {gate}" for gate in document.get("gates", ())]
        raise CannotAsk("\n".join(filter(None, (refused.what, *gates, refused.remedy))))
    if not said:
        raise CannotAsk(f"{admin} answers {reply.status_code}.\nName the admin listener with --admin URL.")
    return reply.status_code, document
