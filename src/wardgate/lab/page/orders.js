// Draft orders: in the EHR alone until they are signed. order-select is called when one is added, order-sign on signing.

import { h } from "./dom.js";
import { conceptText } from "./fhir.js";

const RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm";
const LOINC = "http://loinc.org";

const medication = (code, display) => ({
  resourceType: "MedicationRequest",
  medicationCodeableConcept: { coding: [{ system: RXNORM, code, display }], text: display },
});
const laboratory = (code, display) => ({ resourceType: "ServiceRequest", code: { coding: [{ system: LOINC, code, display }], text: display } });

const CATALOGUE = [
  laboratory("9318-7", "Albumin/creatinine, urine"),
  laboratory("98979-8", "eGFR"),
  laboratory("2524-7", "Lactate"),
  { resourceType: "ServiceRequest", code: { text: "Referral to nephrology" } },
  medication("310965", "ibuprofen 200 MG Oral Tablet"),
  medication("979492", "losartan potassium 50 MG Oral Tablet"),
  medication("197361", "amlodipine 5 MG Oral Tablet"),
];

export function orderText(order) {
  return conceptText(order.medicationCodeableConcept ?? order.code);
}

export function isDraft(resource) {
  return ["MedicationRequest", "ServiceRequest"].includes(resource?.resourceType) && resource.status === "draft";
}

export function draftsBundle(drafts) {
  return { resourceType: "Bundle", type: "collection", entry: drafts.map((resource) => ({ resource })) };
}

let number = 0;

export function draft(resource, patientId, userId) {
  number += 1;
  return {
    ...resource,
    id: resource.id ?? `draft-${number}`,
    status: "draft",
    intent: resource.intent ?? "order",
    subject: { reference: `Patient/${patientId}` },
    requester: resource.requester ?? { reference: userId },
    authoredOn: resource.authoredOn ?? new Date().toISOString(),
  };
}

// `actions`: add(resource), remove(order), sign().
export function ordersView(drafts, hooks, actions) {
  const select = h("select", { id: "order" }, CATALOGUE.map((each, index) => h("option", { value: index }, orderText(each))));
  const add = (event) => {
    event.preventDefault();
    actions.add(CATALOGUE[Number(select.value)]);
  };
  const listening = ["order-select", "order-sign"].filter((hook) => hooks.has(hook));
  return h(
    "section",
    { class: "orders" },
    h("h3", {}, "Draft orders"),
    h("form", { class: "row", onsubmit: add }, h("label", {}, "Order ", select), h("button", { type: "submit" }, "Add")),
    h(
      "ul",
      {},
      drafts.map((order) =>
        h(
          "li",
          {},
          h("span", {}, orderText(order), h("span", { class: "quiet-text" }, ` ${order.resourceType}`)),
          h("button", { type: "button", class: "icon", "aria-label": `Remove the order for ${orderText(order)}`, onclick: () => actions.remove(order) }, "×"),
        ),
      ),
    ),
    drafts.length > 0 && h("p", { class: "row" }, h("button", { type: "button", class: "main", onclick: actions.sign }, "Sign")),
    h("p", { class: "quiet-text" }, listening.length > 0 ? `Calls ${listening.join(" and ")}.` : "No service of this gateway listens to order-select or order-sign; the drafts are kept here only."),
  );
}
