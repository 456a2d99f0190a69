// One patient's chart: read, shown, and changed on the FHIR server, so that whoever reads there sees the same.

import { day, h, minute, openDialog, svg } from "./dom.js";
import { ageOf, codesOf, conceptText, list, nameOf, prettyUnit, valueText, whenOf } from "./fhir.js";

const SHORT = {
  "98979-8": "eGFR (CKD-EPI 2021)",
  "33914-3": "eGFR (MDRD)",
  "62238-1": "eGFR (CKD-EPI)",
  "9318-7": "Albumin/creatinine, urine",
  "14959-1": "Albumin/creatinine, urine",
  "32294-1": "Albumin/creatinine, urine",
  "2160-0": "Creatinine",
  "4548-4": "HbA1c",
  "59408-5": "Oxygen saturation",
  "85354-9": "Blood pressure",
  "39156-5": "Body mass index",
};
// What the same test is reported in elsewhere: a unit that can be converted, and one that cannot.
const UNITS = {
  "98979-8": ["mL/min/{1.73_m2}", "mL/min", "mL/s"],
  "9318-7": ["mg/g", "mg/mmol", "mg/L"],
  "2160-0": ["mg/dL", "umol/L"],
};
const STATUSES = ["final", "amended", "corrected", "preliminary", "entered-in-error"];
const OLD = 400;

// All parts of a chart, each with what was found or the sentence that says why there is nothing.
export async function loadChart(fhir, id) {
  const of = `patient=${encodeURIComponent(id)}`;
  const part = (path) => fhir.search(path).then((found) => ({ found, problem: null }), (error) => ({ found: [], problem: error.message }));
  const [patient, observations, conditions, requests, statements, allergies, encounters] = await Promise.all([
    fhir.get(`Patient/${encodeURIComponent(id)}`),
    part(`Observation?${of}&_sort=-date&_count=200`),
    part(`Condition?${of}`),
    part(`MedicationRequest?${of}`),
    part(`MedicationStatement?${of}`),
    part(`AllergyIntolerance?${of}`),
    part(`Encounter?${of}`),
  ]);
  return { patient, observations, conditions, requests, statements, allergies, encounters };
}

// `asked`: codes that a service of the gateway reads. `edit`: save(resource), remove(resource), reset().
export function chartView(chart, asked, changed, now, edit) {
  const vital = (each) => list(each.category).some((category) => codesOf(category).includes("vital-signs"));
  const tests = grouped(chart.observations.found);
  const wanted = tests.filter((test) => test.codes.some((code) => asked.has(code))).sort((one, other) => other.values.length - one.values.length);
  const rest = tests.filter((test) => !wanted.includes(test));
  const vitals = rest.filter((test) => vital(test.values[0]));
  const others = rest.filter((test) => !vitals.includes(test));
  return [
    banner(chart.patient, changed, now, edit),
    h(
      "div",
      { class: "lists" },
      problemList("Problems", chart.conditions, (each) => [conceptText(each.code), onset(each)], edit),
      problemList("Medication", joined(chart.requests, chart.statements), medication, edit),
      chart.allergies.found.length > 0 && problemList("Allergies", chart.allergies, (each) => [conceptText(each.code), ""], edit),
    ),
    wanted.length > 0 && labs("Read by decision support", wanted, edit),
    labs("Vital signs", vitals, edit, chart.observations.problem),
    others.length > 0 && h("details", { class: "others", open: wanted.length === 0 }, h("summary", {}, `Other results (${others.length})`), labs("Other results", others, edit)),
  ];
}

function banner(patient, changed, now, edit) {
  const age = ageOf(patient, now);
  const died = patient.deceasedDateTime ?? patient.deceasedBoolean;
  return h(
    "header",
    { class: "who" },
    h("h2", {}, nameOf(patient)),
    h(
      "p",
      {},
      [age === null ? "age unknown" : `${age} years`, patient.gender ?? "sex unknown", patient.birthDate && `born ${patient.birthDate}`, patient.id].filter(Boolean).join(" · "),
      died && h("strong", { class: "died" }, typeof died === "string" ? ` died ${died.slice(0, 10)}` : " deceased"),
    ),
    h(
      "p",
      { class: "row" },
      h("button", { type: "button", class: "quiet", onclick: () => editPatient(patient, edit) }, "Edit person…"),
      changed && h("button", { type: "button", onclick: edit.reset }, "Reset this chart"),
    ),
  );
}

function problemList(title, part, told, edit) {
  return h(
    "section",
    { class: "list" },
    h("h3", {}, title),
    part.problem && h("p", { class: "quiet-text" }, part.problem),
    !part.problem && part.found.length === 0 && h("p", { class: "quiet-text" }, "none"),
    h(
      "ul",
      {},
      part.found.map((resource) => {
        const [text, more] = told(resource);
        return h("li", {}, h("span", {}, text, more && h("span", { class: "quiet-text" }, ` ${more}`)), removal(resource, text, edit));
      }),
    ),
  );
}

