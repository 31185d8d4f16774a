// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// How much of the model's context window the chat uses: a ring beside the choice of the model, and a
// popover that says it in words and offers to summarize older messages.
//
// <button class="icon-button context-button" aria-haspopup="dialog" data-level="|near|full">
//   <svg class="context-ring">
// <div class="context-card" role="dialog" aria-labelledby popover>
//   <p class="context-share">42% of context used   <p>…tokens   <p>…what is summarized, and when more will be
//   <button class="button small">Summarize older messages   or a sentence why there is none

import { useEffect, useId, useRef, useState } from "react";
import { useOffline } from "../ui/offline.jsx";

const GAP = 8; // pixels between the button and the card, and between the card and the page

/**
 * @typedef {{
 *   percent: number,
 *   used: string,
 *   whole: string,
 *   limit: string,
 *   is_window: boolean,
 *   is_estimate: boolean,
 *   level: string,
 * }} Context Numbers of tokens are texts.
 *
 * @typedef {{summarized: number, can_summarize: boolean}} Outlook
 */

/**
 * @param {{
 *   context?: Context | null,
 *   outlook?: Outlook | null,
 *   busy?: boolean,
 *   compacting?: boolean,
 *   isDisconnected?: boolean,
 *   onLook?: () => void,
 *   onCompact?: () => void,
 * }} props
 */
export function ContextMeter(props) {
  const { context = null, outlook = null, busy = false, compacting = false } = props;
  const { isDisconnected = false, onLook, onCompact } = props;
  const id = useId();
  /** @type {import("react").RefObject<HTMLButtonElement>} */
  const button = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const card = useRef(/** @type {any} */ (null));
  const [isOpen, setIsOpen] = useState(false);
  const isShown = context !== null;

  // A card that is open says what is so now: after an answer, and in another tab's time.
  useEffect(() => {
    if (isOpen && isShown && outlook === null && !compacting) onLook?.();
  }, [isOpen, isShown, outlook === null, compacting]);

  // A keyboard on the screen goes away with the focus of its field, and the button moves.
  useEffect(() => {
    if (!isOpen || !isShown) return undefined;
    const moved = () => place(card.current, button.current);
    moved();
    addEventListener("resize", moved);
    return () => removeEventListener("resize", moved);
  }, [isOpen, isShown]);

  if (!context) return null;
  const share = `${context.percent}% of ${context.is_window ? "context" : "the limit"} used`;

  /** @param {import("react").ToggleEvent} event Its state is known at once, before it is shown. */
  function toggled({ newState }) {
    if (newState === "open") {
      place(card.current, button.current);
      button.current.focus({ preventScroll: true }); // a click does not do it everywhere
    }
    setIsOpen(newState === "open");
  }

  function compact() {
    card.current.hidePopover();
    onCompact?.();
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        className="icon-button context-button"
        title={share}
        aria-label={share}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-controls={id}
        data-level={context.level}
        popoverTarget={id}
      >
        <Ring percent={context.percent} />
      </button>
      <div
        ref={card}
        id={id}
        className="context-card"
        role="dialog"
        aria-labelledby={`${id}title`}
        popover="auto"
        onBeforeToggle={toggled}
      >
        <p id={`${id}title`} className="context-share">
          {share}
        </p>
        <p>
          {context.is_estimate && "About "}
          {context.used} of {context.whole} tokens
          {context.is_window
            ? `. Older messages are summarized above ${context.limit} tokens.`
            : ", the most this server sends. Older messages beyond it are summarized."}
        </p>
        {outlook && outlook.summarized > 0 && <p>{covered(outlook.summarized)}</p>}
        <Action
          outlook={outlook}
          busy={busy}
          compacting={compacting}
          isDisconnected={isDisconnected}
          onCompact={compact}
        />
      </div>
    </>
  );
}

/**
 * @param {{
 *   outlook: Outlook | null,
 *   busy: boolean,
 *   compacting: boolean,
 *   isDisconnected: boolean,
 *   onCompact: () => void,
 * }} props
 */
function Action({ outlook, busy, compacting, isDisconnected, onCompact }) {
  const offline = useOffline(isDisconnected);
  if (compacting) return <p>Summarizing older messages…</p>;
  if (outlook && !outlook.can_summarize) {
    return (
      <p>There are no {outlook.summarized > 0 ? "more" : "older"} messages to summarize yet.</p>
    );
  }
  return (
    <button
      type="button"
      className="button small"
      disabled={busy || offline || outlook === null}
      onClick={onCompact}
    >
      Summarize older messages
    </button>
  );
}

/** @param {number} count */
function covered(count) {
  if (count === 1) return "The model sees a summary of 1 older message.";
  return `The model sees a summary of ${count.toLocaleString("en")} older messages.`;
}

/** @param {{percent: number}} props */
function Ring({ percent }) {
  return (
    <svg className="context-ring" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle cx="10" cy="10" r="7.5" />
      <circle
        cx="10"
        cy="10"
        r="7.5"
        pathLength="100"
        strokeDasharray={`${percent} 100`}
        transform="rotate(-90 10 10)"
      />
    </svg>
  );
}

/**
 * Put the card above its button, inside the page.
 *
 * @param {HTMLElement} card
 * @param {HTMLElement} button
 */
function place(card, button) {
  const { top, left } = button.getBoundingClientRect();
  const { style } = card;
  const width = Math.min(320, innerWidth - 2 * GAP);
  style.width = `${width}px`;
  style.maxHeight = `${top - 2 * GAP}px`;
  style.bottom = `${innerHeight - top + GAP}px`;
  style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
}
