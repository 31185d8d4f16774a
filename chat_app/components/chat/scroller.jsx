// @ts-check
// biome-ignore-all lint/correctness/useExhaustiveDependencies: an effect answers to the change that it names
// The conversation's scrolling: it stays at the end while the reader is there, keeps their place
// when older messages come in above, and shows when there is something new below.
//
// <div class="ct-printed">                                 on paper: the messages before those on the page
// <div class="ct-scroller">                                position: relative
//   <div class="ct-scroll" role="log" tabindex="0|-1">     overflow-y: auto; the view; a tab stop where
//                                                          it scrolls
//     <div class="ct-scroll-body">…children…</div>       each message is an <article data-message>
//   <button class="ct-jump" hidden aria-label="Jump to latest">   over the view's lower edge
//   <div class="sr-only" aria-live="polite">             the running answer, for screen readers
// <div class="ct-printed">                                 on paper: the messages after them

import { useEffect, useLayoutEffect, useRef } from "react";
import { chunks } from "../markdown/chunk_store.jsx";
import { recheckOverflow } from "../markdown/scroll_stops.jsx";
import { watchPrint } from "./print_thread.jsx";
import { createAnchor, lastOf, rowsOf } from "./scroll_anchor.jsx";
import { announce } from "./speech.jsx";

// Pixels from either end at which more is requested: far enough that it is there in time, near
// enough that a page, which is longer, takes the reader out of it.
const AHEAD = 1200;

const SOUGHT = "sought"; // the class of a message that a search has found, for a moment

const CHANGES = "summary, .ct-more, .version-picker button"; // what makes a row longer or shorter

const isRow = (/** @type {Node} */ node) => node.nodeName === "ARTICLE";

/**
 * @param {{
 *   thread?: string,
 *   sent?: string,
 *   sought?: string,
 *   older?: boolean,
 *   newer?: boolean,
 *   source?: string,
 *   endings?: Record<string, string>,
 *   onTop?: () => void,
 *   onBottom?: () => void,
 *   onEnd?: () => void,
 *   onSeek?: (message: string) => void,
 *   className?: string,
 *   children?: import("react").ReactNode,
 * }} props
 */
