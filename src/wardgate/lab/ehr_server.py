"""The simulator page: a small EHR in the browser that calls the gateway as an EHR does.

    python -m wardgate.lab.ehr_server --port 0 --gateway URL --fhir URL      prints `simulator URL` once it listens

This process only hands out the files of `page/` and `settings.json`: where gateway and FHIR server are, and what
each of the demo's patients shows. The calls go straight from the browser to those two. The page's address may name
others (`?gateway=http://127.0.0.1:9000&fhir=…`), on this machine only: the content security policy lets the browser
reach the named two, whatever else listens on loopback, and nothing beyond.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from wardgate.lab import asgi, cohort
from wardgate.lab.asgi import Reply, Request

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_LOOPBACK = ("http://127.0.0.1:*", "http://localhost:*")


class PageServer:
    """`gateway` and `fhir` are URLs without trailing slash; `token` is what the FHIR server demands, if anything."""

    def __init__(self, gateway: str, fhir: str, token: str | None = None) -> None:
        notes = {person.id: person.shows for person in cohort.PEOPLE}
        settings = {"gateway": gateway, "fhir": fhir, "token": token or "", "notes": notes}
        self._files = {name: (raw, _TYPES[name.rpartition(".")[2]]) for name, raw in _files()}
        self._files["settings.json"] = json.dumps(settings).encode(), "application/json"
        self._headers = {
            "content-security-policy": _policy(origin_of(gateway), origin_of(fhir)),
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-cache",
        }

    def answer(self, request: Request) -> Reply:
        name = request.path.removeprefix("/") or "index.html"
        if request.method not in ("GET", "HEAD"):
            return Reply(405, {"error": "this server only hands out its page"}, {**self._headers, "allow": "GET, HEAD"})
        if name not in self._files:
            return Reply(404, {"error": "there is no such file"}, self._headers)
        raw, media_type = self._files[name]
        return Reply(200, raw if request.method == "GET" else b"", {**self._headers, "content-type": media_type})


def _files() -> list[tuple[str, bytes]]:
    """All that may be served, read once: a path in a request is only ever looked up among them."""
    return [(name, file.read_bytes()) for name, file in _walk(resources.files("wardgate.lab") / "page", "")]


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            found.append((prefix + entry.name, entry))
    return found


def origin_of(url: str) -> str:
    """`scheme://host:port` of an http(s) URL; raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{url[:200]} is not an http or https URL of a server")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not all(character.isalnum() or character in "-._[]:" for character in host):
        raise ValueError(f"{url[:200]} is not an http or https URL of a server")
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _policy(*servers: str) -> str:
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": " ".join(("'self'", *_LOOPBACK, *dict.fromkeys(servers))),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m wardgate.lab.ehr_server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8084, help="0 takes a free one")
    parser.add_argument("--gateway", default="http://127.0.0.1:8080", help="default: %(default)s")
    parser.add_argument("--fhir", default="http://127.0.0.1:8083/fhir", help="the FHIR base (default: %(default)s)")
    parser.add_argument("--token", help="the bearer token that the FHIR server demands")
    options = parser.parse_args(arguments)
    try:
        server = PageServer(options.gateway.rstrip("/"), options.fhir.rstrip("/"), options.token)
    except ValueError as error:
        sys.exit(f"simulator: {error}")
    try:
        listener, url = asgi.listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"simulator: cannot listen on {options.host}:{options.port}: {error.strerror}")
    print("simulator", url, flush=True)
    asgi.run(asgi.app(server.answer, shared=False), listener)


if __name__ == "__main__":
    main()
