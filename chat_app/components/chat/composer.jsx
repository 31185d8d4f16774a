// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The composer, where the user writes a message. The text field is uncontrolled: no key press waits
// for the server, and the text leaves the field only when the server has it.
//
// <form class="ct-composer" data-state="idle|sending|late" data-busy="true|false" data-empty="…">
//   <p class="ct-composer-alert" role="alert">             a problem or the notice; empty when none
//   <textarea class="ct-composer-input" data-testid="composer">   give it a max-height
//   <div class="ct-composer-bar">
//     <div class="ct-composer-tools">…children…</div>        beside the button
//     <button class="ct-send" data-testid="send"> or <button class="ct-stop" data-testid="stop">
//   <p class="ct-composer-late" role="status">             what it waits for, or "Not sent yet." and
//                                                         button.ct-try-again

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useOffline } from "../ui/offline.jsx";
import {
  createDrafts,
  messageOf,
  newClientId,
  noteOpening,
  remaining,
  takeOpening,
  tooLong,
} from "./drafts.jsx";
import { editLast } from "./edit_message.jsx";

const LATE_MS = 5000;
const DOUBLE_PRESS_MS = 500;
const TOUCH = "(pointer: coarse)"; // the keyboard is on the screen, and has no Shift to hold

/**
 * @param {{
 *   busy?: boolean,
 *   accepted?: string,
 *   refused?: string,
 *   notice?: string,
 *   opensChat?: boolean,
 *   isDisconnected?: boolean,
 *   owner?: string,
 *   draftKey?: string,
 *   maxBytes?: number,
 *   placeholder?: string,
 *   className?: string,
 *   children?: import("react").ReactNode,
 *   onSend?: (clientId: string, text: string) => void,
 *   onStop?: () => void,
 *   onOpen?: () => void,
 * }} props
 */