export function Scroller(props) {
  const { thread = "", sent = "", sought = "", older = true, newer = false } = props;
  const { source = "", endings = {} } = props;
  const { onTop, onBottom, onEnd, onSeek, className = "", children } = props;
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const view = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const body = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLButtonElement>} */
  const pill = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const spoken = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<ReturnType<typeof createAnchor>>} */
  const scrollAnchor = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const printedAbove = useRef(/** @type {any} */ (null));
  /** @type {import("react").RefObject<HTMLDivElement>} */
  const printedBelow = useRef(/** @type {any} */ (null));
  const focused = useRef(/** @type {Element | null} */ (null));
  const wantsEnd = useRef(false);
  /** @type {import("react").RefObject<Record<string, Element | null>>} By end: its row then. */
  const requested = useRef({}); // when more was requested there
  const latest = useRef({ older, newer, endings, onTop, onBottom, onEnd });
  const shown = useRef(""); // the visit of the URL, and what was brought into view at it
  const asked = useRef(""); // the same, for what was not on the page
  useLayoutEffect(() => {
    latest.current = { older, newer, endings, onTop, onBottom, onEnd };
  });

  /**
   * @param {"top" | "bottom"} end
   * @param {Element | undefined} row The row there.
   * @param {number} pixels How far the reader is from it.
   * @param {boolean} wanted Whether there is more to load.
   * @param {(() => void) | undefined} call
   */
  function ask(end, row, pixels, wanted, call) {
    const far = pixels > AHEAD;
    if (far) requested.current[end] = null;
    if (far || !row || !wanted || requested.current[end] === row) return;
    requested.current[end] = row;
    call?.();
  }

  function askForMore() {
    const { scrollTop, scrollHeight, clientHeight } = view.current;
    const rows = rowsOf(body.current);
    const now = latest.current;
    ask("top", rows[0], scrollTop, now.older, now.onTop);
    if (!now.newer) return;
    const below = scrollHeight - clientHeight - scrollTop;
    ask("bottom", rows[lastOf(rows)], below, !wantsEnd.current, now.onBottom);
  }

  function toEnd() {
    pill.current.hidden = true;
    wantsEnd.current = latest.current.newer;
    if (wantsEnd.current) latest.current.onEnd?.();
    else scrollAnchor.current.end();
  }

  // The focus was in a row that was removed: go on from the conversation.
  function keepFocus() {
    if (focused.current?.isConnected === false) view.current.focus({ preventScroll: true });
  }

  useLayoutEffect(() => {
    const isWhole = () => !latest.current.newer;
    scrollAnchor.current = createAnchor(view.current, body.current, isWhole);
    /** @type {Element | null} The thread's newest row, where it is known. */
    let last = null;
    let width = view.current.clientWidth;
    function adjust() {
      scrollAnchor.current.resized();
      keepFocus();
      if (view.current.clientWidth !== width) {
        width = view.current.clientWidth;
        recheckOverflow(body.current);
      }
      const scrolls = view.current.scrollHeight > view.current.clientHeight;
      view.current.tabIndex = scrolls ? 0 : -1;
      const rows = rowsOf(body.current);
      const newest = isWhole() ? rows[rows.length - 1] : null;
      if (last?.isConnected && newest && newest !== last && !scrollAnchor.current.stuck) {
        pill.current.hidden = false;
      }
      last = newest;
      askForMore();
    }
    const resized = new ResizeObserver(adjust);
    resized.observe(view.current);
    resized.observe(body.current);
    // As many rows may come at one end as go at the other: then nothing changes its size.
    const replaced = new MutationObserver((changes) => {
      if (changes.some((change) => [...change.removedNodes].some(isRow))) adjust();
    });
    replaced.observe(body.current, { childList: true, subtree: true });
    const unwatch = chunks.watch((change) => {
      if (change.grew && !scrollAnchor.current.stuck) pill.current.hidden = false;
    });
    return () => {
      resized.disconnect();
      replaced.disconnect();
      unwatch();
    };
  }, []);

  useLayoutEffect(() => {
    requested.current = {};
    wantsEnd.current = false;
    pill.current.hidden = true;
    scrollAnchor.current.end();
    return announce(spoken.current, chunks, { endings: () => latest.current.endings });
  }, [thread]);

  useEffect(() => {
    if (!thread || !source) return undefined;
    return watchPrint({
      above: printedAbove.current,
      below: printedBelow.current,
      rows() {
        const rows = rowsOf(body.current);
        return [...rows].slice(0, lastOf(rows) + 1);
      },
      missing: () => latest.current,
      source: `${source}/${thread}/messages`,
      endings,
    });
  }, [thread, source]);

  // What a search has found is brought into view once a visit, as soon as it is there.
  function show() {
    // React Router's name for the visit: a reconnect is none, a second click on the same link is one.
    const visit = `${history.state?.key} ${sought}`;
    const isNamed = new URLSearchParams(location.search).get("message") === sought;
    if (!sought || !isNamed || shown.current === visit) return;
    /** @type {HTMLElement | null} */
    const row = body.current.querySelector(`article[data-message="${CSS.escape(sought)}"]`);
    if (!row) {
      if (asked.current !== visit) onSeek?.(sought);
      asked.current = visit;
      return;
    }
    shown.current = visit;
    wantsEnd.current = false;
    scrollAnchor.current.show(row);
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.classList.remove(SOUGHT);
    requestAnimationFrame(() => row.classList.add(SOUGHT));
  }

  useEffect(show, [sought, thread, children]);

  useEffect(() => {
    /** @param {MouseEvent} event */
    const clicked = ({ target }) => {
      const link = target instanceof Element ? target.closest("a") : null;
      if (link?.href === location.href) requestAnimationFrame(show);
    };
    document.addEventListener("click", clicked);
    return () => document.removeEventListener("click", clicked);
  });

  useLayoutEffect(() => {
    if (newer || !wantsEnd.current) return;
    wantsEnd.current = false;
    scrollAnchor.current.end();
  }, [newer]);

  const first = useRef(true);
  useEffect(() => {
    if (!first.current && sent) toEnd();
    first.current = false;
  }, [sent]);

  function scrolled() {
    scrollAnchor.current.scrolled();
    if (scrollAnchor.current.stuck) pill.current.hidden = true;
    askForMore();
  }

  /** @param {import("react").KeyboardEvent} event */
  function keyDown(event) {
    if (event.key !== "End" || event.target !== view.current || !latest.current.newer) return;
    event.preventDefault();
    toEnd();
  }

  /** @param {import("react").MouseEvent} event The keyboard's too. */
  function clicked({ target }) {
    if (!(target instanceof Element)) return;
    // It is hidden while the answer is written.
    if (target.closest(".starts-answer")) view.current.focus({ preventScroll: true });
    const button = target.closest(CHANGES);
    const row = button?.closest("article");
    if (!button || !row) return;
    const isVersion = button.matches(".version-picker button");
    const closes = isVersion || (button.closest("details")?.open ?? button.ariaExpanded === "true");
    scrollAnchor.current.hold(row, closes);
  }

  function showNew() {
    toEnd();
    view.current.focus({ preventScroll: true });
  }

  return (
    <>
      <div ref={printedAbove} className="ct-printed" />
      <div className={`ct-scroller ${className}`.trim()}>
        <div
          ref={view}
          className="ct-scroll"
          role="log"
          aria-label="Conversation"
          aria-live="off"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must be able to scroll it
          tabIndex={0}
          style={{ overflowAnchor: "none" }}
          onScroll={scrolled}
          onKeyDown={keyDown}
          onClick={clicked}
          onFocus={(event) => {
            focused.current = event.target;
          }}
          onBlur={() => {
            focused.current = null;
          }}
        >
          <div ref={body} className="ct-scroll-body">
            {children}
          </div>
        </div>
        <button
          ref={pill}
          type="button"
          className="ct-jump"
          hidden
          aria-label="Jump to latest"
          title="Jump to latest"
          onClick={showNew}
        >
          <svg viewBox="0 0 24 24" className="icon" aria-hidden="true">
            <path d="M12 5v13M6 12.5l6 6 6-6" />
          </svg>
        </button>
        <div
          ref={spoken}
          className="sr-only"
          role="status"
          aria-label="Spoken answer"
          aria-live="polite"
          aria-atomic="false"
          aria-relevant="additions"
        />
      </div>
      <div ref={printedBelow} className="ct-printed" />
    </>
  );
}
