// @ts-check
// The versions of a message: which one is shown, the way to the others, and back to a deleted one.
//
// <div class="version-picker" role="group" aria-label="Versions">   where there are several
//   <button aria-label="Previous version" aria-disabled>
//   <span aria-live="polite">2/3</span>
//   <button aria-label="Next version" aria-disabled>

import { useEffect, useRef } from "react";

/** The version that was chosen with the keyboard, and the button that did it: it keeps the focus. */
let chosen = { message: "", step: 0 };

/** The deleted message that is being restored: it takes the focus, which the undo button had. */
let restored = "";

/**
 * @param {{
 *   message: string,
 *   versions?: string[],
 *   onChoose?: (message: string) => void,
 * }} props `versions`: the ids of all versions of the message, the oldest first.
 */
export function VersionPicker({ message, versions = [], onChoose }) {
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const root = useRef(/** @type {any} */ (null));
  const at = versions.indexOf(message);

  useEffect(() => {
    if (chosen.message === message && isFocusFree()) {
      const buttons = root.current?.querySelectorAll("button");
      buttons?.[chosen.step < 0 ? 0 : 1].focus({ preventScroll: true });
    }
    if (chosen.message === message) chosen = { message: "", step: 0 };
    if (restored !== message) return;
    restored = "";
    const row = document.querySelector(`article[data-message="${CSS.escape(message)}"]`);
    if (!(row instanceof HTMLElement) || !isFocusFree()) return;
    row.tabIndex = -1;
    row.focus();
  }, [message]);

  if (versions.length < 2 || at < 0) return null;

  /** @param {number} step */
  function go(step) {
    const next = versions[at + step];
    if (!next) return;
    chosen = { message: next, step };
    onChoose?.(next);
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset belongs into a form
    <div ref={root} className="version-picker" role="group" aria-label="Versions">
      <Arrow name="Previous version" isEnd={at === 0} onClick={() => go(-1)}>
        <path d="M14.5 6l-6 6 6 6" />
      </Arrow>
      <span aria-live="polite">
        <span className="sr-only">Version </span>
        {at + 1}
        <span aria-hidden="true">/</span>
        <span className="sr-only"> of </span>
        {versions.length}
      </span>
      <Arrow name="Next version" isEnd={at === versions.length - 1} onClick={() => go(1)}>
        <path d="M9.5 6l6 6-6 6" />
      </Arrow>
    </div>
  );
}

/**
 * @param {{
 *   name: string,
 *   isEnd: boolean,
 *   onClick: () => void,
 *   children: import("react").ReactNode,
 * }} props
 */
function Arrow({ name, isEnd, onClick, children }) {
  return (
    <button
      type="button"
      className="icon-button needs-idle"
      title={name}
      aria-label={name}
      aria-disabled={isEnd}
      onClick={onClick}
    >
      <svg viewBox="0 0 24 24" className="icon" aria-hidden="true">
        {children}
      </svg>
    </button>
  );
}

/** Whether nothing took the focus that an element had which is gone. */
function isFocusFree() {
  const { activeElement } = document;
  return !activeElement || activeElement === document.body || activeElement.matches(".ct-scroll");
}

/**
 * The button that undoes the deletion of a branch. The button that deleted it is gone, so this takes
 * the focus, and then gives it to the message that comes back.
 *
 * @param {{message: string, onUndo: () => void, children?: import("react").ReactNode}} props
 */
export function UndoBranch({ message, onUndo, children }) {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => button.current?.focus({ preventScroll: true }), []);
  const undo = () => {
    restored = message;
    button.current?.blur(); // what stands around it would take the focus when it goes
    onUndo();
  };
  return (
    <button ref={button} type="button" className="text-button" onClick={undo}>
      {children}
    </button>
  );
}