export function Composer(props) {
  const { busy = false, accepted = "", refused = "", notice = "", draftKey = "new" } = props;
  const { owner = "", opensChat = false, isDisconnected = false } = props;
  const { maxBytes = 100_000, placeholder = "", className = "", children } = props;
  const { onSend, onStop, onOpen } = props;
  const offline = useOffline(isDisconnected);
  /** @type {import("react").RefObject<HTMLTextAreaElement>} */
  const field = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLFormElement>} */
  const form = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<ReturnType<typeof createDrafts>>} */
  const drafts = useRef(/** @type {any} */ (null));
  const sent = useRef({ text: "", id: "" }); // the last text given to the server, and its id
  const shownKey = useRef(/** @type {string | null} */ (null));
  const begunKey = useRef(""); // of the chat that a message has just begun
  const [state, setState] = useState("idle");
  const [alert, setAlert] = useState("");
  const waiting = useRef(false);
  const stoppedAt = useRef(-Infinity); // by the button, if nothing was written since

  /** @param {boolean} wanted */
  function setWaiting(wanted) {
    waiting.current = wanted;
    setState(wanted ? "sending" : "idle");
  }

  function keep() {
    drafts.current.save(shownKey.current ?? draftKey, {
      text: field.current.value,
      id: sent.current.id,
      sent: sent.current.text,
    });
  }

  function fit() {
    form.current.dataset.empty = String(field.current.value.trim() === "");
    if (CSS.supports("field-sizing", "content")) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }

  /** @param {string} text */
  function put(text) {
    if (field.current.value !== text) field.current.value = text;
    fit();
  }

  function send() {
    const text = messageOf(field.current.value.toWellFormed());
    const again = text === sent.current.text;
    if (!text || busy || (waiting.current && state !== "late")) return;
    // The second press of a double press on Stop lands here.
    if (performance.now() - stoppedAt.current < DOUBLE_PRESS_MS) return;
    const problem = tooLong(text, maxBytes);
    setAlert(problem);
    if (problem) return;
    if (!again) sent.current = { text, id: newClientId() };
    keep();
    if (opensChat) noteOpening(sessionStorage, sent.current.id);
    setWaiting(true);
    onSend?.(sent.current.id, text);
  }

  useLayoutEffect(() => {
    drafts.current = createDrafts(sessionStorage, owner);
    // Text typed before the page was hydrated stays.
    const early = shownKey.current === null ? field.current.value : "";
    if (shownKey.current !== null) keep();
    // What was written after the message that has just begun this chat goes on here.
    if (accepted && accepted === sent.current.id) {
      const text = remaining(field.current.value, sent.current.text);
      drafts.current.save(shownKey.current ?? draftKey, { text: "" });
      drafts.current.save(draftKey, { text });
    }
    shownKey.current = draftKey;
    const draft = drafts.current.load(draftKey);
    sent.current = { text: draft.sent, id: draft.id };
    setWaiting(false);
    setAlert("");
    put(early || draft.text);
  }, [draftKey]);

  useLayoutEffect(() => {
    if (!accepted) return;
    drafts.current.accepted(accepted);
    if (takeOpening(sessionStorage, accepted)) {
      begunKey.current = draftKey;
      onOpen?.();
    }
    if (accepted !== sent.current.id) return;
    put(remaining(field.current.value, sent.current.text));
    sent.current = { text: "", id: "" };
    keep();
    setWaiting(false);
  }, [accepted, draftKey]);

  useLayoutEffect(() => {
    if (refused && refused === sent.current.id) setWaiting(false);
  }, [refused]);

  useEffect(() => {
    if (state !== "sending" || offline) return undefined;
    const timer = setTimeout(() => setState("late"), LATE_MS);
    return () => clearTimeout(timer);
  }, [state, offline]);

  // Back online: what was not accepted is sent again, under the same id.
  useEffect(() => {
    if (offline || !waiting.current) return;
    setWaiting(true);
    onSend?.(sent.current.id, sent.current.text);
  }, [offline]);

  useEffect(() => {
    // The page opens the chat by itself: who has gone on since the message was sent stays there.
    const isBegun = draftKey === begunKey.current;
    begunKey.current = "";
    if (isBegun && document.activeElement !== document.body) return;
    // The message that the URL names gets the focus where there is one.
    const isNamed = new URLSearchParams(location.search).has("message");
    if (!isNamed && !matchMedia(TOUCH).matches) field.current.focus({ preventScroll: true });
  }, [draftKey]);

  // What the Enter key of a keyboard on the screen is called.
  useEffect(() => {
    const touch = matchMedia(TOUCH);
    function name() {
      field.current.enterKeyHint = touch.matches ? "enter" : "send";
    }
    name();
    touch.addEventListener("change", name);
    return () => touch.removeEventListener("change", name);
  }, []);

  // Escape stops the answer, unless it closes or clears something first.
  useEffect(() => {
    if (!busy) return undefined;
    /** @param {KeyboardEvent} event */
    function escaped(event) {
      if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
      if (document.querySelector(":popover-open, :modal")) return;
      const { target } = event;
      const isElsewhere = target instanceof Element && target !== field.current;
      if (isElsewhere && target.closest("input, select, textarea")) return;
      onStop?.();
      field.current.focus({ preventScroll: true });
    }
    // On the window: who handles the key inside the page stops it on its way here.
    addEventListener("keydown", escaped);
    return () => removeEventListener("keydown", escaped);
  }, [busy, onStop]);

  /** @param {import("react").KeyboardEvent} event */
  function keyDown(event) {
    const isPlain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
    if (event.key === "ArrowUp" && isPlain && field.current.value === "" && editLast()) {
      event.preventDefault();
      return;
    }
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    // The Enter that ends a composition chooses a word; Safari tells it by the key code alone.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (matchMedia(TOUCH).matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  }

  /** @param {import("react").MouseEvent} event */
  function stop(event) {
    onStop?.();
    stoppedAt.current = performance.now();
    // The next press would send: the focus moves on, but opens no keyboard on the screen.
    if (event.detail === 0 || !matchMedia(TOUCH).matches) field.current.focus();
  }

  function input() {
    stoppedAt.current = -Infinity;
    fit();
    keep();
    if (alert) setAlert("");
  }

  /** @param {import("react").SyntheticEvent} event */
  function submit(event) {
    event.preventDefault();
    send();
  }

  return (
    <form
      ref={form}
      className={`ct-composer ${className}`.trim()}
      data-state={state}
      data-busy={String(busy)}
      onSubmit={submit}
    >
      <p className="ct-composer-alert" role="alert">
        {alert || notice}
      </p>
      <textarea
        ref={field}
        className="ct-composer-input"
        data-testid="composer"
        aria-label="Message"
        aria-busy={state !== "idle"}
        placeholder={placeholder}
        rows={1}
        dir="auto"
        style={{ fieldSizing: "content" }}
        onKeyDown={keyDown}
        onInput={input}
      />
      <div className="ct-composer-bar">
        <div className="ct-composer-tools">{children}</div>
        {busy ? (
          <button
            type="button"
            className="ct-stop"
            data-testid="stop"
            aria-label="Stop answer"
            aria-keyshortcuts="Escape"
            title="Stop answer (Esc)"
            onClick={stop}
          >
            <StopMark />
          </button>
        ) : (
          <button
            type="submit"
            className="ct-send"
            data-testid="send"
            aria-label="Send message"
            aria-disabled={state === "sending"}
          >
            <SendMark />
          </button>
        )}
      </div>
      <p className="ct-composer-late" role="status">
        {state !== "idle" && offline && "Waiting for the connection. It will be sent then."}
        {state === "late" && !offline && (
          <>
            Not sent yet.{" "}
            <button type="submit" className="ct-try-again">
              Try again
            </button>
          </>
        )}
      </p>
    </form>
  );
}

function SendMark() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path
        d="M10 16V4m0 0L4.5 9.5M10 4l5.5 5.5"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
      />
    </svg>
  );
}

function StopMark() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" fill="currentColor">
      <rect x="5" y="5" width="10" height="10" rx="2" />
    </svg>
  );
}

/**
 * A suggestion on an empty chat. A second click is the same message, as the server sees it; without a
 * connection it would wait unseen.
 *
 * @param {{
 *   text: string,
 *   disabled?: boolean,
 *   isDisconnected?: boolean,
 *   onSend: (clientId: string, text: string) => void,
 *   children?: import("react").ReactNode,
 * }} props
 */
export function Starter({ text, disabled = false, isDisconnected = false, onSend, children }) {
  const offline = useOffline(isDisconnected);
  const id = useRef(/** @type {string | null} */ (null));
  const send = () => {
    id.current ??= newClientId();
    noteOpening(sessionStorage, id.current);
    onSend(id.current, text);
  };
  return (
    <button type="button" className="starter" disabled={disabled || offline} onClick={send}>
      {children}
    </button>
  );
}
