// @ts-check
// Make an element equal to a fresh one while keeping every node that need not change, so that a
// reader's selection and the place they scrolled a table to survive the next word.

const MANY = 100; // children from which on this is worth its while

/**
 * Change a node into another one.
 *
 * @param {Element} old
 * @param {Element} fresh Used up: its children move.
 * @returns {Element} The node that stands there now: `old`, or `fresh` where they differ in kind.
 */
export function patchDom(old, fresh) {
  if (isKept(old, fresh)) return old;
  if (old.nodeName !== fresh.nodeName || !sameAttributes(old, fresh)) {
    old.replaceWith(fresh);
    return fresh;
  }
  const change = () => patchChildren(old, fresh);
  if (old.childNodes.length + fresh.childNodes.length > MANY) withoutDirection(old, change);
  else change();
  return old;
}

/**
 * Change an element whose direction follows its text: a browser looks for it once afterwards, instead
 * of with each child.
 *
 * @template T
 * @param {Element} changed
 * @param {() => T} work
 * @returns {T} What `work` returns.
 */
export function withoutDirection(changed, work) {
  const isAuto = changed.getAttribute("dir") === "auto";
  if (isAuto) changed.removeAttribute("dir");
  const found = work();
  if (isAuto) changed.setAttribute("dir", "auto");
  return found;
}

/**
 * Make the children of an element equal to those of another one.
 *
 * @param {Element} old
 * @param {Element} fresh Used up: its children move.
 * @param {ChildNode | null} from The first child of `old` that is compared; null for none.
 */
export function patchChildren(old, fresh, from = old.firstChild) {
  let had = from;
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
}

// What was coloured or typeset stays so while its text only grows.
/**
 * @param {Element} old
 * @param {Element} fresh
 */
function isKept(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE || !(fresh instanceof Element)) return false;
  if (old.matches(".ct-math") && fresh.matches(".ct-math")) {
    return old.firstElementChild?.textContent === fresh.firstElementChild?.textContent;
  }
  if (
    !old.matches("pre > code") ||
    old.nodeName !== fresh.nodeName ||
    !sameAttributes(old, fresh)
  ) {
    return false;
  }
  const text = fresh.textContent;
  const shown = old.textContent;
  if (!text.startsWith(shown)) return false;
  if (text.length > shown.length) old.append(text.slice(shown.length));
  return true;
}

// New words become a text node of their own: a browser shapes the whole text again, at once, when
// a node grows. `joinTexts` joins them when the block is closed.
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
 * Join neighbouring texts, each run at once: `normalize()` lets a browser shape them anew with every
 * node. It keeps what a reader has marked, so there it is used.
 *
 * @param {Element} root
 */
export function joinTexts(root) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(root, true)) {
    root.normalize();
    return;
  }
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    let joined = "";
    for (let next = node.nextSibling; next && isText(next); next = node.nextSibling) {
      joined += next.data;
      next.remove();
    }
    if (joined) /** @type {Text} */ (node).data += joined;
  }
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
  // Whether details are open is the reader's choice; a tabindex is set where a box scrolls.
  const names = (/** @type {Element} */ node) =>
    node.getAttributeNames().filter((name) => name !== "open" && name !== "tabindex");
  const wanted = names(fresh);
  if (names(old).length !== wanted.length) return false;
  return wanted.every((name) => old.getAttribute(name) === fresh.getAttribute(name));
}
