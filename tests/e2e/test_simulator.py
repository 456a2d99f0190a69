"""The simulator page as people use it: real Chromium, the real demo, and a fake gateway for what that never says."""

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.fakes.processes import ask, free_port, line_from, process

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
_CARD = "#cards article"
_KIDNEY = "#cards section:has-text('Kidney failure risk')"


@dataclass
class Demo:
    gateway: str
    fhir: str
    simulator: str
    pid: int


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with process("wardgate", "demo", "--port", str(free_port()), "--no-browser") as running:
        gateway, _, fhir, _, simulator = (
            line_from(running, rf"^{name} (\S+)$", 40) for name in ("gateway", "admin", "fhir", "model", "simulator")
        )
        line_from(running, "^(ready)$")
        reader = threading.Thread(target=lambda: [None for _ in running.stdout or ()], daemon=True)
        reader.start()  # a full pipe would hold up the demo's own calls
        yield Demo(gateway, fhir, simulator, running.pid)
        running.terminate()
        reader.join(15)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "These tests need Chromium: make system-packages (tests/system-packages.sh) installs it."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    """A fresh window. Afterwards: nothing was asked of another host, and the page had no error of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(8000)
    hosts: set[str | None] = set()
    errors: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert hosts == {"127.0.0.1"}
    assert errors == []


def _open(page: Page, demo: Demo, patient: str, query: str = "") -> None:
    page.goto(f"{demo.simulator}/{query}#{patient}")
    expect(page.locator("#chart .who h2")).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("card")


def _edit(page: Page, test: str) -> None:
    """Opens the dialog for the latest value of a test."""
    page.locator("#chart tbody tr", has_text=test).first.get_by_role("button", name="Edit").click()


def _body(request: Request) -> Any:
    return json.loads(request.post_data or "")


def _show_call(page: Page, name: str) -> None:
    option = page.locator("#wire-exchange option", has_text=name).first
    page.get_by_label("Which call").select_option(option.get_attribute("value"))


def _requests(page: Page, path: str) -> list[Request]:
    found: list[Request] = []
    page.on("request", lambda each: found.append(each) if each.method == "POST" and each.url.endswith(path) else None)
    return found


# -- with the real gateway ----------------------------------------------------------------------------------------


def test_a_card_from_pick_to_override(page: Page, demo: Demo) -> None:
    """Pick a patient by name, read the card and where the time went, override it with a reason; feedback is taken."""
    page.goto(demo.simulator)
    page.get_by_role("searchbox").fill("egfr 12")
    page.locator("#patient-list button").click()
    card = page.locator(_CARD)
    expect(card).to_have_count(1)
    expect(card.locator(".kind")).to_contain_text("Warning")
    expect(card.locator("h3")).to_contain_text("49.4 %")
    expect(card.locator(".detail table")).to_be_visible()
    expect(card.get_by_role("link", name="The equation")).to_have_attribute("rel", "noopener noreferrer")
    expect(page.locator("#announcer")).to_contain_text("warning: Kidney failure risk")
    _show_call(page, "kidney-failure")
    for stage in ("gather", "extract", "predict", "render", "total"):
        expect(page.locator("#wire .legend")).to_contain_text(stage)
    feedback = _requests(page, "/feedback")
    card.get_by_role("button", name="Override").click()
    page.get_by_label("Already under nephrology").check()
    page.get_by_label("Comment").fill("seen last week")
    page.get_by_role("dialog").get_by_role("button", name="Override").click()
    expect(card).to_contain_text("Overridden: Already under nephrology. Feedback sent.")
    [sent] = [_body(each)["feedback"][0] for each in feedback]
    assert sent["outcome"] == "overridden"
    assert sent["overrideReason"] == {
        "reason": {"code": "already-referred", "system": "https://wardgate.example/cds/override"},
        "userComment": "seen last week",
    }


def test_a_chart_that_changes_changes_the_card(page: Page, demo: Demo) -> None:
    """A lab in another unit, too old, withdrawn or gone: each deferral says so; a reset brings the score back."""
    _open(page, demo, "advanced-03")
    summary = page.locator(f"{_CARD} h3")
    score = summary.inner_text()
    assert "%" in score

    _edit(page, "Albumin/creatinine")
    page.get_by_label("Unit").fill("mg/L")
    page.get_by_role("button", name="Save").click()
    expect(summary).to_contain_text("UACR in an unexpected unit")
    expect(page.locator(f"{_CARD} .kind")).to_contain_text("Not calculated")
    page.get_by_role("button", name="Reset this chart").click()
    expect(summary).to_have_text(score)

    _edit(page, "eGFR")
    page.get_by_label("Value").fill("9")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#chart tbody tr", has_text="eGFR").first).to_contain_text("9 mL/min")
    expect(summary).not_to_have_text(score)

    _edit(page, "eGFR")
    page.get_by_label("Status").select_option("entered-in-error")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#chart .value.struck")).to_contain_text("entered-in-error")
    page.get_by_role("button", name="Reset this chart").click()
    expect(summary).to_have_text(score)

    rows = page.locator("#chart tbody", has_text="Albumin/creatinine")
    for left in range(rows.locator("tr").count(), 0, -1):
        expect(rows.locator("tr")).to_have_count(left)
        _edit(page, "Albumin/creatinine")
        page.get_by_role("button", name="Remove from the chart").click()
    expect(rows).to_have_count(0)
    expect(summary).to_contain_text("not calculated: UACR not found")
    page.get_by_role("button", name="Reset this chart").click()
    expect(summary).to_have_text(score)
    expect(page.get_by_role("button", name="Reset this chart")).to_have_count(0)


def test_a_suggestion_of_the_demo_is_accepted(page: Page, demo: Demo) -> None:
    """What the service suggests lands among the draft orders, and the gateway takes the feedback."""
    _open(page, demo, "advanced-05")
    page.get_by_role("button", name="Refer to nephrology").click()
    expect(page.locator(_CARD)).to_contain_text("Accepted: Refer to nephrology. Feedback sent.")
    expect(page.locator("#chart .orders li")).to_have_count(1)


def test_the_second_service_answers_beside_the_first(page: Page, demo: Demo) -> None:
    """A chart is opened once and every service that listens is asked; the most severe card stands first."""
    _open(page, demo, "ward-sepsis")
    expect(page.locator("#cards section h2").first).to_contain_text("Deterioration on the ward")
    expect(page.locator(f"{_CARD} h3").first).to_contain_text("Risk of death in hospital")


def test_old_labs_are_told_apart_from_none(page: Page, demo: Demo) -> None:
    """All of a test 400 days old: stale is not missing."""
    _open(page, demo, "stale-labs")
    expect(page.locator(f"{_CARD} h3")).to_contain_text("too old")


def test_a_card_expires_with_the_clock(page: Page, demo: Demo) -> None:
    """The card's own `valid until` against the EHR's clock: before, valid; after, plainly over."""
    _open(page, demo, "advanced-05")
    card = page.locator(_CARD)
    expect(card.locator(".until")).to_contain_text("valid until")
    page.get_by_label("EHR clock").select_option("25 hours on")
    expect(card.locator(".until")).to_contain_text("expired")
    expect(card).to_contain_text("Call again before you act on it.")
    page.get_by_label("EHR clock").select_option("now")
    expect(card.locator(".until")).to_contain_text("valid until")


def test_no_card_is_not_nothing(page: Page, demo: Demo) -> None:
    """An empty answer is said in words, with the gateway's reason: silence is never mistaken for safety."""
    _open(page, demo, "on-dialysis")
    expect(page.locator(f"{_KIDNEY} .nothing")).to_contain_text("No card.")
    expect(page.locator(f"{_KIDNEY} .nothing")).to_contain_text("out_of_scope / exclusion")


