// What went over the wire: request, response, and where the time went.

import { asCurl } from "./cds.js";
import { announce, byId, h, second } from "./dom.js";

const LONGEST = 200_000; // characters that are coloured and shown; all of it can be copied

export class Wire {
  #exchanges = [];
  #shown = 0;
  #open = false;

  add(exchange) {
    this.#exchanges.unshift(exchange);
    this.#exchanges.length = Math.min(this.#exchanges.length, 20);
    this.#shown = 0;
    this.draw();
  }

  draw() {
    const exchange = this.#exchanges[this.#shown];
    const section = byId("wire");
    section.className = this.#open ? "open" : "";
    if (!exchange) {
      section.replaceChildren(h("p", { class: "line quiet-text" }, "On the wire: no call yet"));
      return;
    }
    const hadFocus = section.contains(document.activeElement) ? document.activeElement.id : null;
    section.replaceChildren(this.#line(exchange), ...(this.#open ? [bodies(exchange)] : []));
    if (hadFocus) byId(hadFocus)?.focus();
  }

  #line(exchange) {
    const select = h(
      "select",
      { id: "wire-exchange", "aria-label": "Which call", onchange: () => { this.#shown = Number(select.value); this.draw(); } },
      this.#exchanges.map((each, index) => h("option", { value: index, selected: index === this.#shown }, `${second(each.at)}  ${each.title}`)),
    );
    const toggle = () => {
      this.#open = !this.#open;
      this.draw();
    };
    return h(
      "div",
      { class: "line" },
      h("button", { id: "wire-toggle", type: "button", "aria-expanded": String(this.#open), onclick: toggle }, "On the wire"),
      select,
      h("span", { class: exchange.status === 200 ? "status good" : "status bad" }, exchange.status === 0 ? "no answer" : String(exchange.status)),
      h("span", { class: "total", title: "Measured in the browser, preflight included" }, `${exchange.milliseconds.toFixed(1)} ms`),
      stagesView(exchange),
      copyButton("curl", () => asCurl(exchange)),
    );
  }
}

function stagesView(exchange) {
  const timed = exchange.stages.filter((stage) => stage.milliseconds !== null);
  if (timed.length === 0) return h("span", { class: "quiet-text stages" }, "no Server-Timing in the answer");
  const parts = timed.filter((stage) => stage.name !== "total");
  const sum = parts.reduce((total, stage) => total + stage.milliseconds, 0) || 1;
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  parts.forEach((stage, index) => {
    const piece = h("span", { class: `piece s${index % 6}`, title: `${stage.name} ${stage.milliseconds.toFixed(2)} ms` });
    piece.style.flexGrow = String(Math.max(stage.milliseconds / sum, 0.015));
    bar.append(piece);
  });
  const legend = timed.map((stage) => h("li", {}, stage.name !== "total" && h("i", { class: `dot s${parts.indexOf(stage) % 6}`, "aria-hidden": "true" }), `${stage.name} ${stage.milliseconds.toFixed(2)}`));
  return h("span", { class: "stages" }, bar, h("ul", { class: "legend", "aria-label": "Stages in the gateway, milliseconds" }, legend));
}

function bodies(exchange) {
  return h("div", { class: "bodies" }, body("Request", `POST ${exchange.url}`, exchange.request), body("Response", exchange.status ? `HTTP ${exchange.status}` : "none", exchange.body));
}

function body(title, address, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return h(
    "section",
    {},
    h("h3", {}, title, h("span", { class: "quiet-text" }, ` ${address} · ${(new Blob([text]).size / 1024).toFixed(1)} kB`), copyButton("JSON", () => text)),
    h("pre", { tabindex: 0, "aria-label": `${title} body` }, coloured(text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… (cut; copy it to see all)` : text)),
  );
}

// Keys and texts told apart by colour; the text itself is never interpreted.
function coloured(text) {
  const fragment = document.createDocumentFragment();
  let at = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) {
    fragment.append(text.slice(at, match.index), h("span", { class: match[1] ? "key" : "string" }, match[0]));
    at = match.index + match[0].length;
  }
  fragment.append(text.slice(at));
  return fragment;
}

function copyButton(what, text) {
  const copy = async () => {
    const done = await navigator.clipboard.writeText(text()).then(() => true, () => false);
    announce(done ? `${what} copied` : `${what} could not be copied`);
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = `Copy ${what}`; }, 1500);
  };
  const button = h("button", { type: "button", class: "quiet small", onclick: copy }, `Copy ${what}`);
  return button;
}
