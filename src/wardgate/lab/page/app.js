// The EHR: patients on the left, the chart in the middle, decision support on the right, the wire below.

import { bySeverity, cardView, showLaunch } from "./cards.js";
import { cardsOf, codesAskedFor, discover, feedback, post, prefetch } from "./cds.js";
import { chartView, loadChart } from "./chart.js";
import { announce, byId, choices, h, minute } from "./dom.js";
import { Fhir, ageOf, list, nameOf } from "./fhir.js";
import { draft, draftsBundle, isDraft, orderText, ordersView } from "./orders.js";
import { Wire } from "./wire.js";

const ALL = "";
const LOCAL = /^(localhost|127\.0\.0\.1)$/;

const wire = new Wire();
const state = {
  settings: null,
  fhir: null,
  services: [],
  patients: [],
  chart: null, // of the patient that is open
  changed: new Set(), // patients whose chart differs from what was loaded
  drafts: [],
  answers: new Map(), // service id → what it last answered; a later hook of one id replaces an earlier one
  handled: new WeakMap(), // card → what was done with it, in a sentence
  run: 0,
};

const now = () => new Date(Date.now() + Number(byId("clock-shift").value) * 1000);

// -- start --------------------------------------------------------------------------------------------------

async function start() {
  wire.draw();
  tick();
  setInterval(tick, 5000);
  byId("theme").addEventListener("click", nextTheme);
  byId("clock-shift").addEventListener("change", tick);
  byId("patient-search").addEventListener("input", drawPatients);
  byId("hook").addEventListener("change", drawServices);
  byId("authorize").addEventListener("change", drawAddresses);
  byId("trigger").addEventListener("submit", (event) => {
    event.preventDefault();
    call(byId("hook").value, byId("service").value);
  });
  window.addEventListener("hashchange", () => open(patientInAddress()));
  try {
    state.settings = await settings();
  } catch (error) {
    byId("cards").replaceChildren(problem(error.message));
    return;
  }
  state.fhir = new Fhir(state.settings.fhir, state.settings.token);
  byId("authorize").checked = Boolean(state.settings.token);
  drawAddresses();
  await Promise.all([loadServices(), loadPatients()]);
  const asked = patientInAddress();
  if (asked) await open(asked);
  else drawNobody();
}

// Where gateway and FHIR server are: the page's own server says it; its address may name others on this machine.
async function settings() {
  const given = await (await fetch("settings.json")).json();
  const query = new URLSearchParams(location.search);
  for (const name of ["gateway", "fhir"]) {
    const other = query.get(name);
    if (other === null) continue;
    const url = URL.canParse(other) ? new URL(other) : null;
    if (!url || url.protocol !== "http:" || !LOCAL.test(url.hostname)) throw new Error(`The address names a ${name} that is not on this machine: http://127.0.0.1 or http://localhost, with its port.`);
    given[name] = other.replace(/\/+$/, "");
    given.token = "";
  }
  return given;
}

function patientInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

async function loadServices() {
  try {
    state.services = await discover(state.settings.gateway);
  } catch (error) {
    byId("cards").replaceChildren(problem(error.message));
  }
  const hooks = [...new Set(state.services.map((each) => each.hook))];
  choices(byId("hook"), hooks.map((each) => [each, each]), hooks.includes("patient-view") ? "patient-view" : hooks[0]);
  drawServices();
}

async function loadPatients() {
  try {
    state.patients = (await state.fhir.search("Patient?_count=200")).sort((one, other) => one.id.localeCompare(other.id));
  } catch (error) {
    byId("patient-list").replaceChildren(h("li", {}, problem(error.message)));
    return;
  }
  drawPatients();
}

// -- drawing ------------------------------------------------------------------------------------------------

function drawPatients() {
  const words = byId("patient-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shows = (patient) => state.settings.notes[patient.id] ?? "";
  const text = (patient) => `${nameOf(patient)} ${patient.id} ${shows(patient)}`.toLowerCase();
  const found = state.patients.filter((patient) => words.every((word) => text(patient).includes(word)));
  byId("patient-list").replaceChildren(
    ...found.map((patient) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", "aria-current": state.chart?.patient.id === patient.id && "true", onclick: () => choose(patient.id) },
          h("strong", {}, nameOf(patient)),
          h("span", {}, [ageOf(patient, new Date()), patient.gender?.[0]?.toUpperCase()].filter(Boolean).join(" ")),
          h("span", { class: "quiet-text" }, shows(patient) || patient.id),
        ),
      ),
    ),
    ...(found.length === 0 ? [h("li", { class: "quiet-text" }, "nobody")] : []),
  );
}

