"""The endpoint of a release: what of it is wrong, and what it becomes."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from wardgate.adapters.files.library import Ground, Library
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_release import EndpointEntry, Output, Release, is_pointer
from wardgate.domain.documents import Place, did_you_mean
from wardgate.domain.inference.endpoint import Endpoint, InputSpec, Mlflow, Oip, PlainJson, Shape


def prove_endpoint(ground: Ground, library: Library, sheet: Sheet[Release]) -> None:
    document, endpoint = sheet.document, sheet.wire.endpoint
    if not sheet.lacks("endpoint", "protocol"):
        _prove_protocol(library, sheet)
    at: Place = ("endpoint", "url")
    url = _split(endpoint.url)
    if url is None:
        remedy = "write scheme, host and port, and a path where there is one, such as http://127.0.0.1:8082"
        library.found(document, at, "not an absolute http or https URL", remedy)
        return
    if ground.model_hosts is not None and url.netloc not in ground.model_hosts:
        what = f"{url.netloc} is not on the list of model hosts"
        remedy = f'add "{url.netloc}" to `model_hosts` in {ground.document.file}, or mend the URL'
        library.found(document, at, what, remedy)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        library.found(document, at, "plain http to another machine", "write https; plain http is for loopback only")


_KEYS_OF_SOME: tuple[tuple[Place, tuple[str, ...]], ...] = (
    (("model_name",), ("oip",)),
    (("version_at",), ("json",)),
    (("request",), ("json",)),
    (("ready",), ("json",)),
    (("inputs", "tensor"), ("oip",)),
    (("inputs", "shape"), ("oip", "mlflow")),
)
"""Keys of `endpoint` that mean nothing to the other protocols."""


def _prove_protocol(library: Library, sheet: Sheet[Release]) -> None:
    document, endpoint = sheet.document, sheet.wire.endpoint
    written = {(key,) for key in endpoint.model_fields_set} | {
        ("inputs", key) for key in endpoint.inputs.model_fields_set
    }
    for key, protocols in _KEYS_OF_SOME:
        if key in written and endpoint.protocol not in protocols:
            what = f"the protocol {endpoint.protocol} has no use for it"
            library.found(document, ("endpoint", *key), what, f"remove it: it belongs to {' and '.join(protocols)}")
    for required in ("model_name", "model_version") if endpoint.protocol == "oip" else ():
        if getattr(endpoint, required) is None and not sheet.lacks("endpoint", required):
            library.found(document, ("endpoint", required), f"`{required}` is required", f"add `{required}:`")
    for name, output in endpoint.outputs.items():
        for what, remedy in _output_problems(name, output, endpoint.protocol):
            library.found(document, ("endpoint", "outputs", name), what, remedy)
    if endpoint.protocol == "json":
        _prove_json(library, sheet)


def _output_problems(name: str, output: Output, protocol: str) -> Iterable[tuple[str, str]]:
    if protocol == "json" and not is_pointer(output.tensor):
        yield "not a JSON Pointer (RFC 6901)", "write /key/key/0 from the root of the reply"
    elif protocol == "json" and output.index is not None:
        yield "a JSON Pointer takes no index", f"write {output.tensor}/{output.index}"
    elif name == "contributions" and output.index is not None:
        yield "contributions take no index", "name what holds one number for each input"


def _prove_json(library: Library, sheet: Sheet[Release]) -> None:
    document, endpoint = sheet.document, sheet.wire.endpoint
    if endpoint.version_at is None and not sheet.lacks("endpoint", "version_at"):
        what = "no reply's version is checked: the probes alone prove the model"
        remedy = "say where the reply names its version, if it does: `version_at: /model/version`"
        library.found(document, ("endpoint", "version_at"), what, remedy, warning=True)
    elif endpoint.version_at is not None and endpoint.model_version is None:
        if not sheet.lacks("endpoint", "model_version"):
            what = "no version to compare the reply's with"
            library.found(document, ("endpoint", "version_at"), what, "add `model_version:`")
    for name, output in endpoint.outputs.items():
        if any(_NO_INDEX.fullmatch(step) for step in output.tensor.split("/")):
            what, remedy = (
                "no item of a list is called so (RFC 6901)",
                "write /scores/0, unless it is the key of an object",
            )
            library.found(document, ("endpoint", "outputs", name), what, remedy, warning=True)
    if endpoint.request is None or sheet.lacks("endpoint", "inputs", "order"):
        return
    order, at = endpoint.inputs.order, ("endpoint", "request")
    named = list(_named_inputs(endpoint.request, at))
    unknown = [(place, name) for place, name in named if name not in order]
    for place, name in unknown:
        remedy = did_you_mean(name, order, "name an input of `order`, or write $$ for a text that begins with $")
        library.found(document, place, f"no input is called {name}", remedy)
    if not unknown:  # an unknown one is most likely a missing one, misspelled
        for name in dict.fromkeys(order):
            if name not in {name for _, name in named}:
                remedy = f"write ${name} where it belongs"
                library.found(document, at, f"the input {name} is not in the request", remedy)


def _named_inputs(data: Any, at: Place) -> Iterable[tuple[Place, str]]:
    match data:
        case dict():
            for key, value in data.items():
                yield from _named_inputs(value, (*at, key))
        case list():
            for number, value in enumerate(data):
                yield from _named_inputs(value, (*at, number))
        case str() if data.startswith("$") and not data.startswith("$$"):
            yield at, data[1:]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    sound = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    return parts if sound and not parts.query and not parts.fragment and _PRINTABLE.fullmatch(url) else None


_NO_INDEX = re.compile(r"0[0-9]+|[0-9]{7,}")
_PRINTABLE = re.compile(r"[!-~]+")
"""What a URL may hold as it is; `urlsplit` drops the ends of lines, and who sends it may not."""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoint_of(release: Release) -> Endpoint:
    endpoint, inputs = release.endpoint, release.endpoint.inputs
    outputs = {name: output.spec() for name, output in endpoint.outputs.items()}
    return Endpoint(
        protocol=_protocol(endpoint),
        url=endpoint.url if endpoint.protocol == "json" else endpoint.url.rstrip("/"),
        timeout=endpoint.timeout,
        concurrency=endpoint.concurrency,
        inputs=InputSpec(
            inputs.tensor,
            shape_of(endpoint),
            inputs.datatype,
            inputs.order,
            inputs.fill,
            inputs.clip,
            inputs.datatypes,
        ),
        score=outputs.pop("score"),
        contributions=outputs.pop("contributions", None),
        others=outputs,
        queue=endpoint.queue,
        retry=endpoint.retry,
        breaker=endpoint.breaker.spec(),
    )


def shape_of(endpoint: EndpointEntry) -> Shape:
    """Each protocol has its own default."""
    return endpoint.inputs.shape or (Shape.ROW if endpoint.protocol == "oip" else Shape.NAMED)


def _protocol(endpoint: EndpointEntry) -> Oip | Mlflow | PlainJson:
    name, version = endpoint.model_name or "", endpoint.model_version or ""  # there where they are used: proven
    match endpoint.protocol:
        case "oip":
            return Oip(name, version)
        case "mlflow":
            return Mlflow()
        case "json":
            request = endpoint.request
            if request is None:
                request = {name: f"${name}" for name in endpoint.inputs.order}
            pin = None if endpoint.version_at is None else (endpoint.version_at, version)
            return PlainJson(request, endpoint.ready, pin)
