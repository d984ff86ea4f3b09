/** DOM helpers. Elements are never built from markup strings, so text of a recording cannot become markup. */

/**
 * Create an element with properties and children.
 *
 * @param {string} name tag name, optionally with classes: "p.fine"
 * @param {object} [properties] DOM properties; `on` holds listeners, `style` CSS properties, `aria` ARIA attributes
 * @param {...(Node|string|null)} children null is skipped
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.classList.add(...classes);
  const { on = {}, style = {}, aria = {}, ...plain } = properties;
  Object.assign(element, plain);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  for (const [property, value] of Object.entries(style)) element.style.setProperty(property, value);
  for (const [attribute, value] of Object.entries(aria)) element.setAttribute(`aria-${attribute}`, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Move the focus within a group of buttons by the arrow keys, Home and End; the Tab key stops at one button. */
export function moveFocus(buttons, event) {
  const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  const current = buttons.indexOf(document.activeElement);
  if (!(event.key in moves) || current < 0) return;
  event.preventDefault();
  const target = buttons[Math.max(0, Math.min(buttons.length - 1, current + moves[event.key]))];
  for (const button of buttons) button.tabIndex = button === target ? 0 : -1;
  target.focus();
}

/** An icon of one path in a 20 by 20 box. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 20 20", width: 16, height: 16, fill: "currentColor" })) {
    svg.setAttribute(name, value);
  }
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

export const PLAY = "M5 3.500v13a.8.8 0 0 0 1.200.700l10.600-6.500a.8.8 0 0 0 0-1.400L6.200 2.800A.8.8 0 0 0 5 3.500z";
export const PAUSE = "M5 3h3.500v14H5zM11.500 3H15v14h-3.500z";