def test_how_it_calls_is_a_choice(page: Page, demo: Demo) -> None:
    """Without prefetch the gateway reads for itself; with a token it is sent; another kind of user gets no card."""
    calls = _requests(page, "/cds-services/kidney-failure")
    _open(page, demo, "advanced-05")
    page.get_by_text("How this EHR calls").click()
    page.get_by_label("Send prefetch").uncheck()
    page.get_by_label("Send an access token").check()
    page.get_by_label("Encounter").select_option(index=1)
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator(f"{_CARD} h3")).to_contain_text("49.4 %")
    first, second = [_body(each) for each in calls]
    assert set(first["prefetch"]) == {"patient", "labs", "problems"}
    assert "fhirAuthorization" not in first
    assert "prefetch" not in second
    assert second["fhirAuthorization"]["patient"] == "advanced-05"
    assert second["context"]["encounterId"]
    page.get_by_label("User").select_option("Patient (herself)")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.locator(f"{_KIDNEY} .nothing")).to_contain_text("out_of_scope / audience")


def test_the_wire_can_be_read_and_copied(page: Page, demo: Demo) -> None:
    """Request and response as they went, and a command that repeats the call."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _open(page, demo, "advanced-05")
    page.get_by_role("button", name="On the wire").click()
    _show_call(page, "kidney-failure")
    request, response = page.locator("#wire pre").all()
    assert json.loads(request.inner_text())["hook"] == "patient-view"
    assert json.loads(response.inner_text())["cards"][0]["indicator"] == "warning"
    page.get_by_role("button", name="Copy curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl -sS -X POST '{demo.gateway}/cds-services/kidney-failure'")


def test_the_keyboard_is_enough(page: Page, demo: Demo) -> None:
    """From the search box to the override without a mouse; Escape closes a dialog and gives the focus back."""
    page.goto(demo.simulator)
    expect(page.locator("#patient-list button").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    _tab_to(page, "#patient-search")
    page.keyboard.type("advanced-05")
    _tab_to(page, "#patient-list button")
    page.keyboard.press("Enter")
    expect(page.locator(_CARD)).to_be_visible()
    _tab_to(page, ".answers button")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".answers button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("radio").first).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator(_CARD)).to_contain_text("Overridden: Already under nephrology")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_a_screen_reader(page: Page, demo: Demo, scheme: Any) -> None:
    """axe-core finds no violation: the chart with cards and the wire, a dialog, and a narrow window."""
    page.emulate_media(color_scheme=scheme)
    _open(page, demo, "advanced-05")
    page.get_by_text("How this EHR calls").click()
    page.get_by_text("Other results").first.click()
    page.get_by_role("button", name="On the wire").click()
    _no_violation(page)
    _edit(page, "eGFR")
    _no_violation(page)
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 400, "height": 800})
    _no_violation(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def _no_violation(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_model_that_hangs_is_neither_a_score_nor_silence(page: Page, demo: Demo) -> None:
    """The rule answers where there is one, and its card says so; where there is none, the page says what happened."""
    model = _model_server(demo.pid)
    os.kill(model, signal.SIGSTOP)
    try:
        _open(page, demo, "ward-sepsis")
        expect(page.locator(f"{_CARD} h3")).to_contain_text("no model")
        _open(page, demo, "advanced-05")
        expect(page.locator(f"{_KIDNEY} .nothing")).to_contain_text("A score was wanted and could not be had.")
    finally:
        os.kill(model, signal.SIGCONT)


def _model_server(parent: int) -> int:
    """The process of the demo that serves the models."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (
                f"PPid:\t{parent}\n" in status.read_text()
                and b"model_server" in (status.parent / "cmdline").read_bytes()
            ):
                return int(status.parent.name)
    raise AssertionError("the demo has no model server")


