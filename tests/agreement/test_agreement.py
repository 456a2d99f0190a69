"""The FHIR simulator beside a FHIR server that nobody here wrote: same patients, same searches, same answers.

`make test-agreement` installs the other server (Medplum's, from npm) and runs this; a plain test run leaves it out.
`--corpus DIR` adds the patients of a folder to the demo's.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from tests.agreement.searches import Resource, generate
from wardgate.lab import chart, cohort
from wardgate.lab.asgi import Request
from wardgate.lab.fhir_server import FhirServer
from wardgate.lab.fhir_store import Store, load_bundle, load_folder

_BASE = "http://fhir.test/fhir"
_DAY = date(2026, 11, 25)
_SEARCHES = 600
_LARGEST = 40_000  # bytes of a file, a tenth of what is in it: the other server reads everything for each search

Ask = Callable[[str, Sequence[tuple[str, str]]], list[Resource]]


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store()
    for bundle in cohort.build(_DAY)[::2]:
        # In the mixed chart our server files a result under the wrong patient: it is there to be wrong.
        if chart.patient(bundle)["id"] != "mixed-chart":
            load_bundle(store, bundle)
    folder = request.config.getoption("--corpus")
    if folder is not None:
        some = tmp_path_factory.mktemp("patients")
        for file in sorted((Path(folder) / "patients").glob("*.json*")):
            if file.stat().st_size < _LARGEST:
                shutil.copy(file, some)
        load_folder(store, some)
    return store


@pytest.fixture(scope="module")
def resources(store: Store) -> Mapping[str, Sequence[Resource]]:
    return {kind: list(store.all(kind)) for kind in store.kinds()}


@pytest.fixture(scope="module")
def other(
    request: pytest.FixtureRequest,
    resources: Mapping[str, Sequence[Resource]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    installed = request.config.getoption("--agreement")
    if installed is None:
        pytest.fail("there is no other FHIR server here: run make test-agreement, which installs one")
    folder = tmp_path_factory.mktemp("other")
    shutil.copy(Path(__file__).with_name("server.mjs"), folder)
    (folder / "node_modules").symlink_to(Path(installed).resolve() / "node_modules")
    (folder / "resources.json").write_text(json.dumps([each for kind in resources.values() for each in kind]))
    command = ["node", "server.mjs", "resources.json"]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        line = process.stdout.readline().split()
        assert line[:1] == ["independent"], "the other server did not start; what it said stands above"
        yield line[1]
        process.stdin.close()
        process.wait(10)


@pytest.fixture(scope="module")
def theirs(other: str) -> Iterator[Ask]:
    with httpx2.Client(trust_env=False, timeout=60) as http:

        def ask(kind: str, parameters: Sequence[tuple[str, str]]) -> list[Resource]:
            reply = http.get(f"{other}/{kind}?{urlencode(parameters)}")
            assert reply.status_code == 200, f"{kind} {parameters}: {reply.text[:200]}"
            return [entry["resource"] for entry in reply.json().get("entry", [])]

        yield ask


@pytest.fixture(scope="module")
def ours(store: Store) -> Ask:
    server = FhirServer(store, _BASE)

    def ask(kind: str, parameters: Sequence[tuple[str, str]]) -> list[Resource]:
        """All pages, one after the other, by their links."""
        found: list[Resource] = []
        query: str | None = urlencode(parameters)
        while query is not None:
            reply = server.answer(Request("GET", f"/fhir/{kind}", query, {}, b""))
            assert reply.status == 200, f"{kind} {parameters}: {reply.body}"
            body: Any = reply.body
            found += [entry["resource"] for entry in body["entry"]]
            links = [link["url"] for link in body["link"] if link["relation"] == "next"]
            query = urlsplit(links[0]).query if links else None
        return found

    return ask


def test_both_find_the_same_in_the_same_order(
    ours: Ask, theirs: Ask, resources: Mapping[str, Sequence[Resource]]
) -> None:
    """Hundreds of searches by patient, code, category, status, date and id: the same ids, sorted by the same dates."""
    disagreements: list[object] = []
    explained = found = sorted_lists = 0
    for kind, parameters in generate(resources, _SEARCHES, seed=20):
        asked = [pair for pair in parameters if pair[0] != "_count"]
        mine, other = ours(kind, parameters), theirs(kind, [*asked, ("_count", "1000")])
        found += bool(mine)
        if {each["id"] for each in mine} != {each["id"] for each in other} or len(mine) != len(other):
            if _they_are_wrong(ours, theirs, kind, parameters):
                explained += 1
            else:
                disagreements.append((kind, parameters, len(mine), len(other)))
        elif (sort := dict(parameters).get("_sort")) is not None and len(mine) > 1:
            sorted_lists += 1
            if _moments(sort, mine) != _moments(sort, other):
                disagreements.append((kind, parameters, _moments(sort, mine), _moments(sort, other)))
    print(
        f"\n{_SEARCHES} searches, {found} with matches, {sorted_lists} orders compared: "
        f"{len(disagreements)} disagree, {explained} more where the standard is with ours"
    )
    assert disagreements == []
    assert found > _SEARCHES / 5 and sorted_lists > _SEARCHES / 20


def _they_are_wrong(ours: Ask, theirs: Ask, kind: str, parameters: Sequence[tuple[str, str]]) -> bool:
    """A period equals a date only if it lies in it whole (R4, search.html#prefix); the other looks at its start.

    Only that is excused: without the date, both must find the same.
    """
    equals = [pair for pair in parameters if pair[0] == "date" and pair[1][:2] in ("20", "19", "eq", "ne")]
    rest = [pair for pair in parameters if pair not in equals and pair[0] != "_count"]
    if kind != "Encounter" or not equals:
        return False
    return {each["id"] for each in ours(kind, rest)} == {
        each["id"] for each in theirs(kind, [*rest, ("_count", "1000")])
    }


_ELEMENTS = {
    "date": ("effectiveDateTime", "performedDateTime", "date", "period"),
    "onset-date": ("onsetDateTime",),
    "authoredon": ("authoredOn",),
    "authored": ("authoredOn",),
}


def _moments(sort: str, resources: Sequence[Resource]) -> list[datetime]:
    """What they are sorted by, in their order; those without it are left out: the standard does not place them."""
    elements = _ELEMENTS[sort.removeprefix("-")]
    values = [next((each[name] for name in elements if each.get(name)), None) for each in resources]
    texts = [value.get("start") if isinstance(value, dict) else value for value in values]
    moments = [datetime.fromisoformat(text) for text in texts if isinstance(text, str)]
    return [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments]


def test_both_serve_the_same_first_page(ours: Ask, theirs: Ask, resources: Mapping[str, Sequence[Resource]]) -> None:
    """The newest N of a test: what a prefetch with `_sort=-date&_count=N` gets."""
    for patient in [each["id"] for each in resources["Patient"]][:8]:
        query = [("subject", f"Patient/{patient}"), ("code", "http://loinc.org|98979-8"), ("_sort", "-date")]
        mine = ours("Observation", query)[:2]
        assert _moments("-date", mine) == _moments("-date", theirs("Observation", [*query, ("_count", "2")]))


def test_both_read_the_same(other: str, store: Store) -> None:
    """A read gives the same resource, apart from what the other server adds about itself (meta)."""
    with httpx2.Client(trust_env=False) as http:
        for kind in ("Patient", "Observation", "Condition", "Encounter"):
            for resource in list(store.all(kind))[:20]:
                read = http.get(f"{other}/{kind}/{resource['id']}").json()
                assert read | {"meta": None} == resource | {"meta": None}
