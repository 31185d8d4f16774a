// The conversation's scrolling: it stays at the end while the reader is there, keeps their place
// when older messages come in above, and says when there is something new below.
//
// <div class="ct-scroller">                                position: relative
//   <div class="ct-scroll" role="log" tabindex="0">        overflow-y: auto; the view
//     <div class="ct-scroll-body">…children…</div>       each message is an <article>, at any depth
//   <button class="ct-new-text" hidden>New text</button>   over the view's lower edge
//   <div class="ct-hidden" aria-live="polite">             the running answer, for screen readers

import { useEffect, useLayoutEffect, useRef } from "react";
import { createAnchor, rowsOf } from "./anchor.jsx";
import { frames } from "./frames.jsx";
import { announce } from "./speech.jsx";

const NEAR_TOP = 240; // pixels

export function Scroller({ thread = "", sent = "", older = true, onTop, className = "", children }) {
  const view = useRef(null);
  const body = useRef(null);
  const pill = useRef(null);
  const spoken = useRef(null);
  const anchor = useRef(null);
  const asked = useRef(null); // the first row when older ones were asked for
  const latest = useRef({ older, onTop });
  useLayoutEffect(() => {
    latest.current = { older, onTop };
  });

  function askForOlder() {
    const first = rowsOf(body.current)[0] ?? null;
    const far = view.current.scrollTop > NEAR_TOP;
    if (far) asked.current = null;
    if (far || !first || !latest.current.older || asked.current === first) return;
    asked.current = first;
    latest.current.onTop?.();
  }

  function toEnd() {
    anchor.current.end();
    pill.current.hidden = true;
  }

  useLayoutEffect(() => {
    anchor.current = createAnchor(view.current, body.current);
    let last = null;
    const changed = new ResizeObserver(() => {
      anchor.current.resized();
      const rows = rowsOf(body.current);
      const newest = rows[rows.length - 1] ?? null;
      if (last?.isConnected && newest !== last && !anchor.current.stuck) pill.current.hidden = false;
      last = newest;
      askForOlder();
    });
    changed.observe(view.current);
    changed.observe(body.current);
    const unwatch = frames.watch((news) => {
      if (news.grew && !anchor.current.stuck) pill.current.hidden = false;
    });
    return () => {
      changed.disconnect();
      unwatch();
    };
  }, []);

  useLayoutEffect(() => {
    asked.current = null;
    toEnd();
    return announce(spoken.current, frames);
  }, [thread]);

  const first = useRef(true);
  useEffect(() => {
    if (!first.current && sent) toEnd();
    first.current = false;
  }, [sent]);

  function scrolled() {
    anchor.current.scrolled();
    if (anchor.current.stuck) pill.current.hidden = true;
    askForOlder();
  }

  function showNew() {
    toEnd();
    view.current.focus({ preventScroll: true });
  }

  return (
    <div className={`ct-scroller ${className}`.trim()}>
      <div
        ref={view}
        className="ct-scroll"
        role="log"
        aria-label="Conversation"
        aria-live="off"
        tabIndex={0}
        style={{ overflowAnchor: "none" }}
        onScroll={scrolled}
      >
        <div ref={body} className="ct-scroll-body">
          {children}
        </div>
      </div>
      <button ref={pill} type="button" className="ct-new-text" hidden onClick={showNew}>
        New text
      </button>
      <div
        ref={spoken}
        className="ct-hidden"
        role="status"
        aria-label="Spoken answer"
        aria-live="polite"
        aria-atomic="false"
        aria-relevant="additions"
      />
    </div>
  );
}
