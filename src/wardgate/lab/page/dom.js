// Elements are built from values, never from markup: text from a chart or a card can only ever be text.

const SVG = "http://www.w3.org/2000/svg";

// `properties`: attributes by name; `on…` adds a listener; false, null and undefined leave it out.
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// A list of choices: [value, text] pairs. The value that was chosen stays chosen where it is still there.
export function choices(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

export function announce(text) {
  byId("announcer").textContent = text;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function day(date) {
  return DAY.format(date);
}

export function minute(date) {
  return `${DAY.format(date)}, ${MINUTE.format(date)}`;
}

export function second(date) {
  return SECOND.format(date);
}

// A dialog that Escape closes; focus goes back to where it was. `build(close)` gives its content.
export function openDialog(title, build) {
  const dialog = byId("dialog");
  const before = document.activeElement;
  const close = () => dialog.close();
  dialog.replaceChildren(h("h2", { id: "dialog-title" }, title), ...[build(close)].flat());
  dialog.onclose = () => {
    if (dialog.open) return; // the event comes late: by now it may be open again
    dialog.replaceChildren();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };
  dialog.showModal();
}
