// The FHIR server, as an EHR's own database.

const MAX_PAGES = 10;

export class FhirError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export class Fhir {
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  // The resource or Bundle at a path below the base. Throws FhirError; status 0: not reached.
  async get(path) {
    return this.#send("GET", path);
  }

  // Every match of a search, page after page; links that lead elsewhere are not followed.
  async search(path) {
    const found = [];
    let next = path;
    for (let page = 0; next !== null && page < MAX_PAGES; page += 1) {
      const bundle = await this.get(next);
      found.push(...resourcesOf(bundle));
      const link = list(bundle.link).find((each) => each?.relation === "next")?.url;
      next = typeof link === "string" && link.startsWith(`${this.base}/`) ? link.slice(this.base.length + 1) : null;
    }
    return found;
  }

  async put(resource) {
    return this.#send("PUT", `${resource.resourceType}/${encodeURIComponent(resource.id)}`, resource);
  }

  async create(resource) {
    return this.#send("POST", resource.resourceType, resource);
  }

  async remove(reference) {
    return this.#send("DELETE", reference);
  }

  async reset(patientId) {
    return this.#send("POST", `Patient/${encodeURIComponent(patientId)}/$reset`, {});
  }

  async #send(method, path, resource) {
    const headers = { accept: "application/fhir+json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (resource) headers["content-type"] = "application/fhir+json";
    let reply;
    try {
      reply = await fetch(`${this.base}/${path}`, { method, headers, body: resource && JSON.stringify(resource) });
    } catch {
      throw new FhirError(0, "The FHIR server cannot be reached.");
    }
    const body = await reply.json().catch(() => null);
    if (!reply.ok) throw new FhirError(reply.status, outcomeText(body) || `The FHIR server answers ${reply.status}.`);
    return body ?? {};
  }
}

export function list(value) {
  return Array.isArray(value) ? value : [];
}

export function resourcesOf(bundle) {
  const resources = list(bundle?.entry).map((entry) => entry?.resource);
  return resources.filter((each) => each && typeof each === "object" && each.resourceType !== "OperationOutcome");
}

export function outcomeText(body) {
  const issues = list(body?.issue).map((issue) => issue?.diagnostics ?? issue?.details?.text);
  return issues.filter((text) => typeof text === "string").join(" ");
}

// -- reading ------------------------------------------------------------------------------------------------

export function nameOf(patient) {
  const name = list(patient.name)[0] ?? {};
  const words = [...list(name.given), name.family].filter((word) => typeof word === "string");
  return words.join(" ") || (typeof name.text === "string" ? name.text : "") || patient.id;
}

export function ageOf(patient, now) {
  const [year, month = 1, date = 1] = String(patient.birthDate ?? "").split("-").map(Number);
  if (!year) return null;
  const passed = now.getMonth() + 1 > month || (now.getMonth() + 1 === month && now.getDate() >= date);
  return now.getFullYear() - year - (passed ? 0 : 1);
}

export function conceptText(concept) {
  const codings = list(concept?.coding);
  return concept?.text || codings.map((each) => each?.display).find(Boolean) || codings[0]?.code || "without a name";
}

export function codesOf(concept) {
  return list(concept?.coding).map((each) => each?.code).filter(Boolean);
}

// The moment that an observation speaks of, and null where it says none that can be read.
export function whenOf(observation) {
  const text = observation.effectiveDateTime ?? observation.effectiveInstant ?? observation.effectivePeriod?.start;
  const moment = new Date(text ?? NaN);
  return Number.isNaN(moment.getTime()) ? null : moment;
}

export function quantityText(quantity) {
  if (typeof quantity?.value !== "number" && typeof quantity?.value !== "string") return null;
  return [quantity.comparator, quantity.value, prettyUnit(quantity.unit ?? quantity.code)].filter((each) => each !== undefined && each !== "").join(" ");
}

export function prettyUnit(unit) {
  return String(unit ?? "").replace("{1.73_m2}", "1.73 m²").replace("10*3", "10³").replace("10*6", "10⁶").replace(/^Cel$/, "°C");
}

export function valueText(observation) {
  if (observation.valueQuantity) return quantityText(observation.valueQuantity) ?? "no value";
  if (observation.valueCodeableConcept) return conceptText(observation.valueCodeableConcept);
  for (const name of ["valueString", "valueInteger", "valueBoolean", "valueDateTime"]) {
    if (observation[name] !== undefined) return String(observation[name]);
  }
  const parts = list(observation.component).map((each) => each?.valueQuantity);
  if (parts.length === 0) return "no value";
  const unit = prettyUnit(parts[0]?.unit ?? parts[0]?.code);
  return `${parts.map((each) => each?.value ?? "?").join(" / ")} ${unit}`;
}
