// @ts-check
// The keyboard's place on a page whose lists change: when what has the focus is removed, or can't be
// used any more, the focus goes on to what stands there then. And the page of another route takes the
// place of this one as a whole: what both have keeps the focus. Without it the keyboard and a screen
// reader begin anew at the top of the page.

import { useEffect, useLayoutEffect, useRef } from "react";

const CONTROLS = "summary, button, a[href], input, select, textarea";
const TYPED_IN = "textarea, select, input:not([type=checkbox], [type=radio])";

/** @typedef {{element: Element, parent: Element, before: Element[]}} Step */

/**
 * An element and what it stands in, each with the siblings before it, the nearest first.
 *
 * @param {Element} element
 * @param {Element} root The last one that it stands in.
 * @returns {Step[]}
 */
const pathOf = (element, root) => {
  const path = [];
  for (let at = element; at !== root && at.parentElement; at = at.parentElement) {
    const siblings = [...at.parentElement.children];
    const before = siblings.slice(0, siblings.indexOf(at)).reverse();
    path.push({ element: at, parent: at.parentElement, before });
  }
  return path;
};

/** @param {Element} element */
const isUsable = (element) =>
  element instanceof HTMLElement &&
  element.matches(`:is(${CONTROLS}):enabled, summary, a[href]`) &&
  element.checkVisibility();

/**
 * The control that an element is, or the first one in it.
 *
 * @param {Element | null} element
 * @returns {HTMLElement | undefined}
 */
const controlOf = (element) => {
  if (!element) return undefined;
  const found = [element, ...element.querySelectorAll(CONTROLS)].find(isUsable);
  return /** @type {HTMLElement | undefined} */ (found);
};

/**
 * What stands where an element was: what took its place, else what is before it, else around it,
 * but in the same section.
 *
 * @param {Step[]} path
 */
const nearest = (path) => {
  for (const { element, parent, before } of path) {
    if (element.isConnected && element.matches("section")) break;
    if (!parent.isConnected) continue;
    const left = before.filter((sibling) => sibling.parentElement === parent);
    const there = left.length ? left[0].nextElementSibling : parent.firstElementChild;
    const found = [element.isConnected ? element : there, ...left].map(controlOf).find(Boolean);
    if (found) return found;
  }
  return undefined;
};

/**
 * Focus the heading of the section in which an element was.
 *
 * @param {Step[]} path
 */
const focusHeading = (path) => {
  const left = path.find(({ parent }) => parent.isConnected);
  const heading = left?.parent.closest("section")?.querySelector("h2");
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus();
};

/** @type {{tag: string, label: string, index: number} | null} */
let left = null; // what had the focus on the page that is being replaced

/** @param {Element} element */
const labelOf = (element) => element.getAttribute("aria-label") ?? element.textContent ?? "";

/**
 * The elements of a kind that are called the same.
 *
 * @param {string} tag
 * @param {string} label
 * @returns {HTMLElement[]}
 */
const called = (tag, label) => {
  const all = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(tag));
  return [...all].filter((element) => labelOf(element) === label);
};

/** Focus what had the focus on the page before this one, where this page has it too. */
const useFocusOfPageBefore = () => {
  useLayoutEffect(() => {
    if (left) called(left.tag, left.label)[left.index]?.focus({ preventScroll: true });
    left = null;
    return () => {
      const element = document.activeElement;
      if (!(element instanceof HTMLElement && element.matches(CONTROLS))) return;
      const [tag, label] = [element.localName, labelOf(element)];
      left = { tag, label, index: called(tag, label).indexOf(element) };
      // The next page is there at once, in the same commit of React, or it does not ask.
      queueMicrotask(() => {
        left = null;
      });
    };
  }, []);
};

/** Watches the element that it stands in. */
export const KeepFocus = () => {
  const mark = useRef(/** @type {HTMLSpanElement | null} */ (null));
  useFocusOfPageBefore();

  useEffect(() => {
    const root = mark.current?.parentElement;
    if (!root) return undefined;
    /** @type {Step[]} */
    let path = [];
    let byKeyboard = false;

    /** @param {FocusEvent} event */
    const remember = ({ target }) => {
      path = target instanceof Element ? pathOf(target, root) : [];
      byKeyboard = target instanceof Element && target.matches(":focus-visible");
    };
    /** @param {FocusEvent} event */
    const forget = ({ target, relatedTarget }) => {
      // A browser may say so of what is removed too: then it is gone a moment later.
      queueMicrotask(() => {
        const isLeft = target instanceof Element && target.isConnected && isUsable(target);
        if (isLeft && !relatedTarget && path[0]?.element === target) path = [];
      });
    };
    const keep = () => {
      const element = path[0]?.element;
      const { activeElement } = document;
      if (!element || (activeElement !== document.body && activeElement !== element)) return;
      // Fields that are disabled with their form get the focus back from it.
      if (element.isConnected && !element.hasAttribute("disabled")) return;
      const found = nearest(path);
      // A field would bring up the keyboard of a phone.
      if (found && (byKeyboard || !found.matches(TYPED_IN))) found.focus();
      else focusHeading(path);
    };

    const observer = new MutationObserver(keep);
    observer.observe(root, { childList: true, subtree: true, attributeFilter: ["disabled"] });
    root.addEventListener("focusin", remember);
    root.addEventListener("focusout", forget);
    return () => {
      observer.disconnect();
      root.removeEventListener("focusin", remember);
      root.removeEventListener("focusout", forget);
    };
  }, []);

  return <span ref={mark} hidden />;
};
