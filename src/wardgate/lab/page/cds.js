// CDS Hooks as a client: discovery, prefetch, calls, feedback. Everything that goes over the wire is kept to be looked at.

import { list, outcomeText } from "./fhir.js";

const USER_TOKENS = {
  Practitioner: "userPractitionerId",
  PractitionerRole: "userPractitionerRoleId",
  Patient: "userPatientId",
  RelatedPerson: "userRelatedPersonId",
};
const DAY = 86_400_000;

// The services on offer; throws an Error whose message is a sentence for the user.
export async function discover(gateway) {
  let reply;
  try {
    reply = await fetch(`${gateway}/cds-services`, { headers: { accept: "application/json" } });
  } catch {
    throw new Error("The gateway cannot be reached, or does not allow this page to read its answers.");
  }
  const body = await reply.json().catch(() => null);
  if (!reply.ok || !Array.isArray(body?.services)) throw new Error("What answers there is no CDS Hooks service.");
  return body.services.filter((each) => typeof each?.id === "string" && typeof each?.hook === "string");
}

// A prefetch template with its tokens filled in; null where one has no value.
export function resolve(template, context) {
  const values = new Map(Object.entries(context).filter(([, value]) => typeof value === "string").map(([name, value]) => [`context.${name}`, value]));
  const [kind, id] = String(context.userId ?? "").split("/");
  if (USER_TOKENS[kind] && id) values.set(USER_TOKENS[kind], id);
  let whole = true;
  const text = template.replace(/\{\{\s*([^{}]+?)\s*\}\}/g, (_, token) => {
    const value = values.get(token) ?? today(token);
    if (value === null) whole = false;
    return encodeURIComponent(value ?? "");
  });
  return whole ? text : null;
}

function today(token) {
  const match = /^today\(\)(?:\s*([+-])\s*(\d{1,5})\s*days?)?$/.exec(token);
  if (!match) return null;
  const days = Number(match[2] ?? 0) * (match[1] === "-" ? -1 : 1);
  return new Date(Date.now() + days * DAY).toISOString().slice(0, 10);
}

// What a service asked for: each key that could be had. A read that fails leaves its key out.
export async function prefetch(fhir, service, context) {
  const pairs = Object.entries(service.prefetch ?? {}).map(async ([key, template]) => {
    const path = resolve(String(template), context);
    const value = path === null ? undefined : await fhir.get(path).catch(() => undefined);
    return [key, value];
  });
  return Object.fromEntries((await Promise.all(pairs)).filter(([, value]) => value !== undefined));
}

// One POST and what came of it. `stages` are those of Server-Timing; status 0: no answer at all.
export async function post(title, url, request) {
  const exchange = { title, url, request, status: 0, body: null, milliseconds: 0, stages: [], at: new Date() };
  const started = performance.now();
  try {
    const reply = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) });
    const text = await reply.text();
    exchange.status = reply.status;
    exchange.stages = serverTiming(reply.headers.get("server-timing"));
    exchange.body = parsed(text);
  } catch {
    exchange.body = null;
  }
  exchange.milliseconds = performance.now() - started;
  return exchange;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// `name;dur=1.5;desc="words", …` (W3C Server Timing) → [{name, milliseconds, description}]
export function serverTiming(header) {
  const metrics = (header ?? "").match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return metrics.flatMap((metric) => {
    const [name, ...parameters] = metric.match(/(?:[^";]|"(?:[^"\\]|\\.)*")+/g).map((part) => part.trim());
    const values = Object.fromEntries(parameters.map((each) => [each.split("=")[0].trim().toLowerCase(), unquoted(each.slice(each.indexOf("=") + 1))]));
    const milliseconds = Number.parseFloat(values.dur);
    return name ? [{ name, milliseconds: Number.isFinite(milliseconds) ? milliseconds : null, description: values.desc ?? "" }] : [];
  });
}

function unquoted(text) {
  const value = text.trim();
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}

// The cards of an answer, or the sentence that says why there are none to show.
export function cardsOf(exchange) {
  if (exchange.status === 0) return { cards: [], problem: "The gateway did not answer." };
  if (exchange.status !== 200) {
    const said = outcomeText(exchange.body);
    return { cards: [], problem: `The gateway answered ${exchange.status}. ${said}`.trim() };
  }
  if (!Array.isArray(exchange.body?.cards)) return { cards: [], problem: "The answer is not a CDS Hooks response." };
  return { cards: exchange.body.cards.filter((card) => card && typeof card === "object"), problem: null };
}

export function feedback(card, outcome, more) {
  return { feedback: [{ card: card.uuid, outcome, ...more, outcomeTimestamp: new Date().toISOString() }] };
}

// -- what a card says of itself -------------------------------------------------------------------------------

// CDS Hooks has no field for these; the gateway writes them into the card's text, and that is all an EHR has.
const VALID_UNTIL = /valid until (\d{4}-\d\d-\d\d) (\d\d:\d\d) (?:UTC|GMT)\b/;

export function validUntil(card) {
  const match = VALID_UNTIL.exec(card.detail ?? "");
  return match ? new Date(`${match[1]}T${match[2]}:00Z`) : null;
}

// "result", "deferred" (not calculated, and the card says why) or "unavailable" (wanted, and could not be had).
export function nature(card) {
  const detail = card.detail ?? "";
  if (VALID_UNTIL.test(detail) || !/^\*\*Why no score:\*\*|^- Asked \d/m.test(detail)) return "result";
  return /\bnot available\b/i.test(card.summary ?? "") ? "unavailable" : "deferred";
}

export function codesAskedFor(services) {
  const templates = services.flatMap((service) => Object.values(service.prefetch ?? {}).map(String));
  return new Set(templates.flatMap((text) => list(text.match(/\d{1,6}-\d(?=\D|$)/g))));
}

// A command that a shell understands, whatever the request holds.
export function asCurl(exchange) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  return `curl -sS -X POST ${quoted(exchange.url)} -H 'content-type: application/json' --data-raw ${quoted(JSON.stringify(exchange.request))}`;
}
