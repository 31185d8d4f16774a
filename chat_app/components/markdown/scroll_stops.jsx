// @ts-check
// Code and tables that are wider than the page scroll, and then the keyboard must reach them. Those
// that fit are no tab stop: it would do nothing.

const BOXES = ".ct-pre, .ct-table";

/** @type {WeakSet<Element>} */
const watched = new WeakSet();
/** @type {ResizeObserver | null} */
let observer = null;

/** @param {ResizeObserverEntry[]} entries Boxes, and what is inside them. */
function resized(entries) {
  for (const { target } of entries) {
    const box = /** @type {HTMLElement | null} */ (target.closest(BOXES));
    if (!box?.isConnected) continue;
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

/**
 * Make the boxes in a block a tab stop while they scroll, from now on.
 *
 * @param {Element | null} block
 */
export function watchOverflow(block) {
  if (!block) return;
  const boxes = block.matches(BOXES) ? [block] : block.querySelectorAll(BOXES);
  for (const box of boxes) {
    if (watched.has(box)) continue;
    watched.add(box);
    observer ??= new ResizeObserver(resized);
    observer.observe(box);
    if (box.firstElementChild) observer.observe(box.firstElementChild);
  }
}
