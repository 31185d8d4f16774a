// @ts-check
// What an answer took: a button among its actions, and the list that it shows below them.
//
// <button aria-expanded aria-controls>
// <section class="answer-details" aria-label="Details">   while it is this answer's turn
//   <dl><div><dt>Model</dt><dd>…</dd></div>…</dl>

import { useId, useRef } from "react";

/**
 * @param {{
 *   message: string,
 *   shownMessage?: string,
 *   items?: {name: string, value: string}[],
 *   loading?: boolean,
 *   onShow?: (message: string) => void,
 *   children?: import("react").ReactNode,
 * }} props
 */
export function AnswerDetails({
  message,
  shownMessage = "",
  items = [],
  loading = false,
  onShow,
  children,
}) {
  const id = useId();
  /** @type {import("react").RefObject<HTMLButtonElement>} */
  const button = useRef(/** @type {any} */ (null));
  const isOpen = shownMessage === message;

  /** @param {import("react").KeyboardEvent} event */
  function keyDown(event) {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    onShow?.("");
    button.current.focus();
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        className="icon-button"
        title="Details"
        aria-label="Details"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => onShow?.(isOpen ? "" : message)}
        onKeyDown={keyDown}
      >
        {children}
      </button>
      {isOpen && (
        <section
          id={id}
          className="answer-details"
          aria-label="Details"
          aria-live="polite"
          aria-busy={loading}
          onKeyDown={keyDown}
        >
          {items.length > 0 && (
            <dl>
              {items.map(({ name, value }) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          )}
          {items.length === 0 && <p>{loading ? "Loading…" : "Nothing is known of this answer."}</p>}
        </section>
      )}
    </>
  );
}
