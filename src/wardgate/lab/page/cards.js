// Cards, as an EHR shows them. What a card holds comes from outside: it is text, or Markdown that was made safe.

import { nature, validUntil } from "./cds.js";
import { h, minute, openDialog, svg } from "./dom.js";
import { list } from "./fhir.js";
import { marked } from "./vendor/marked.js";
import purify from "./vendor/purify.js";

const LABELS = { info: "Information", warning: "Warning", critical: "Critical" };
const RANK = { critical: 0, warning: 1, info: 2 };
const TAGS = ["a", "b", "blockquote", "br", "code", "del", "em", "hr", "i", "li", "ol", "p", "pre", "s", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"];

marked.use({
  gfm: true,
  renderer: {
    heading({ tokens }) {
      return `<p><strong>${this.parser.parseInline(tokens)}</strong></p>`; // the page's own headings stay in order
    },
    html({ text }) {
      return /^<br\s*\/?>$/i.test(text.trim()) ? "<br>" : ""; // Markdown says all that a card needs; markup is not let in
    },
    image({ text }) {
      return text; // a picture would be fetched from another host
    },
  },
});

export function bySeverity(one, other) {
  return (RANK[one.indicator] ?? 3) - (RANK[other.indicator] ?? 3);
}

// `actions`: accept(card, suggestion), override(card, reason, comment), each a promise of a sentence on what came of
// it; launch(link). `answered`: that sentence, where the card was dealt with. `now`: the EHR's clock.
export function cardView(card, answered, now, actions) {
  const kind = LABELS[card.indicator] ? card.indicator : "info";
  const until = validUntil(card);
  const expired = until !== null && until <= now;
  const said = nature(card);
  const classes = ["card", kind, said, expired && "expired", answered && "answered"].filter(Boolean).join(" ");
  const label = { deferred: "Not calculated", unavailable: "Not available" }[said] ?? LABELS[kind];
  const summary = h("h3", {}, String(card.summary ?? "A card without a summary"));
  const head = h("p", { class: "kind" }, sign(said === "result" ? kind : said), h("span", {}, label), until && h("span", { class: "until" }, expired ? `expired ${minute(until)}` : `valid until ${minute(until)}`));
  if (answered) return h("article", { class: classes }, head, summary, h("p", { class: "told" }, answered));
  return h(
    "article",
    { class: classes },
    head,
    summary,
    expired && h("p", { class: "over" }, "This card has outlived its data. Call again before you act on it."),
    suggestions(card, expired, actions),
    answers(card, actions),
    typeof card.detail === "string" && h("div", { class: "detail" }, markdown(card.detail)),
    links(card, actions),
    source(card.source),
  );
}

function sign(kind) {
  const shapes = {
    info: [svg("circle", { cx: 10, cy: 10, r: 8.5 }), svg("path", { d: "M10 9v5M10 6v.5" })],
    warning: [svg("path", { d: "M10 2 18.5 17.5h-17Z" }), svg("path", { d: "M10 8v4.5M10 15v.3" })],
    critical: [svg("path", { d: "M6.5 1.5h7l5 5v7l-5 5h-7l-5-5v-7Z" }), svg("path", { d: "M10 5.5v6M10 14v.5" })],
    deferred: [svg("circle", { cx: 10, cy: 10, r: 8.5, "stroke-dasharray": "3 2.4" }), svg("path", { d: "M6 10h8" })],
    unavailable: [svg("circle", { cx: 10, cy: 10, r: 8.5 }), svg("path", { d: "M4.2 4.2 15.8 15.8" })],
  };
  return svg("svg", { class: "sign", viewBox: "0 0 20 20", "aria-hidden": "true" }, shapes[kind]);
}

function markdown(text) {
  const fragment = purify.sanitize(marked.parse(text), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "title", "align", "start"],
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) outward(link);
  for (const table of fragment.querySelectorAll("table")) {
    const frame = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" });
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

function outward(link) {
  link.target = "_blank";
  link.rel = "noopener noreferrer";
}

function webAddress(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function source(given) {
  const label = String(given?.label ?? "unknown source");
  const url = webAddress(given?.url);
  const named = url ? h("a", { href: url.href }, label) : label;
  if (url) outward(named);
  // Its icon lies on another host, and this page asks no other host for anything: it is named instead.
  const icon = webAddress(given?.icon);
  return h("p", { class: "source" }, "Source: ", named, icon && h("span", { class: "quiet-text" }, ` (icon at ${icon.host})`));
}

function links(card, actions) {
  const shown = list(card.links).map((link) => {
    const url = webAddress(link?.url);
    if (!url) return null;
    if (link.type === "smart") return h("button", { type: "button", onclick: () => actions.launch(link) }, `${link.label} (app)`);
    const element = h("a", { href: url.href, class: "button" }, String(link.label), h("span", { class: "hidden" }, " (opens in a new window)"));
    outward(element);
    return element;
  });
  return shown.some(Boolean) && h("p", { class: "row" }, shown);
}

function suggestions(card, expired, actions) {
  const offered = list(card.suggestions);
  if (offered.length === 0) return null;
  return h(
    "ul",
    { class: "suggestions", "aria-label": "Suggestions" },
    offered.map((suggestion) =>
      h(
        "li",
        {},
        h("button", { type: "button", class: suggestion?.isRecommended === true || offered.length === 1 ? "main" : "", disabled: expired, onclick: () => actions.accept(card, suggestion) }, String(suggestion?.label ?? "Accept")),
        suggestion?.isRecommended === true && h("span", { class: "tag" }, "recommended"),
        h("span", { class: "quiet-text" }, list(suggestion?.actions).map((action) => action?.description).filter(Boolean).join("; ")),
      ),
    ),
  );
}

// Overriding is a decision about the card as a whole: with a reason, or without one.
function answers(card, actions) {
  const reasons = list(card.overrideReasons);
  return h(
    "p",
    { class: "row answers" },
    reasons.length > 0 && h("button", { type: "button", class: "quiet", onclick: () => askForReason(card, reasons, actions) }, "Override…"),
    h("button", { type: "button", class: "quiet", onclick: () => actions.override(card, null, "") }, "Dismiss"),
  );
}

function askForReason(card, reasons, actions) {
  openDialog("Why do you override this card?", (close) => {
    const comment = h("textarea", { id: "override-comment", rows: 2, maxlength: 500 });
    const options = reasons.map((reason, index) =>
      h("label", { class: "option" }, h("input", { type: "radio", name: "reason", value: index, required: true }), String(reason?.display ?? reason?.code ?? "")),
    );
    const submit = (event) => {
      event.preventDefault();
      const chosen = reasons[Number(new FormData(event.target).get("reason"))];
      close();
      actions.override(card, chosen, comment.value.trim());
    };
    return h(
      "form",
      { onsubmit: submit },
      h("p", {}, String(card.summary ?? "")),
      h("fieldset", {}, h("legend", {}, "Reason"), options),
      h("label", { class: "stacked" }, "Comment (optional)", comment),
      h("p", { class: "row" }, h("button", { type: "submit", class: "main" }, "Override"), h("button", { type: "button", onclick: close }, "Cancel")),
    );
  });
}

export function showLaunch(link, fhir) {
  openDialog("This link would launch an app", (close) => [
    h(
      "dl",
      { class: "facts" },
      [
        ["App", link.label],
        ["Launch URL", link.url],
        ["iss", fhir],
        ["appContext", link.appContext ?? "none"],
      ].map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, String(value)))]),
    ),
    h("p", {}, "A real EHR opens it with a launch token of its own (SMART App Launch). This one has no authorization server, so it stops here."),
    h("p", { class: "row" }, h("button", { type: "button", class: "main", onclick: close }, "Close")),
  ]);
}
