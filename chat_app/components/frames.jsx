// The texts of running answers, kept outside React: a frame costs its own length, never the text's.
//
// A frame is [run, offset, text], or [run, offset, text, status] at the end. Offsets and lengths
// count UTF-16 code units, which is what a JavaScript string counts.

/**
 * @param {{keep?: number}} options How many texts that nobody shows any more are kept.
 */
export function createFrameStore({ keep = 8 } = {}) {
  const entries = new Map(); // run -> { text, ended, status, asked }, oldest news first
  const readers = new Map(); // run -> Set of functions
  const watchers = new Set();

  function forget() {
    let spare = 0;
    for (const run of entries.keys()) spare += readers.has(run) ? 0 : 1;
    for (const run of entries.keys()) {
      if (spare <= keep) return;
      if (readers.has(run)) continue;
      entries.delete(run);
      spare -= 1;
    }
  }

  function tell(run, news) {
    for (const reader of [...(readers.get(run) ?? [])]) reader();
    for (const watcher of [...watchers]) watcher({ run, ...news });
  }

  return {
    /**
     * Take a frame in.
     *
     * @returns {{run: string, have: number} | null} What to ask the server for: the frame starts
     *   beyond what is here. Asked once until a frame fits again.
     */
    receive(frame) {
      if (!Array.isArray(frame) || frame.length < 3) return null;
      const [run, offset, text, status = ""] = frame;
      const known = entries.get(run);
      const entry = known ?? { text: "", ended: false, status: "", asked: false };
      const have = entry.text.length;
      entries.delete(run);
      entries.set(run, entry);
      forget();
      if (offset > have) {
        const ask = entry.asked ? null : { run, have };
        entry.asked = true;
        return ask;
      }
      entry.asked = false;
      const fresh = text.slice(have - offset);
      const ends = status !== "" && !entry.ended;
      if (!fresh && !ends && known) return null;
      entry.text += fresh;
      if (ends) Object.assign(entry, { ended: true, status });
      // A settled message arrives whole in one frame; only what was seen growing "finishes".
      tell(run, { grew: fresh !== "", ended: ends && (have > 0 || entry.text === ""), status });
      return null;
    },

    /** @returns {{text: string, ended: boolean, status: string} | undefined} */
    get: (run) => entries.get(run),

    /** Call `reader` after every change of one run; returns the function that stops it. */
    subscribe(run, reader) {
      if (!readers.has(run)) readers.set(run, new Set());
      readers.get(run).add(reader);
      return () => {
        readers.get(run)?.delete(reader);
        if (readers.get(run)?.size === 0) readers.delete(run);
      };
    },

    /** Call `watcher({run, grew, ended, status})` after every change of any run. */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },

    /** Forget every text; who shows one is told. */
    clear() {
      const runs = [...entries.keys()];
      entries.clear();
      for (const run of runs) tell(run, { grew: false, ended: false, status: "" });
    },
  };
}

export const frames = createFrameStore();