function removal(resource, text, edit) {
  return h("button", { type: "button", class: "icon", "aria-label": `Remove ${text}`, title: "Remove from the chart", onclick: () => edit.remove(resource) }, "×");
}

function joined(...parts) {
  return { found: parts.flatMap((part) => part.found), problem: parts.every((part) => part.problem) ? parts[0].problem : null };
}

function onset(condition) {
  const since = condition.onsetDateTime ?? condition.recordedDate;
  const status = codesOf(condition.clinicalStatus).find((code) => code !== "active");
  return [status, typeof since === "string" && `since ${since.slice(0, 10)}`].filter(Boolean).join(", ");
}

function medication(resource) {
  const status = resource.status === "active" ? "" : (resource.status ?? "");
  return [conceptText(resource.medicationCodeableConcept), status];
}

// -- results ------------------------------------------------------------------------------------------------

// Observations of one code are one test, newest first; those without a date come last.
function grouped(observations) {
  const tests = new Map();
  for (const each of observations) {
    const codes = codesOf(each.code);
    const key = codes[0] ?? conceptText(each.code);
    if (!tests.has(key)) tests.set(key, { name: SHORT[codes[0]] ?? shortened(conceptText(each.code)), codes, values: [] });
    tests.get(key).values.push(each);
  }
  return [...tests.values()];
}

function shortened(name) {
  return name.replace(/\s*\[[^\]]*\]/g, "").replace(/ in (Serum|Blood|Arterial)\b.*$/, "").replace(/ panel with all children optional$/, "");
}

function labs(title, tests, edit, problem = null) {
  return h(
    "section",
    { class: "labs" },
    h("h3", {}, title),
    problem && h("p", { class: "quiet-text" }, problem),
    tests.length === 0
      ? !problem && h("p", { class: "quiet-text" }, "none")
      : h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ["Test", "Value", "Measured", "Trend", ""].map((name) => h("th", { scope: "col" }, name || h("span", { class: "hidden" }, "Change"))))),
            tests.map((test) => testRows(test, edit)),
          ),
        ),
  );
}

function testRows(test, edit) {
  const [latest, ...earlier] = test.values;
  const body = h("tbody", {});
  const rows = earlier.map((each) => row(each, "", null, edit, { hidden: true, class: "earlier" }));
  const toggle =
    earlier.length > 0 &&
    h("button", { type: "button", class: "link", "aria-expanded": "false", onclick: () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(open));
      for (const each of rows) each.hidden = !open;
    } }, `${earlier.length} earlier`);
  body.append(row(latest, test.name, h("td", { class: "trend" }, sparkline(test.values), toggle), edit, {}), ...rows);
  return body;
}

function row(observation, name, trend, edit, properties) {
  const when = whenOf(observation);
  const value = valueText(observation);
  const odd = observation.status && !["final", "amended", "corrected"].includes(observation.status);
  const label = SHORT[codesOf(observation.code)[0]] ?? shortened(conceptText(observation.code));
  return h(
    "tr",
    properties,
    name ? h("th", { scope: "row", title: conceptText(observation.code) }, name) : h("td", {}),
    h("td", { class: odd ? "value struck" : "value" }, value, odd && h("span", { class: "tag" }, observation.status)),
    h("td", {}, when ? h("time", { datetime: when.toISOString(), title: minute(when) }, day(when)) : "no date"),
    trend ?? h("td", {}),
    h("td", {}, h("button", { type: "button", class: "quiet small", "aria-label": `Edit ${label}, ${value}${when ? `, ${day(when)}` : ""}`, onclick: () => editObservation(observation, label, edit) }, "Edit")),
  );
}

// The numbers of one unit in time. Decoration: the numbers themselves are in the table.
function sparkline(values) {
  const points = values.flatMap((each) => {
    const when = whenOf(each);
    const value = each.valueQuantity?.value;
    return when && typeof value === "number" && each.status !== "entered-in-error" && each.valueQuantity.unit === values[0].valueQuantity?.unit ? [[when.getTime(), value]] : [];
  });
  if (points.length < 2) return null;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const scale = (value, all, from, to) => (Math.max(...all) === Math.min(...all) ? (from + to) / 2 : from + ((value - Math.min(...all)) / (Math.max(...all) - Math.min(...all))) * (to - from));
  const at = points.map(([x, y]) => [scale(x, xs, 3, 61).toFixed(1), scale(y, ys, 17, 3).toFixed(1)]);
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 64 20", "aria-hidden": "true" },
    svg("polyline", { points: at.map((point) => point.join(",")).join(" ") }),
    svg("circle", { cx: at[0][0], cy: at[0][1], r: 2.2 }),
  );
}

// -- changing -----------------------------------------------------------------------------------------------