# -- with a gateway that says what the demo's never would ------------------------------------------------------------


@dataclass
class FakeGateway:
    """Answers what a test puts there; keeps what it was sent."""

    url: str = ""
    services: list[dict[str, Any]] = field(default_factory=list)
    answer: tuple[int, Any] = (200, {"cards": []})
    timing: str = ""
    sent: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    gateway = FakeGateway(services=[{"id": "advice", "hook": "patient-view", "title": "Advice", "description": "-"}])

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._reply(204, None)

        def do_GET(self) -> None:
            self._reply(200, {"services": gateway.services})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            gateway.sent.append((self.path, body))
            self._reply(*((200, {}) if self.path.endswith("/feedback") else gateway.answer))

        def _reply(self, status: int, body: Any) -> None:
            raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.send_header("access-control-allow-origin", "*")
            self.send_header("access-control-allow-headers", "content-type")
            if gateway.timing:
                self.send_header("server-timing", gateway.timing)
                self.send_header("access-control-expose-headers", "server-timing")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    yield gateway
    server.shutdown()
    thread.join()
    server.server_close()


_UUID = "3f0c0f9e-6a0a-4a43-8c79-6a4b1a0b6d11"


def _card(**more: Any) -> dict[str, Any]:
    return {"uuid": _UUID, "summary": "A summary", "indicator": "info", "source": {"label": "A source"}, **more}


def _referral(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": "Patient/advanced-05"},
        "code": {"text": "Referral to nephrology"},
        **more,
    }


