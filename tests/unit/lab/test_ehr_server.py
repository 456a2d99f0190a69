"""The server of the simulator page: what it hands out, to whom, and what its policy lets the page reach."""

import hashlib
import json
import re
from pathlib import Path

import httpx2
import pytest

from tests.fakes.processes import line_from, process
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.ehr_server import PageServer, main, origin_of

_PAGE = Path(__file__).parents[3] / "src" / "wardgate" / "lab" / "page"


@pytest.fixture(scope="module")
def server() -> PageServer:
    return PageServer("https://cds.example:8443/base", "http://127.0.0.1:8083/fhir", "s3cret")


def _get(server: PageServer, path: str, method: str = "GET") -> Reply:
    return server.answer(Request(method, path, "", {}, b""))


def test_every_file_of_the_page_is_served_with_its_type(server: PageServer) -> None:
    """The page stands at the root; scripts and styles carry the type without which a browser refuses them."""
    assert _get(server, "/").body == (_PAGE / "index.html").read_bytes()
    for file in _PAGE.rglob("*.*"):
        reply = _get(server, "/" + file.relative_to(_PAGE).as_posix())
        assert (reply.status, reply.body) == (200, file.read_bytes())
        if file.suffix == ".js":
            assert reply.headers["content-type"].startswith("text/javascript")


def test_settings_say_where_to_call(server: PageServer) -> None:
    """Gateway, FHIR server, its token, and what the demo's patients show."""
    body = _get(server, "/settings.json").body
    assert isinstance(body, bytes)
    settings = json.loads(body)
    assert settings["gateway"] == "https://cds.example:8443/base"
    assert settings["fhir"] == "http://127.0.0.1:8083/fhir"
    assert settings["token"] == "s3cret"
    assert "no-uacr" in settings["notes"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/../ehr_server.py", "//etc/passwd", "/vendor", "/vendor/", "/%2e%2e/x", "/index.html/"]
)
def test_nothing_else_can_be_had(server: PageServer, path: str) -> None:
    """A path is looked up among the files that were read at start, and never on the disk."""
    assert _get(server, path).status == 404
    assert _get(server, "/", "POST").status == 405


def test_the_policy_names_the_two_servers_and_this_machine(server: PageServer) -> None:
    """Every answer carries it: own scripts and styles only, calls to the named servers and to loopback."""
    for path in ("/", "/app.js", "/settings.json", "/nothing"):
        policy = dict(rule.split(" ", 1) for rule in _get(server, path).headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
        assert policy["connect-src"] == (
            "'self' http://127.0.0.1:* http://localhost:* https://cds.example:8443 http://127.0.0.1:8083"
        )
        assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "nonsense",
        "http://",
        "http://user@a",
        "http://a;script-src *",
        "http://a b",
        "http://a'b",
        "http://a/?x",
        "http://a:99999",
        "http://*",
    ],
)
def test_an_address_that_could_widen_the_policy_is_refused(url: str) -> None:
    """The policy is made of the addresses: only a plain scheme, host and port get into it."""
    with pytest.raises(ValueError):
        origin_of(url)


def test_origins() -> None:
    """Paths go, ports stay, IPv6 keeps its brackets."""
    assert origin_of("https://a.example/b/c") == "https://a.example"
    assert origin_of("http://[::1]:8080/fhir") == "http://[::1]:8080"


def test_no_file_of_the_page_names_another_host() -> None:
    """Nothing is loaded from elsewhere; the addresses in our own files are names of code systems and namespaces."""
    allowed = (
        "http://loinc.org",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        "http://unitsofmeasure.org",
        "http://www.w3.org/2000/svg",
        "http://127.0.0.1",
        "http://localhost",
    )
    for file in _PAGE.glob("*.*"):
        text = file.read_text()
        for name in allowed:
            text = text.replace(name, "")
        assert "http:/" + "/" not in text and "https:/" + "/" not in text, file.name


def test_the_libraries_are_the_published_files() -> None:
    """Byte for byte those that docs/dependencies.md names; their licences are beside them."""
    stated = set(re.findall(r"`([0-9a-f]{64})`", (_PAGE.parents[3] / "docs" / "dependencies.md").read_text()))
    libraries = list((_PAGE / "vendor").glob("*.js"))
    assert {hashlib.sha256(each.read_bytes()).hexdigest() for each in libraries} == stated
    assert all(each.with_suffix(".LICENSE.txt").is_file() for each in libraries)


def test_a_process_of_its_own() -> None:
    """It says where it listens, lets no other origin read, and ends with a sentence where it cannot start."""
    with process("wardgate.lab.ehr_server", "--port", "0") as running:
        url = line_from(running, r"^simulator (\S+)$")
        with httpx2.Client(trust_env=False) as http:
            reply = http.get(f"{url}/settings.json")
            assert reply.status_code == 200
            assert "access-control-allow-origin" not in reply.headers
            assert reply.headers["x-content-type-options"] == "nosniff"
    with pytest.raises(SystemExit, match="not an http or https URL"):
        main(["--gateway", "nonsense"])
