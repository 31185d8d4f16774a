// @ts-check
// Which page of a list is shown, between the buttons to the others. The buttons stand below the list:
// what they bring begins where the reader looks then, and the focus stays on them.
//
// <ul> or <table>                                  the list
// <div>…<span role="status">Page 2</span>…</div>   right after it

import { useEffect, useRef } from "react";

/** @param {{number: number}} props `number`: from 0. */
export const PageNumber = ({ number }) => {
  const root = useRef(/** @type {HTMLSpanElement | null} */ (null));
  const shown = useRef(number);

  useEffect(() => {
    if (number === shown.current) return undefined;
    shown.current = number;
    // After the focus has gone on from a button that can't be used any more (keep_focus.jsx).
    const frame = requestAnimationFrame(() => {
      const list = root.current?.parentElement?.previousElementSibling;
      if (list && list.getBoundingClientRect().top < 0) list.scrollIntoView();
    });
    return () => cancelAnimationFrame(frame);
  }, [number]);

  return (
    <span ref={root} role="status">
      Page {number + 1}
    </span>
  );
};