def _show(page: Page, demo: Demo, fake: FakeGateway, *cards: dict[str, Any]) -> None:
    fake.answer = (200, {"cards": list(cards)})
    _open(page, demo, "advanced-05", f"?gateway={fake.url}")


def test_an_accepted_suggestion_is_applied_and_reported(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """A draft goes to the draft orders, a resource into the chart, a deletion out of it; the gateway learns which."""
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/advanced-05"},
        "code": {"text": "Albuminuria"},
    }
    _, problems = ask(f"{demo.fhir}/Condition?patient=advanced-05")
    gone = problems["entry"][0]["resource"]
    actions = [
        {"type": "delete", "description": "Drop a problem", "resourceId": f"Condition/{gone['id']}"},
        {"type": "create", "description": "Order a referral", "resource": _referral()},
        {"type": "create", "description": "Add to the problem list", "resource": condition},
    ]
    suggestion = {"label": "Refer", "uuid": "s-1", "isRecommended": True, "actions": actions}
    _show(page, demo, fake, _card(suggestions=[suggestion], selectionBehavior="any"))
    chart = page.locator("#chart .list").first
    expect(chart).to_contain_text(gone["code"]["text"])
    page.get_by_role("button", name="Refer").click()
    expect(page.locator(_CARD)).to_contain_text("Accepted: Refer. Feedback sent.")
    expect(page.locator("#chart .orders li")).to_contain_text("Referral to nephrology")
    expect(chart).to_contain_text("Albuminuria")
    expect(chart).not_to_contain_text(gone["code"]["text"])
    [(path, body)] = [each for each in fake.sent if each[0].endswith("/feedback")]
    assert path == "/cds-services/advice/feedback"
    [element] = body["feedback"]
    assert (element["card"], element["outcome"]) == (_UUID, "accepted")
    assert element["acceptedSuggestions"] == [{"id": "s-1"}]
    page.get_by_role("button", name="Reset this chart").click()
    expect(chart).not_to_contain_text("Albuminuria")
    expect(chart).to_contain_text(gone["code"]["text"])


