// @ts-check
// A long text of which the first lines are shown, until the user wants the rest. Where it is cut is
// the style's: `.ct-clamp-body` has a max-height while it is not open.
//
// <div class="ct-clamp" data-long="true|false" data-open="true|false">
//   <div class="ct-clamp-body">…children…</div>
//   <button class="ct-more" aria-expanded>Show more | Show less</button>   where it is long

import { useId, useLayoutEffect, useRef, useState } from "react";

/**
 * @param {{children?: import("react").ReactNode}} props
 */
export function Clamped({ children }) {
  const id = useId();
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const body = useRef(/** @type {any} */ (null));
  const [isLong, setIsLong] = useState(false);
  const [isOpen, setIsOpen] = useState(false);

  useLayoutEffect(() => {
    if (isOpen) return undefined; // then it is as long as it was
    const measure = () => setIsLong(body.current.scrollHeight > body.current.clientHeight + 1);
    const resized = new ResizeObserver(measure);
    resized.observe(body.current);
    for (const child of body.current.children) resized.observe(child);
    return () => resized.disconnect();
  }, [isOpen]);

  /** The search of the browser, or the keyboard, went to what is cut off. */
  function scrolled() {
    if (body.current.scrollTop > 0) setIsOpen(true);
  }

  return (
    <div className="ct-clamp" data-long={isLong} data-open={isOpen}>
      <div ref={body} id={id} className="ct-clamp-body" onScroll={scrolled}>
        {children}
      </div>
      {isLong && (
        <button
          type="button"
          className="ct-more"
          aria-expanded={isOpen}
          aria-controls={id}
          onClick={() => setIsOpen(!isOpen)}
        >
          {isOpen ? "Show less" : "Show more"}
        </button>
      )}
    </div>
  );
}