function editObservation(observation, label, edit) {
  const code = codesOf(observation.code)[0];
  const components = list(observation.component).filter((each) => each?.valueQuantity);
  const units = [...new Set([observation.valueQuantity?.unit, ...(UNITS[code] ?? [])].filter(Boolean))];
  const when = whenOf(observation);
  openDialog(`Change ${label}`, (close) => {
    const field = (name, text, input) => h("label", { class: "stacked", for: `edit-${name}` }, text, input);
    const value = h("input", { id: "edit-value", autocomplete: "off", value: observation.valueQuantity?.value ?? observation.valueString ?? "" });
    const unit = h("input", { id: "edit-unit", autocomplete: "off", list: "edit-units", value: observation.valueQuantity?.unit ?? "" });
    const comparator = h("select", { id: "edit-comparator" }, ["", "<", "<=", ">=", ">"].map((each) => h("option", { value: each, selected: each === (observation.valueQuantity?.comparator ?? "") }, each || "exactly")));
    const parts = components.map((each, index) => field(`part-${index}`, conceptText(each.code), h("input", { id: `edit-part-${index}`, inputmode: "decimal", value: each.valueQuantity.value ?? "" })));
    const measured = h("input", { id: "edit-measured", type: "datetime-local", value: when ? local(when) : "" });
    const status = h("select", { id: "edit-status" }, STATUSES.map((each) => h("option", { value: each, selected: each === observation.status }, each)));
    const makeOld = () => {
      measured.value = local(new Date(Date.now() - OLD * 86_400_000));
    };
    const submit = (event) => {
      event.preventDefault();
      const changed = structuredClone(observation);
      delete changed.text; // the narrative states the old value
      changed.status = status.value;
      setMeasured(changed, when, measured.value);
      if (components.length > 0) list(changed.component).filter((each) => each?.valueQuantity).forEach((each, index) => setNumber(each.valueQuantity, parts[index].querySelector("input").value));
      else setValue(changed, value.value.trim(), unit.value.trim(), comparator.value);
      close();
      edit.save(changed);
    };
    return h(
      "form",
      { onsubmit: submit },
      h(
        "div",
        { class: "fields" },
        components.length > 0 ? parts : [field("value", "Value", value), field("unit", "Unit", unit), field("comparator", "Reported as", comparator), h("datalist", { id: "edit-units" }, units.map((each) => h("option", { value: each }, prettyUnit(each))))],
        field("measured", "Measured", measured),
        field("status", "Status", status),
      ),
      h("p", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: makeOld }, `${OLD} days old`), h("button", { type: "button", class: "quiet danger", onclick: () => { close(); edit.remove(observation); } }, "Remove from the chart")),
      h("p", { class: "row" }, h("button", { type: "submit", class: "main" }, "Save"), h("button", { type: "button", onclick: close }, "Cancel")),
    );
  });
}

function local(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function setMeasured(observation, before, text) {
  if (before && text === local(before)) return;
  for (const name of ["effectivePeriod", "effectiveInstant", "effectiveDateTime"]) delete observation[name];
  if (text) observation.effectiveDateTime = new Date(text).toISOString();
}

// A number with its unit; anything else is kept as the text that it is, as some laboratories send it.
function setValue(observation, text, unit, comparator) {
  const number = Number(text);
  const old = observation.valueQuantity ?? {};
  for (const name of Object.keys(observation)) if (name.startsWith("value")) delete observation[name];
  if (text === "") return;
  if (!Number.isFinite(number)) {
    observation.valueString = text;
    return;
  }
  const { system, code } = old;
  const coded = unit === old.unit ? { system, code } : { system: "http://unitsofmeasure.org", code: unit };
  observation.valueQuantity = { value: number, ...(comparator && { comparator }), ...(unit && { unit, ...(coded.code && coded) }) };
}

function setNumber(quantity, text) {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) delete quantity.value;
  else quantity.value = number;
}

function editPatient(patient, edit) {
  openDialog("Change the person", (close) => {
    const born = h("input", { id: "edit-born", type: "date", value: patient.birthDate ?? "" });
    const sex = h("select", { id: "edit-sex" }, ["female", "male", "other", "unknown"].map((each) => h("option", { value: each, selected: each === patient.gender }, each)));
    const died = h("input", { id: "edit-died", type: "checkbox", checked: Boolean(patient.deceasedDateTime ?? patient.deceasedBoolean) });
    const submit = (event) => {
      event.preventDefault();
      const { text, deceasedDateTime, deceasedBoolean, birthDate, ...rest } = patient;
      const death = died.checked ? (deceasedDateTime ? { deceasedDateTime } : { deceasedBoolean: true }) : {};
      close();
      edit.save({ ...rest, gender: sex.value, ...(born.value && { birthDate: born.value }), ...death });
    };
    return h(
      "form",
      { onsubmit: submit },
      h("div", { class: "fields" }, h("label", { class: "stacked" }, "Born", born), h("label", { class: "stacked" }, "Sex", sex), h("label", { class: "check" }, died, "Deceased")),
      h("p", { class: "row" }, h("button", { type: "submit", class: "main" }, "Save"), h("button", { type: "button", onclick: close }, "Cancel")),
    );
  });
}
