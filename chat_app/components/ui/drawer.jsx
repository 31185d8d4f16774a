// @ts-check
// A column of the page that is a drawer over it where the window is narrow (layout.css).
//
// <div id role="complementary" aria-label popover="auto">   a drawer that is open: role="dialog"
//   …children…                                              aria-modal="true", its siblings inert

import { useEffect, useRef, useState } from "react";

const WIDE = "(min-width: 48rem)"; // as in layout.css
const FOCUSABLE = "a[href], button, input";

/**
 * A drawer that buttons with its id as `popoverTarget` open and close. While it is open the focus stays
 * in it; afterwards the focus goes back to where it was.
 *
 * @param {{
 *   id: string,
 *   label: string,
 *   className?: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
export function Drawer({ id, label, className, children }) {
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [isModal, setIsModal] = useState(false);

  useEffect(() => {
    const drawer = root.current;
    if (!drawer) return undefined;
    /** @type {Element | null} */
    let opener = null;

    /** @param {boolean} isOpen */
    const setModal = (isOpen) => {
      for (const other of drawer.parentElement?.children ?? []) {
        if (other !== drawer) /** @type {HTMLElement} */ (other).inert = isOpen;
      }
      setIsModal(isOpen);
    };

    // The browser gives the focus back between these two events.
    /** @param {ToggleEvent} event */
    const toggling = ({ newState }) => {
      if (newState === "open") opener = document.activeElement;
      else setModal(false);
    };

    /** @param {ToggleEvent} event */
    const toggled = ({ newState }) => {
      const isInside = drawer.contains(document.activeElement);
      if (newState === "open") {
        setModal(true);
        const first = /** @type {HTMLElement | null} */ (drawer.querySelector(FOCUSABLE));
        if (!isInside) first?.focus();
      } else if (isInside || document.activeElement === document.body) {
        // Where a click gives a button no focus, the browser has none to give back.
        const button = document.querySelector(`[popovertarget="${CSS.escape(id)}"]`);
        const back = opener === document.body ? button : opener;
        /** @type {HTMLElement | null} */ (back)?.focus();
      }
    };

    const close = () => {
      if (drawer.matches(":popover-open")) drawer.hidePopover();
    };
    /** @param {MouseEvent} event */
    const clicked = ({ target, defaultPrevented }) => {
      if (!(target instanceof Element) || !drawer.contains(target)) return;
      // A link within the app, which may lead to where the page is already.
      if (defaultPrevented && target.closest("a")) close();
    };
    const wide = matchMedia(WIDE);

    drawer.addEventListener("beforetoggle", toggling);
    drawer.addEventListener("toggle", toggled);
    document.addEventListener("click", clicked);
    wide.addEventListener("change", close);
    return () => {
      setModal(false);
      drawer.removeEventListener("beforetoggle", toggling);
      drawer.removeEventListener("toggle", toggled);
      document.removeEventListener("click", clicked);
      wide.removeEventListener("change", close);
    };
  }, [id]);

  const named = { "aria-label": label };
  const role = isModal ? { role: "dialog", "aria-modal": true } : { role: "complementary" };
  return (
    <div ref={root} id={id} className={className} popover="auto" {...role} {...named}>
      {children}
    </div>
  );
}
