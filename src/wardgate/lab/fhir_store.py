"""FHIR resources in memory, loaded from Bundles: ids given, references resolved, indexed by patient.

What is changed after loading can be put back: the store remembers what each changed resource was before.
"""

import gzip
import json
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wardgate.lab.chart import filed_patient

Resource = dict[str, Any]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4, datatypes.html#id
_NAMESPACE = uuid.UUID("5f3c1d0a-6f0e-5a57-9d0b-3f6f0c1f7c11")


class UnreadableBundle(ValueError):
    """A file that is no FHIR Bundle or resource; the message names the file."""


class Store:
    """A resource put twice under one type and id replaces the first."""

    def __init__(self) -> None:
        self._by_type: dict[str, dict[str, Resource]] = {}
        self._by_patient: dict[tuple[str, str], dict[str, Resource]] = {}
        self._before: dict[tuple[str, str], Resource | None] = {}

    def put(self, resource: Resource) -> None:
        kind, key = resource["resourceType"], resource["id"]
        self._remove(kind, key)
        self._by_type.setdefault(kind, {})[key] = resource
        patient = patient_of(resource)
        if patient is not None:
            self._by_patient.setdefault((kind, patient), {})[key] = resource

    def _remove(self, kind: str, key: str) -> None:
        old = self._by_type.get(kind, {}).pop(key, None)
        if old is not None:
            self._by_patient.get((kind, patient_of(old) or ""), {}).pop(key, None)

    def change(self, kind: str, key: str, resource: Resource | None) -> None:
        """Put a resource that `reset` takes back, or with None remove one that it puts back."""
        self._before.setdefault((kind, key), self.read(kind, key))
        if resource is None:
            self._remove(kind, key)
        else:
            self.put(resource)

    def changes(self) -> int:
        """How many resources differ from what was loaded, or did once."""
        return len(self._before)

    def reset(self, patient: str | None = None) -> int:
        """Everything, or all that is one patient's, as it was loaded; returns how many resources were put back."""
        changed = [place for place, old in self._before.items() if patient is None or self._is_of(patient, place, old)]
        for kind, key in changed:
            old = self._before.pop((kind, key))
            if old is None:
                self._remove(kind, key)
            else:
                self.put(old)
        return len(changed)

    def _is_of(self, patient: str, place: tuple[str, str], old: Resource | None) -> bool:
        versions = [each for each in (old, self.read(*place)) if each is not None]
        return place == ("Patient", patient) or any(patient_of(each) == patient for each in versions)

    def read(self, kind: str, key: str) -> Resource | None:
        return self._by_type.get(kind, {}).get(key)

    def all(self, kind: str) -> Iterable[Resource]:
        return self._by_type.get(kind, {}).values()

    def of_patient(self, kind: str, patient: str) -> Iterable[Resource]:
        return self._by_patient.get((kind, patient), {}).values()

    def kinds(self) -> list[str]:
        return sorted(kind for kind, resources in self._by_type.items() if resources)


def patient_of(resource: Resource) -> str | None:
    """The id of the patient under whom a resource is found: its `subject` or its `patient`."""
    misfiled = filed_patient(resource)
    if misfiled is not None:
        return misfiled
    for element in ("subject", "patient"):
        reference = resource.get(element)
        address = reference.get("reference") if isinstance(reference, dict) else None
        if isinstance(address, str):
            kind, _, key = address.rpartition("/")
            if kind.rpartition("/")[2] == "Patient":
                return key
    return None


def load_folder(store: Store, folder: Path) -> int:
    """Put every `.json` and `.json.gz` of a folder into the store; returns how many resources there were.

    Raises UnreadableBundle also where there is no patient: nobody could be called for.
    """
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".json", ".json.gz")))
    number = sum(load_bundle(store, _read(path)) for path in files)
    if "Patient" not in store.kinds():
        raise UnreadableBundle(f"there is no patient in the {len(files)} .json and .json.gz files of {folder}")
    return number


def _read(path: Path) -> Resource:
    try:
        raw = path.read_bytes()
        value = parse(gzip.decompress(raw) if path.name.endswith(".gz") else raw)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        raise UnreadableBundle(f"{path.name} cannot be read as JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise UnreadableBundle(f"{path.name} is not a FHIR resource")
    return value


def parse(raw: bytes) -> Any:
    """JSON, without the NaN and Infinity that Python's reader would let in; raises ValueError or RecursionError."""
    return json.loads(raw, parse_constant=_no_number)


def _no_number(text: str) -> None:
    raise ValueError("not a JSON number")


def load_bundle(store: Store, bundle: Resource) -> int:
    """Put a Bundle's resources, or one resource, into the store.

    A resource without id gets one from its `fullUrl`. References by `urn:uuid:` and by search
    (`Practitioner?identifier=system|value`) become `Type/id`, as a server's transaction would make them
    (FHIR R4, http.html#trules); one that cannot be resolved stays as it is.
    """
    entries = list(_entries(bundle))
    for full_url, resource in entries:
        if not isinstance(resource.get("id"), str) or not resource["id"]:
            resource["id"] = _id_for(full_url, resource)
    addresses = {url: f"{resource['resourceType']}/{resource['id']}" for url, resource in entries if url}
    addresses |= {key: f"{r['resourceType']}/{r['id']}" for _, r in entries for key in _conditional_keys(r)}
    for _, resource in entries:
        _resolve(resource, addresses)
        store.put(resource)
    return len(entries)


def _entries(bundle: Resource) -> Iterator[tuple[str | None, Resource]]:
    if bundle.get("resourceType") != "Bundle":
        yield None, bundle
        return
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            address = entry.get("fullUrl")
            yield (address if isinstance(address, str) else None), resource


def _id_for(full_url: str | None, resource: Resource) -> str:
    if full_url and full_url.startswith("urn:uuid:"):
        return full_url.removeprefix("urn:uuid:")
    return str(uuid.uuid5(_NAMESPACE, full_url or json.dumps(resource, sort_keys=True)))


def _conditional_keys(resource: Resource) -> Iterator[str]:
    identifiers = resource.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and "value" in identifier:
            yield f"{resource['resourceType']}?identifier={identifier.get('system', '')}|{identifier['value']}"


def _resolve(node: object, addresses: Mapping[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _resolve(item, addresses)
    elif isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str) and reference in addresses:
            node["reference"] = addresses[reference]
        for value in node.values():
            _resolve(value, addresses)