def test_severities_differ_by_more_than_colour(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """Each kind has its word, its sign and its frame; the most severe stands first; what is unavailable says so."""
    notice = (
        "**Why no score:** the model gave no usable answer.\n\n**About this card**\n\n- Asked 2026-03-02 15:05 UTC."
    )
    _show(
        page,
        demo,
        fake,
        _card(),
        _card(indicator="critical"),
        _card(indicator="warning"),
        _card(summary="Kidney failure risk is not available at the moment", detail=notice),
    )
    expect(page.locator(f"{_CARD} .kind span:first-of-type")).to_have_text(
        ["Critical", "Warning", "Information", "Not available"]
    )
    signs = page.locator(f"{_CARD} .sign").evaluate_all("all => all.map(each => each.innerHTML)")
    assert len(set(signs)) == 4
    frames = page.locator(_CARD).evaluate_all(
        "all => all.map(each => { const s = getComputedStyle(each); return s.borderLeftStyle + s.borderLeftWidth })"
    )
    assert len(set(frames)) == 4
    _no_violation(page)


def test_markdown_is_rendered_and_cannot_act(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """Tables and emphasis are shown; scripts, handlers, pictures, frames and other schemes are not."""
    detail = (
        "**bold**\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n<script>window.hacked = 1</script>\n\ntext "
        "<img src='https://example.org/x.png' onerror='window.hacked = 2'>![alt text](https://example.org/y.png)"
        "<iframe src='https://example.org/'></iframe>[click](javascript:window.hacked=3) <b onclick='hacked=4'>b</b>"
        "<form action='https://example.org/'><input name=x></form><style>body{display:none}</style>"
    )
    link = {"label": "Bad", "url": "javascript:alert(1)", "type": "absolute"}
    source = {"label": "S", "url": "data:text/html,x", "icon": "https://example.org/icon.png"}
    _show(page, demo, fake, _card(summary="<b>not bold</b>", detail=detail, links=[link], source=source))
    card = page.locator(_CARD)
    expect(card.locator("h3")).to_have_text("<b>not bold</b>")
    expect(card.locator("td")).to_have_text(["1", "2"])
    expect(card).to_contain_text("alt text")
    expect(card.locator("script, img, iframe, form, input, style, [onclick], a[href]")).to_have_count(0)
    expect(card).to_contain_text("icon at example.org")
    assert page.evaluate("window.hacked") is None


def test_a_smart_link_shows_what_would_be_launched(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """The launch URL, the server and the app's context, in full."""
    link = {"label": "Risk app", "url": "https://app.example/launch", "type": "smart", "appContext": '{"score":0.4}'}
    _show(page, demo, fake, _card(links=[link]))
    page.get_by_role("button", name="Risk app").click()
    dialog = page.get_by_role("dialog")
    for part in ("https://app.example/launch", demo.fhir, '{"score":0.4}'):
        expect(dialog).to_contain_text(part)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Risk app")).to_be_focused()


def test_orders_call_their_hooks(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """Adding one calls order-select with what was selected, signing calls order-sign with all drafts."""
    fake.services = [
        {"id": "orders", "hook": hook, "title": "Orders", "description": "-"} for hook in ("order-select", "order-sign")
    ]
    page.goto(f"{demo.simulator}/?gateway={fake.url}#advanced-05")
    page.locator("#order").select_option("ibuprofen 200 MG Oral Tablet")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#cards .nothing")).to_be_visible()
    page.get_by_role("button", name="Sign").click()
    expect(page.locator("#cards h2")).to_contain_text("order-sign")
    select, sign = [body for _, body in fake.sent]
    [entry] = select["context"]["draftOrders"]["entry"]
    assert select["context"]["selections"] == [f"MedicationRequest/{entry['resource']['id']}"]
    assert entry["resource"]["status"] == "draft"
    assert sign["hook"] == "order-sign"
    assert sign["context"]["draftOrders"] == select["context"]["draftOrders"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            412,
            {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "labs are required"}]},
            "labs are required",
        ),
        (503, b"busy", "The gateway answered 503."),
        (200, b"not json", "not a CDS Hooks response"),
        (200, {"cards": "many"}, "not a CDS Hooks response"),
        (200, {"cards": [None, 7]}, "No card."),
    ],
)
def test_a_gateway_that_fails_is_said_so(
    page: Page, demo: Demo, fake: FakeGateway, status: int, body: Any, said: str
) -> None:
    """Whatever comes back, the user learns what it was; nothing is shown as an answer that is none."""
    fake.answer = (status, body)
    page.goto(f"{demo.simulator}/?gateway={fake.url}#advanced-05")
    expect(page.locator("#cards")).to_contain_text(said)


def test_the_time_of_each_stage_is_read_from_the_answer(page: Page, demo: Demo, fake: FakeGateway) -> None:
    """Names and durations of Server-Timing, quoted texts too, in the order of the header."""
    fake.timing = 'gather;dur=1.25, outcome;desc="off/\\"b\\", c", predict;dur=3, total;dur=4.5'
    _show(page, demo, fake)
    expect(page.locator("#wire .legend li")).to_have_text(["gather 1.25", "predict 3.00", "total 4.50"])
    expect(page.locator("#cards .nothing")).to_contain_text('The service is switched off. (off / "b", c)')
    assert page.locator("#wire .piece").count() == 2


def test_nobody_answers(page: Page, demo: Demo) -> None:
    """No gateway, no FHIR server: a sentence each, and the page stays usable."""
    page.goto(f"{demo.simulator}/?gateway=http://127.0.0.1:1&fhir=http://127.0.0.1:1/fhir")
    expect(page.locator("#cards")).to_contain_text("The gateway cannot be reached")
    expect(page.locator("#patient-list")).to_contain_text("The FHIR server cannot be reached.")


def test_another_host_is_refused_and_out_of_reach(browser: Browser, demo: Demo) -> None:
    """An address that names a foreign gateway is not followed, and the policy would not let it be reached."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{demo.simulator}/?gateway=https://evil.example")
    expect(page.locator("#cards")).to_contain_text("not on this machine")
    reached = page.evaluate("fetch('https://evil.example/').then(() => 'reached', () => 'blocked')")
    assert reached == "blocked"
    policy = page.evaluate("fetch('/').then(reply => reply.headers.get('content-security-policy'))")
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    context.close()


def test_the_picture_in_the_readme_is_of_this_page() -> None:
    """It is there, and not too heavy to load."""
    picture = Path(__file__).parents[2] / "docs" / "images" / "simulator.png"
    assert 20_000 < picture.stat().st_size < 300_000
