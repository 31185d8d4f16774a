// @ts-check
// When to work: at once for the first word, then no more often than the screen shows, and what can
// wait, when the page is idle.

const LATEST_MS = 300;
const SLICE_MS = 6;
const FRAME_MS = 16;

/**
 * Call `work` when the page is idle, and soon in any case.
 *
 * @param {() => void} work
 */
export function whenIdle(work) {
  if (typeof requestIdleCallback === "function") requestIdleCallback(work, { timeout: LATEST_MS });
  else setTimeout(work, 0);
}

/**
 * Calls `work` after `request()`, as often as the screen can show it and never so often that it
 * fills more than a quarter of the time.
 *
 * @param {() => void} work
 */
export function createThrottle(work, { frame = FRAME_MS, share = 4 } = {}) {
  let last = -Infinity; // milliseconds of performance.now()
  let cost = 0; // milliseconds
  let timer = 0;
  let animation = 0;

  function cancel() {
    clearTimeout(timer);
    cancelAnimationFrame(animation);
    timer = animation = 0;
  }

  function run() {
    cancel();
    const start = performance.now();
    work();
    last = performance.now();
    cost = last - start;
  }

  return {
    request() {
      if (timer) return;
      const wait = last + Math.max(frame, cost * share) - performance.now();
      if (wait <= 0) {
        run();
        return;
      }
      // A hidden tab gets no animation frames; the timer sees to it that the text is there.
      timer = setTimeout(run, Math.max(wait, 2 * frame));
      if (wait <= frame) animation = requestAnimationFrame(run);
    },
    cancel,
  };
}

/**
 * Does many pieces of work a few milliseconds at a time: what was requested last comes first, at
 * once, and the rest in the frames that follow.
 *
 * @returns {{request: (work: () => void) => void, cancel: (work: () => void) => void}}
 */
export function createSlices() {
  /** @type {Set<() => void>} */
  const waiting = new Set();
  let timer = 0;
  let animation = 0;
  let planned = false;

  function run() {
    clearTimeout(timer);
    cancelAnimationFrame(animation);
    planned = false;
    const until = performance.now() + SLICE_MS;
    for (const work of [...waiting].reverse()) {
      waiting.delete(work);
      work();
      if (performance.now() >= until) break;
    }
    if (waiting.size > 0) next();
  }

  function next() {
    planned = true;
    animation = requestAnimationFrame(run);
    // A hidden tab gets no animation frames.
    timer = setTimeout(run, 4 * FRAME_MS);
  }

  return {
    /** @param {() => void} work */
    request(work) {
      waiting.delete(work);
      waiting.add(work);
      if (planned) return;
      planned = true;
      queueMicrotask(run);
    },
    cancel: (work) => waiting.delete(work),
  };
}
