// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The message text as React sees it: elements whose insides React never touches.
//
// <div class="ct-text" data-state="waiting|live|done">   an answer; part_views.jsx says what is inside
//   <span class="ct-waiting" role="img" aria-label="Waiting for the answer"><i/><i/><i/></span>
//                                        while it waits
// <div class="ct-text ct-plain" data-state>   the user's own text, as typed: white-space: pre-wrap
// <button class="ct-copy-message" data-copied="true|false"?>…children, or two sheets of paper…</button>
// ChunkFeed renders nothing.

import { memo, useLayoutEffect, useRef } from "react";
import { copyFrom } from "../ui/clipboard.jsx";
import { chunks, textOf } from "./chunk_store.jsx";
import { mountMessage } from "./message_view.jsx";
import { mountPlain } from "./plain_text.jsx";

let feeds = 0;

/**
 * Takes every chunk that the server sends into the store, and requests what is missing there.
 *
 * @param {{
 *   chunk: Parameters<typeof chunks.receive>[0],
 *   onResync?: (streamId: string, part: number, have: number) => void,
 * }} props
 */
export function ChunkFeed({ chunk, onResync }) {
  const latest = useRef(onResync);
  useLayoutEffect(() => {
    latest.current = onResync;
  });
  useLayoutEffect(
    () => chunks.onResync(({ streamId, part, have }) => latest.current?.(streamId, part, have)),
    [],
  );
  useLayoutEffect(() => chunks.receive(chunk), [chunk]);
  useLayoutEffect(() => {
    feeds += 1;
    return () => {
      feeds -= 1;
      // After a navigation another feed is mounted at once, and the texts go on.
      queueMicrotask(() => feeds || chunks.clear());
    };
  }, []);
  return null;
}

export const MessageText = memo(
  /**
   * The parts of one message.
   *
   * @param {import("./message_view.jsx").Message & {plain?: boolean, className?: string}} props
   */
  function MessageText({ parts, streamId, status, message, plain = false, className = "" }) {
    /** @type {import("react").RefObject<HTMLDivElement>} */
    const root = useRef(/** @type {any} */ (null));
    /** @type {import("react").RefObject<ReturnType<typeof mountMessage>>} */
    const view = useRef(/** @type {any} */ (null));
    useLayoutEffect(() => {
      view.current = (plain ? mountPlain : mountMessage)(root.current);
      return () => view.current.destroy();
    }, [plain]);
    useLayoutEffect(
      () => view.current.show({ parts, streamId, status, message }),
      [parts, streamId, status, message, plain],
    );
    const name = `ct-text${plain ? " ct-plain" : ""} ${className}`.trim();
    return <div ref={root} className={name} />;
  },
);

/**
 * Copies a message's Markdown, without reasoning: the stored text, or what came as chunks.
 *
 * @param {{
 *   parts?: Record<string, any>[],
 *   streamId?: string,
 *   label?: string,
 *   className?: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
export function CopyButton({
  parts = [],
  streamId = "",
  label = "Copy message",
  className = "",
  children,
}) {
  /** @param {import("react").MouseEvent<HTMLButtonElement>} event */
  const copy = (event) => {
    const text = textOf(parts) || textOf(chunks.get(streamId)?.parts ?? []);
    return copyFrom(event.currentTarget, text);
  };
  return (
    <button
      type="button"
      className={`ct-copy-message ${className}`.trim()}
      aria-label={label}
      onClick={copy}
    >
      {children ?? <CopyMark />}
    </button>
  );
}

function CopyMark() {
  return (
    <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeWidth="1.5">
        <rect x="7" y="7" width="10" height="10" rx="2" />
        <path d="M13 4.5V4a1 1 0 0 0-1-1H4a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h.5" />
      </g>
    </svg>
  );
}