function drawServices() {
  const hook = byId("hook").value;
  const listening = state.services.filter((each) => each.hook === hook);
  choices(byId("service"), [[ALL, listening.length > 1 ? `all ${listening.length}` : "all"], ...listening.map((each) => [each.id, each.title ?? each.id])]);
}

function drawAddresses() {
  byId("addresses").textContent = `Gateway ${state.settings.gateway} · FHIR ${state.settings.fhir}`;
}

function drawNobody() {
  byId("chart").replaceChildren(h("p", { class: "empty" }, "Choose a patient on the left."));
  if (byId("cards").childElementCount === 0) byId("cards").replaceChildren(h("p", { class: "empty" }, `${state.services.length} services on offer. Opening a chart calls those that listen to patient-view.`));
}

function drawChart() {
  const { patient } = state.chart;
  const hooks = new Set(state.services.map((each) => each.hook));
  const panel = byId("chart");
  const [opened, scrolled] = [[...panel.querySelectorAll("details")].some((each) => each.open), panel.scrollTop];
  panel.replaceChildren(
    ...[chartView(state.chart, codesAskedFor(state.services), state.changed.has(patient.id), now(), { save, remove, reset })].flat().filter(Boolean),
    ordersView(state.drafts, hooks, { add: addDraft, remove: removeDraft, sign }),
  );
  if (opened) for (const each of panel.querySelectorAll("details")) each.open = true;
  panel.scrollTop = scrolled;
}

function drawCards() {
  const answers = [...state.answers.values()];
  const rank = (answer) => Math.min(...answer.cards.map((card) => ["critical", "warning"].indexOf(card.indicator)).map((at) => (at < 0 ? 9 : at)), 10);
  byId("cards").replaceChildren(...answers.sort((one, other) => rank(one) - rank(other)).map(answerView));
}

function answerView(answer) {
  const head = h("h2", {}, answer.service.title ?? answer.service.id, h("span", { class: "quiet-text" }, ` ${answer.service.hook}`));
  if (answer.exchange === null) return h("section", { class: "answer" }, head, h("p", { class: "quiet-text" }, "asking…"));
  const cards = [...answer.cards].sort(bySeverity);
  return h(
    "section",
    { class: "answer" },
    head,
    answer.outdated && h("p", { class: "over" }, "The chart was changed after this answer. Call again."),
    answer.problem && problem(answer.problem),
    !answer.problem && cards.length === 0 && h("p", { class: "nothing" }, why(answer.exchange)),
    cards.map((card) => cardView(card, state.handled.get(card), now(), { accept: (...of) => accept(answer, ...of), override: (...of) => override(answer, ...of), launch: (link) => showLaunch(link, state.settings.fhir) })),
    list(answer.exchange.body?.systemActions).length > 0 && h("p", { class: "told" }, `${answer.exchange.body.systemActions.length} system actions in the answer; this EHR does not apply them.`),
  );
}

const WHY = {
  below_threshold: "A score was computed; it is below the threshold from which the service shows a card.",
  out_of_scope: "The patient or the user is outside of what the service is for.",
  deferred: "The gateway did not let the model answer, and the rule that says so shows no card.",
  withheld: "A card was computed and deliberately not shown.",
  suppressed: "The same card was shown a short while ago.",
  unavailable: "A score was wanted and could not be had.",
  off: "The service is switched off.",
};

// An EHR cannot know why a list is empty. A gateway that shows its timing says so beside it, as a code.
function why(exchange) {
  const code = exchange.stages.find((stage) => stage.name === "outcome")?.description ?? "";
  const [outcome, reason] = code.split("/");
  return [
    h("strong", {}, "No card. "),
    WHY[outcome] ?? "The service had nothing to show for this patient and this user: no finding, or the patient is outside of what it is for.",
    code && h("span", { class: "quiet-text" }, ` (${outcome === reason ? outcome : `${outcome} / ${reason}`})`),
  ];
}

function problem(text) {
  return h("p", { class: "problem" }, text);
}

function tick() {
  const moment = now();
  byId("clock").textContent = minute(moment);
  byId("clock").dateTime = moment.toISOString();
  // Cards are drawn anew only where one has just run out, so that nobody's focus is lost.
  const expired = document.querySelectorAll("#cards .expired").length;
  const due = [...state.answers.values()].flatMap((answer) => answer.cards).filter((card) => !state.handled.has(card) && cardView(card, undefined, moment, {}).classList.contains("expired")).length;
  if (expired !== due) {
    drawCards();
    if (due > expired) announce("A card has expired.");
  }
}

