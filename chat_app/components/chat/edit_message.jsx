// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// Editing a sent message in its place: a button opens the form, which sends another version of it. The
// text stays until the server has it, and one text keeps its id, as in the composer.
//
// <button class="icon-button edit-message">
// <form class="edit-form" data-state="idle|sending|late">   a sibling of what is hidden meanwhile
//   <p role="alert">
//   <textarea aria-label="Message text">
//   <p role="status">, <button>Cancel, <button>Send

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { chunks, textOf } from "../markdown/chunk_store.jsx";
import { messageOf, newClientId, openDrafts, tooLong } from "./drafts.jsx";

const LATE_MS = 5000;
const TOUCH = "(pointer: coarse)";

let edited = ""; // the id of the message that is being edited; one at a time
/** @type {Set<() => void>} */
const readers = new Set();

/** @param {string} message */
function edit(message) {
  edited = message;
  for (const reader of [...readers]) reader();
}

/** @param {() => void} reader */
function subscribe(reader) {
  readers.add(reader);
  return () => {
    readers.delete(reader);
  };
}

/**
 * @param {{message: string, children?: import("react").ReactNode}} props
 */
export function EditButton({ message, children }) {
  return (
    <button
      type="button"
      className="icon-button edit-message needs-idle"
      title="Edit"
      aria-label="Edit your message"
      onClick={() => edit(message)}
    >
      {children}
    </button>
  );
}

/**
 * @param {{
 *   message: string,
 *   parts?: Record<string, any>[],
 *   streamId?: string,
 *   accepted?: string,
 *   refused?: string,
 *   maxBytes?: number,
 *   onSend?: (clientId: string, message: string, text: string) => void,
 * }} props
 */
export function EditForm(props) {
  const isEdited = useSyncExternalStore(
    subscribe,
    () => edited === props.message,
    () => false,
  );
  return isEdited ? <Form {...props} /> : null;
}

/** @param {Parameters<typeof EditForm>[0]} props */
function Form(props) {
  const { message, parts = [], streamId = "", accepted = "", refused = "" } = props;
  const { maxBytes = 100_000, onSend } = props;
  const key = `edit:${message}`;
  /** @type {import("react").RefObject<HTMLTextAreaElement>} */
  const field = useRef(/** @type {any} */ (null));
  const [before] = useState(() => textOf(parts) || textOf(chunks.get(streamId)?.parts ?? []));
  const [drafts] = useState(() => openDrafts(sessionStorage));
  const [draft] = useState(() => {
    if (accepted) drafts.accepted(accepted);
    return drafts.load(key);
  });
  const sent = useRef({ text: draft.sent, id: draft.id });
  const isPending = useRef(false);
  const [state, setState] = useState("idle");
  const [alert, setAlert] = useState("");

  function keep() {
    const { value } = field.current;
    const text = value === before ? "" : value;
    drafts.save(key, { text, id: sent.current.id, sent: sent.current.text });
  }

  /** @param {"edit" | "composer"} next Where the keyboard goes on. */
  function close(next) {
    const row = field.current.closest("article");
    field.current.blur(); // else the scroller would take the focus of what is gone
    edit("");
    requestAnimationFrame(() => {
      const name = next === "edit" ? ".edit-message" : "[data-testid=composer]";
      /** @type {HTMLElement | null | undefined} */
      const target = next === "edit" ? row?.querySelector(name) : document.querySelector(name);
      if (next === "edit" || !matchMedia(TOUCH).matches) target?.focus({ preventScroll: true });
    });
  }

  function cancel() {
    drafts.save(key, { text: "" });
    close("edit");
  }

  function send() {
    const text = messageOf(field.current.value.toWellFormed());
    if (!text || state === "sending") return;
    if (text === messageOf(before)) {
      cancel();
      return;
    }
    const problem = tooLong(text, maxBytes);
    setAlert(problem);
    if (problem) return;
    if (text !== sent.current.text) sent.current = { text, id: newClientId() };
    keep();
    setState("sending");
    onSend?.(sent.current.id, message, text);
  }

  useEffect(() => {
    field.current.focus({ preventScroll: true });
    field.current.setSelectionRange(field.current.value.length, field.current.value.length);
    field.current.closest("form")?.scrollIntoView({ block: "nearest" });
  }, []);

  useEffect(() => {
    if (!accepted || accepted !== sent.current.id) return;
    drafts.save(key, { text: "" });
    close("composer");
  }, [accepted]);

  useEffect(() => {
    if (refused && refused === sent.current.id) setState("idle");
  }, [refused]);

  // The row may change in the commit that says that the edit was accepted: then nothing else ends it.
  useEffect(() => {
    isPending.current = state !== "idle";
  }, [state]);
  useEffect(
    () => () => {
      const isShown = document.querySelector(".edit-form"); // its row was only made anew
      if (isPending.current && edited === message && !isShown) edit("");
    },
    [],
  );

  useEffect(() => {
    if (state !== "sending") return undefined;
    const timer = setTimeout(() => setState("late"), LATE_MS);
    return () => clearTimeout(timer);
  }, [state]);

  /** @param {import("react").KeyboardEvent} event */
  function keyDown(event) {
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.preventDefault(); // it stops no answer
      cancel();
    }
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (matchMedia(TOUCH).matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className="edit-form"
      data-state={state}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <p role="alert" className="edit-alert">
        {alert}
      </p>
      <textarea
        ref={field}
        className="edit-field"
        aria-label="Message text"
        aria-busy={state !== "idle"}
        dir="auto"
        rows={1}
        defaultValue={draft.text || before}
        style={{ fieldSizing: "content" }}
        onKeyDown={keyDown}
        onInput={() => {
          keep();
          if (alert) setAlert("");
        }}
      />
      <div className="edit-bar">
        <p role="status">{state === "late" && "Not sent yet. Try again."}</p>
        <button type="button" className="small-button" onClick={cancel}>
          Cancel
        </button>
        <button type="submit" className="button small" aria-disabled={state === "sending"}>
          Send
        </button>
      </div>
    </form>
  );
}

/** Edit the last message of the user on the page; whether there is one. */
export function editLast() {
  const buttons = [...document.querySelectorAll("article[data-role=user] .edit-message")];
  const shown = buttons.filter((button) => button.checkVisibility({ visibilityProperty: true }));
  /** @type {HTMLElement | undefined} */
  const last = /** @type {any} */ (shown.at(-1));
  last?.click();
  return Boolean(last);
}
