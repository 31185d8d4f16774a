// @ts-check
// A message that is shown until it is dismissed. Its button goes with it: the focus, which was there,
// goes on to what stands beside it, as on a page without focus a screen reader begins anew.

import { useLayoutEffect, useRef } from "react";

const FIELDS = "textarea:enabled, input:enabled";
const OTHERS = "button:enabled, a[href], [tabindex='0']";

/**
 * What takes the focus of an element that is removed: a field near it, else the nearest of anything.
 *
 * @param {Element | null} around What the element stood in.
 * @returns {HTMLElement | null}
 */
function successor(around) {
  for (const wanted of [FIELDS, OTHERS]) {
    for (let at = around; at && at !== document.body; at = at.parentElement) {
      /** @type {NodeListOf<HTMLElement>} */
      const found = at.querySelectorAll(wanted);
      const seen = [...found].find((element) => element.checkVisibility());
      if (seen) return seen;
    }
  }
  return null;
}

/**
 * Keeps the focus near an element that is removed while the keyboard's user is in it.
 *
 * @param {import("react").RefObject<HTMLElement | null>} element
 */
const useFocusNearby = (element) =>
  useLayoutEffect(() => {
    const around = element.current?.parentElement ?? null;
    return () => {
      // A finger would only bring up the keyboard.
      if (!element.current?.querySelector(":focus-visible")) return;
      requestAnimationFrame(() => {
        // What takes its place may have taken the focus.
        if (document.activeElement === document.body) successor(around)?.focus();
      });
    };
  }, [element]);

/**
 * @param {{className?: string, children?: import("react").ReactNode}} props `children` are the message
 *   and the buttons.
 */
export const Notice = ({ className = "notice", children }) => {
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  useFocusNearby(element);
  return (
    <div ref={element} className={className}>
      {children}
    </div>
  );
};
