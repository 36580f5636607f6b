// Elements by id, and new ones. All text goes in as text.

export const $ = (id) => document.getElementById(id);

/** A new element with properties (`data` sets data attributes, `aria-…` attributes, the rest properties) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Sets custom properties, which the style sheets turn into places and sizes. */
export function place(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(`--${name}`, String(value));
}

export const show = (element, visible = true) => { element.hidden = !visible; };
