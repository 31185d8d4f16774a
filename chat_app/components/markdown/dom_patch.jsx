// @ts-check
// Make an element equal to a fresh one while keeping every node that need not change, so that a
// reader's selection and the place they scrolled a table to survive the next word.

/**
 * Change a node into another one.
 *
 * @param {Element} old
 * @param {Element} fresh Used up: its children move.
 * @returns {Element} The node that stands there now: `old`, or `fresh` where they differ in kind.
 */
export function patchDom(old, fresh) {
  if (old.nodeName !== fresh.nodeName || !sameAttributes(old, fresh)) {
    old.replaceWith(fresh);
    return fresh;
  }
  let had = old.firstChild;
  let wanted = fresh.firstChild;
  while (wanted) {
    const nextWanted = wanted.nextSibling;
    if (!had) old.append(wanted);
    else if (isText(had) && isText(wanted)) had = patchText(had, wanted.data);
    else {
      const nextHad = had.nextSibling;
      patchDom(/** @type {Element} */ (had), /** @type {Element} */ (wanted));
      had = nextHad;
    }
    wanted = nextWanted;
  }
  while (had) {
    const next = had.nextSibling;
    had.remove();
    had = next;
  }
  return old;
}

// New words become a text node of their own: a browser shapes the whole text again, at once, when
// a node grows. `normalize()` joins them when the block is closed.
/**
 * @param {Text} first
 * @param {string} text
 * @returns {ChildNode | null} The node after the text.
 */
function patchText(first, text) {
  let last = first;
  let shown = first.data;
  while (last.nextSibling && isText(last.nextSibling)) {
    last = last.nextSibling;
    shown += last.data;
  }
  const next = last.nextSibling;
  if (text.startsWith(shown)) {
    if (text.length > shown.length) last.after(text.slice(shown.length));
    return next;
  }
  while (first.nextSibling !== next) first.nextSibling?.remove();
  first.data = text;
  return next;
}

/**
 * @param {Node} node
 * @returns {node is Text}
 */
function isText(node) {
  return node.nodeType === Node.TEXT_NODE;
}

// Only what scrolls has a tabindex, and a fresh element has never been on the page.
/**
 * @param {Element} old
 * @param {Element} fresh
 */
function sameAttributes(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) return true;
  const ours = old.hasAttribute("tabindex") ? 1 : 0;
  if (old.attributes.length - ours !== fresh.attributes.length) return false;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) return false;
  }
  return true;
}
