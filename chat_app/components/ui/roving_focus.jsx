// @ts-check
// Lists whose arrow keys go from item to item.

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

/**
 * The index that a key leads to; undefined for a key that leads nowhere.
 *
 * @param {string} key
 * @param {number} index
 * @param {number} count How many items there are.
 * @param {Record<string, number>} more Steps of further keys.
 */
export function nextIndex(key, index, count, more = {}) {
  const step = STEPS[key] ?? more[key];
  return step === undefined ? undefined : Math.min(Math.max(index + step, 0), count - 1);
}

/**
 * Move the focus to the item that a key leads to.
 *
 * @param {import("react").KeyboardEvent} event
 * @param {Iterable<HTMLElement>} items
 * @param {{from?: Element | null, more?: Record<string, number>}} options `from`: the item to go
 *   from, if that is not the focused one. `more`: the steps of further keys.
 */
export function moveFocus(event, items, { from = document.activeElement, more } = {}) {
  const all = [...items];
  const index = all.indexOf(/** @type {HTMLElement} */ (from));
  const next = nextIndex(event.key, index, all.length, more);
  if (next === undefined) return;
  event.preventDefault();
  all[next]?.focus();
}
