// @ts-check
// Code and tables that are wider than the page scroll, and then the keyboard must reach them. Those
// that fit are no tab stop: it would do nothing.

import { whenIdle } from "./scheduling.jsx";

const BOXES = ".ct-pre, .ct-table";
const SLICE_MS = 6;

/** @type {WeakSet<Element>} */
const watched = new WeakSet();
/** @type {ResizeObserver | null} */
let observer = null;

/** @param {Element} box */
function measure(box) {
  if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
  else box.removeAttribute("tabindex");
}

/** @param {ResizeObserverEntry[]} entries Boxes, and what is inside them. */
function resized(entries) {
  for (const { target } of entries) {
    const box = target.closest(BOXES);
    if (box?.isConnected) measure(box);
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

/** @type {Set<Element>} */
const unsure = new Set();
let isPlanned = false;

/**
 * Look again at the boxes of an element that has another width now: a browser does not lay out those
 * that are far out of sight, and so tells nothing about them. A few at a time, while the page is idle.
 *
 * @param {Element} root
 */
export function recheckOverflow(root) {
  for (const box of root.querySelectorAll(BOXES)) {
    if (watched.has(box) && !box.checkVisibility({ contentVisibilityAuto: true })) unsure.add(box);
  }
  plan();
}

function plan() {
  if (isPlanned || unsure.size === 0) return;
  isPlanned = true;
  whenIdle(() => {
    isPlanned = false;
    const until = performance.now() + SLICE_MS;
    for (const box of unsure) {
      unsure.delete(box);
      if (box.isConnected) measure(box);
      if (performance.now() >= until) break;
    }
    plan();
  });
}
