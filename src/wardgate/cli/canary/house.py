"""A copy of a configuration with nothing real around it: stand-ins before which a proxy can do what networks do, stores
in a folder that goes away, and the gateway as a process of its own."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.cli.canary.models import StandIn
from wardgate.cli.check import examine
from wardgate.cli.demo import free_port
from wardgate.cli.processes import DidNotStart
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.plans import Catalog
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.canary.listener import Listener
from wardgate.lab.canary.sweep import Sweep
from wardgate.lab.chaos.proxy import Proxy
from wardgate.lab.fhir_server import FhirServer
from wardgate.lab.fhir_store import Store

_FOLDERS = {"services": "services", "models": "models", "rules": "rules", "cards": "../cards"}
_NOWHERE = "http://127.0.0.1:9"
_START = 60.0


@dataclass(frozen=True)
class Plan:
    """`module` is run as `python -m`; `stores` takes the place of those in the house; `environment` is added to the
    process's own."""

    module: str = "wardgate"
    stores: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class House:
    """`folder` holds `config`, `var` (stores), `tmp` (temporary files of the process), `out` and `err` (what it said).
    `models` by model and version; a proxy stands before each, and before the FHIR server."""

    folder: Path
    gateway: str
    admin: str
    catalog: Catalog
    metrics: str
    places: int
    """Calls that are worked on, or wait, at a time."""
    models: dict[tuple[str, str], StandIn]
    proxies: dict[str, list[Proxy]]
    fhir: str
    store: Store
    fhir_says: Reply | None = None
    process: asyncio.subprocess.Process | None = None

    def services(self) -> list[Path]:
        return sorted((self.folder / "config" / "services").glob("*.yaml"))

    def set_mode(self, mode: str) -> None:
        for path in self.services():
            service = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps({**service, "rollout": {**service["rollout"], "mode": mode}}), encoding="utf-8")

    def answer_fhir(self, request: Request) -> Reply:
        return self.fhir_says or FhirServer(self.store, self.fhir).answer(request)

    async def stop(self) -> None:
        """In order, as far as it can; what was said is in `out` and `err` then."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 20)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


@contextlib.asynccontextmanager
async def house_of(config: Path, sweep: Sweep, plan: Plan) -> AsyncIterator[House]:
    """The gateway is started, and not waited for. Raises ConfigurationError, DidNotStart."""
    examination = examine(config)
    if examination.catalog is None or examination.settings is None or examination.errors:
        raise ConfigurationError(examination.errors)
    catalog = examination.catalog
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="wardgate-canary-")))
        for name in ("var", "tmp"):
            (folder / name).mkdir()
        collector = await stack.enter_async_context(
            Listener(lambda _: Reply(200, b""), lambda head, body: sweep.hear("traces on the wire", head + body))
        )
        house = House(
            folder,
            f"http://127.0.0.1:{free_port(0)}",
            f"http://127.0.0.1:{free_port(0)}",
            catalog,
            examination.settings.telemetry.prometheus,
            examination.settings.limits.concurrency + examination.settings.limits.queue,
            {},
            {"model": [], "fhir": []},
            "",
            Store(),
        )
        urls = {key: await _model(house, key, sweep, stack) for key in _releases(catalog)}
        # Its requests name the patient, and are not searched: who asks there is known to it.
        fhir = await stack.enter_async_context(Listener(house.answer_fhir, lambda head, body: None))
        proxy = await stack.enter_async_context(Proxy(fhir.url))
        house.proxies["fhir"].append(proxy)
        house.fhir = f"{proxy.url}/fhir"
        _copy(config, house, urls, collector.url, plan.stores)
        stack.push_async_callback(house.stop)
        house.process = await _started(house, plan, _secrets(examination.document.data if examination.document else {}))
        yield house


def _releases(catalog: Catalog) -> list[tuple[str, str]]:
    return sorted({(release.model, release.version) for plan in catalog.plans() for release in plan.releases.values()})


async def _model(house: House, key: tuple[str, str], sweep: Sweep, stack: contextlib.AsyncExitStack) -> str:
    releases = [release for plan in house.catalog.plans() for release in plan.releases.values()]
    release = next(release for release in releases if (release.model, release.version) == key)
    stand_in = StandIn(release, lambda heard: sweep.hear("the model's wire", heard))
    house.models[key] = stand_in
    listener = await stack.enter_async_context(Listener(stand_in.answer, stand_in.heard))
    proxy = await stack.enter_async_context(Proxy(listener.url))
    house.proxies["model"].append(proxy)
    return proxy.url


def _secrets(file: Mapping[str, Any]) -> list[str]:
    """The environment variables that the file names for its pseudonyms."""
    named = file.get("pseudonym_key") or {}
    return [*([named["env"]] if "env" in named else []), *named.get("previous", ())]


async def _started(house: House, plan: Plan, named: Sequence[str]) -> asyncio.subprocess.Process:
    """On a leash: it ends with this process, however that ends."""
    drawn = {name: secrets.token_hex(32) for name in named}  # not the user's: pseudonyms of a made-up patient are hers
    environment = {**os.environ, **drawn, **plan.environment, "TMPDIR": str(house.folder / "tmp")}  # noqa: TID251
    config = str(house.folder / "config" / "wardgate.yaml")
    with (house.folder / "out").open("wb") as out, (house.folder / "err").open("wb") as err:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wardgate.lab.leash", plan.module, "serve", "--config", config),
            stdin=asyncio.subprocess.PIPE,
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,
        )


async def until_ready(house: House, ask: Any) -> None:
    """Until every model is proven; `ask` gives the status and the body of a path of the admin listener."""
    assert house.process is not None
    try:
        async with asyncio.timeout(_START):
            while house.process.returncode is None:
                status, body = await ask("/health/services")
                if status == 200 and all(service["proof"] == "passed" for service in json.loads(body).values()):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DidNotStart(f"The gateway or its models did not come up within {_START:.0f} s.") from None
    said = (house.folder / "err").read_text(encoding="utf-8", errors="replace")[-2000:]
    raise DidNotStart(f"The gateway ended with code {house.process.returncode}:\n{said}")


# --- the copy ---------------------------------------------------------------------------------------------------------


def _copy(
    config: Path, house: House, urls: Mapping[tuple[str, str], str], collector: str, stores: Mapping[str, str]
) -> None:
    file: dict[str, Any] = dict(read_yaml(config, config.name).data)
    target = house.folder / "config"
    paths = {**_FOLDERS, **(file.get("paths") or {})}
    for name in _FOLDERS:
        source = (config.parent / paths[name]).resolve()
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            (target / name).mkdir(parents=True)
    for path in sorted((target / "models").glob("*/releases/*.yaml")):
        release = read_yaml(path, path.name).data
        moved = urls.get((release["model"], release["version"]), _NOWHERE)
        release["endpoint"]["url"] = _at(release["endpoint"]["url"], moved)
        path.write_text(json.dumps(release), encoding="utf-8")
    for path in house.services():
        path.write_text(json.dumps(read_yaml(path, path.name).data), encoding="utf-8")
    house.set_mode("active")
    client = dict(file["clients"][0])
    client["fhir_servers"] = [house.fhir]
    for key in ("issuer", "keys", "audiences"):
        client.pop(key, None)
    for key in ("public_url", "custody"):
        file.pop(key, None)
    telemetry = {key: value for key, value in (file.get("telemetry") or {}).items() if key != "otlp_headers"}
    file |= {
        "environment": "test",
        "insecure_demo": True,
        "listen": _listen(house.gateway),
        "admin": {"listen": _listen(house.admin)},
        "clients": [client],
        "paths": {name: name for name in _FOLDERS},
        "model_hosts": [urlsplit(url).netloc for url in (*urls.values(), _NOWHERE)],
        "stores": {"hot": "memory", "durable": "sqlite:///../var/wardgate.db", "spool": "../var/spool", **stores},
        "limits": {**(file.get("limits") or {}), "read": "500ms"},
        "telemetry": {**telemetry, "otlp": collector, "keep": 1.0},
    }
    (target / "wardgate.yaml").write_text(json.dumps(file), encoding="utf-8")


def _listen(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port}


def _at(url: str, moved: str) -> str:
    """The path of the one at the address of the other."""
    return urlunsplit(urlsplit(url)._replace(scheme="http", netloc=urlsplit(moved).netloc))