function nextTheme() {
  const order = ["system", "light", "dark"];
  const theme = order[(order.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % order.length];
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

// -- patients and their charts --------------------------------------------------------------------------------

function choose(id) {
  if (patientInAddress() === id) open(id);
  else location.hash = encodeURIComponent(id); // the address is a link to this chart; its change opens it
}

async function open(id) {
  if (!id || !state.fhir) return;
  state.run += 1;
  const run = state.run;
  state.answers.clear();
  state.drafts = [];
  byId("cards").replaceChildren();
  if (!(await refresh(id, run))) return;
  byId("chart").scrollTop = 0;
  drawPatients();
  document.querySelector("#patient-list [aria-current]")?.scrollIntoView({ block: "nearest" });
  choices(byId("user"), [["Practitioner/demo", "Practitioner"], ["PractitionerRole/demo", "PractitionerRole"], [`Patient/${id}`, "Patient (herself)"], ["RelatedPerson/demo", "RelatedPerson"]]);
  choices(byId("encounter"), [["", "none"], ...state.chart.encounters.found.map((each) => [each.id, `${each.period?.start?.slice(0, 10) ?? ""} ${each.class?.display ?? each.class?.code ?? each.id}`])]);
  if (state.services.some((each) => each.hook === "patient-view")) await call("patient-view", ALL);
}

async function refresh(id, run) {
  let chart;
  try {
    chart = await loadChart(state.fhir, id);
  } catch (error) {
    if (run !== state.run) return false;
    state.chart = null;
    byId("chart").replaceChildren(problem(`${id}: ${error.message}`));
    drawPatients();
    return false;
  }
  if (run !== state.run) return false;
  state.chart = chart;
  drawChart();
  return true;
}

const save = (resource) => change(() => state.fhir.put(resource));
const remove = (resource) => change(() => state.fhir.remove(`${resource.resourceType}/${resource.id}`));

async function reset() {
  const { id } = state.chart.patient;
  await change(() => state.fhir.reset(id));
  state.changed.delete(id);
  drawChart();
  byId("chart").focus();
}

// The change is made where everybody reads: the gateway and the next prefetch see the same chart as this page.
async function change(write) {
  const { id } = state.chart.patient;
  const { run } = state;
  try {
    await write();
  } catch (error) {
    announce(error.message);
    byId("chart").prepend(problem(error.message));
    return;
  }
  state.changed.add(id);
  if (!(await refresh(id, run))) return;
  for (const answer of state.answers.values()) answer.outdated = true;
  if (byId("again").checked) await callAgain();
  else drawCards();
}

async function callAgain() {
  const hooks = new Set([...state.answers.values()].map((answer) => answer.service.hook));
  for (const hook of hooks) await call(hook, ALL);
}

// -- calls ----------------------------------------------------------------------------------------------------

async function call(hook, id, selections = state.drafts) {
  if (!state.chart) {
    announce("Choose a patient first.");
    return;
  }
  const { run } = state;
  const services = state.services.filter((each) => each.hook === hook && (id === ALL || each.id === id));
  await Promise.all(services.map((service) => ask(service, selections, run)));
  if (run !== state.run) return;
  announce(told(services));
}

async function ask(service, selections, run) {
  if (!state.answers.has(service.id)) state.answers.set(service.id, { service, exchange: null, cards: [], problem: null });
  drawCards();
  const context = contextFor(service.hook, selections);
  const request = { hook: service.hook, hookInstance: crypto.randomUUID(), fhirServer: state.settings.fhir, context };
  if (byId("authorize").checked) request.fhirAuthorization = authorization();
  if (byId("prefetch").checked && service.prefetch) request.prefetch = await prefetch(state.fhir, service, context);
  const exchange = await post(`${service.id} · ${service.hook}`, `${state.settings.gateway}/cds-services/${encodeURIComponent(service.id)}`, request);
  if (run !== state.run) return;
  wire.add(exchange);
  state.answers.set(service.id, { service, exchange, outdated: false, ...cardsOf(exchange) });
  drawCards();
}

function contextFor(hook, selections) {
  const patientId = state.chart.patient.id;
  const context = { userId: byId("user").value, patientId };
  const encounter = byId("encounter").value || (hook.startsWith("encounter-") ? state.chart.encounters.found[0]?.id : "");
  if (encounter) context.encounterId = encounter;
  const references = selections.map((each) => `${each.resourceType}/${each.id}`);
  if (hook === "order-select") return { ...context, selections: references, draftOrders: draftsBundle(state.drafts) };
  if (hook === "order-sign") return { ...context, draftOrders: draftsBundle(state.drafts) };
  if (hook === "order-dispatch") return { patientId, dispatchedOrders: references, performer: "Organization/demo" };
  if (hook === "appointment-book") return { ...context, appointments: draftsBundle([]) };
  if (["medication-refill", "medication-prescribe"].includes(hook)) return { ...context, medications: draftsBundle(state.chart.requests.found) };
  if (hook === "problem-list-item-create") return { ...context, conditions: draftsBundle(state.chart.conditions.found) };
  return context;
}

// As an EHR's authorization server would grant it; the token is the FHIR server's, where it demands one.
function authorization() {
  return {
    access_token: state.settings.token || "a-token-that-nobody-checks",
    token_type: "Bearer",
    expires_in: 300,
    scope: "patient/*.read user/*.read",
    subject: "ehr-simulator",
    patient: state.chart.patient.id,
  };
}

function told(services) {
  const cards = services.flatMap((service) => state.answers.get(service.id)?.cards ?? []);
  const problems = services.map((service) => state.answers.get(service.id)?.problem).filter(Boolean);
  const counted = cards.length === 0 ? "No card." : cards.length === 1 ? "1 card." : `${cards.length} cards.`;
  return [counted, ...cards.map((card) => `${card.indicator}: ${card.summary}`), ...problems].join(" ");
}

// -- what the user does with a card -----------------------------------------------------------------------------

async function accept(answer, card, suggestion) {
  const applied = [];
  try {
    for (const action of list(suggestion.actions)) applied.push(await apply(action));
  } catch (error) {
    announce(error.message);
    byId("cards").prepend(problem(`“${suggestion.label}” could not be applied whole: ${error.message}`));
    return;
  }
  const sent = suggestion.uuid ? await report(answer, card, "accepted", { acceptedSuggestions: [{ id: suggestion.uuid }] }) : "It has no uuid, so no feedback is sent.";
  close(card, `Accepted: ${suggestion.label}. ${sent}`);
  if (applied.includes("chart")) {
    state.changed.add(state.chart.patient.id);
    await refresh(state.chart.patient.id, state.run);
  } else drawChart();
}

// One action of a suggestion, on the draft orders or on the chart; says which.
async function apply(action) {
  const { type, resource } = action ?? {};
  const reference = typeof action?.resourceId === "string" ? action.resourceId : `${resource?.resourceType}/${resource?.id}`;
  const index = state.drafts.findIndex((each) => `${each.resourceType}/${each.id}` === reference);
  if (type === "delete") {
    if (index < 0) return state.fhir.remove(reference).then(() => "chart");
    state.drafts = state.drafts.filter((_, at) => at !== index);
    return "drafts";
  }
  if (!resource || !["create", "update"].includes(type)) throw new Error("An action is create, update or delete, with its resource.");
  if (type === "update" && index >= 0) {
    state.drafts = state.drafts.map((each, at) => (at === index ? resource : each));
    return "drafts";
  }
  if (type === "update") return state.fhir.put(resource).then(() => "chart");
  if (isDraft(resource)) {
    state.drafts = [...state.drafts, draft(resource, state.chart.patient.id, byId("user").value)];
    return "drafts";
  }
  return state.fhir.create(resource).then(() => "chart");
}

async function override(answer, card, reason, comment) {
  const why = reason || comment ? { overrideReason: { ...(reason && { reason: { code: reason.code, system: reason.system } }), ...(comment && { userComment: comment }) } } : {};
  const sent = await report(answer, card, "overridden", why);
  close(card, `${reason ? `Overridden: ${reason.display ?? reason.code}` : "Dismissed"}. ${sent}`);
}

async function report(answer, card, outcome, more) {
  if (!card.uuid) return "The card has no uuid, so no feedback is sent.";
  const exchange = await post(`${answer.service.id} · feedback`, `${answer.exchange.url}/feedback`, feedback(card, outcome, more));
  wire.add(exchange);
  return exchange.status >= 200 && exchange.status < 300 ? "Feedback sent." : `The feedback was not taken (${exchange.status || "no answer"}).`;
}

function close(card, sentence) {
  state.handled.set(card, sentence);
  drawCards();
  byId("advice").focus();
  announce(sentence);
}

// -- draft orders -------------------------------------------------------------------------------------------------

function addDraft(resource) {
  const order = draft(resource, state.chart.patient.id, byId("user").value);
  state.drafts = [...state.drafts, order];
  drawChart();
  byId("order").focus();
  announce(`Draft order: ${orderText(order)}`);
  return call("order-select", ALL, [order]);
}

function removeDraft(order) {
  state.drafts = state.drafts.filter((each) => each !== order);
  drawChart();
  byId("order").focus();
}

// Signing calls order-sign and keeps the drafts: the user decides on what the cards say, then signs again.
function sign() {
  return call("order-sign", ALL);
}

start();
