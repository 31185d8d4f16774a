// The texts of running answers, kept outside React: a chunk costs its own length, never the text's.
//
// A chunk is [streamId, offset, text], or [streamId, offset, text, status] at the end. Offsets and lengths
// count UTF-16 code units, which is what a JavaScript string counts.

/**
 * @param {{keep?: number}} options How many texts that nobody shows any more are kept.
 */
export function createChunkStore({ keep = 8 } = {}) {
  const entries = new Map(); // streamId -> { text, ended, status, asked }, oldest news first
  const readers = new Map(); // streamId -> Set of functions
  const watchers = new Set();

  function forget() {
    let spare = 0;
    for (const streamId of entries.keys()) spare += readers.has(streamId) ? 0 : 1;
    for (const streamId of entries.keys()) {
      if (spare <= keep) return;
      if (readers.has(streamId)) continue;
      entries.delete(streamId);
      spare -= 1;
    }
  }

  function tell(streamId, news) {
    for (const reader of [...(readers.get(streamId) ?? [])]) reader();
    for (const watcher of [...watchers]) watcher({ streamId, ...news });
  }

  return {
    /**
     * Take a chunk in.
     *
     * @returns {{streamId: string, have: number} | null} What to ask the server for: the chunk starts
     *   beyond what is here. Asked once until a chunk fits again.
     */
    receive(chunk) {
      if (!Array.isArray(chunk) || chunk.length < 3) return null;
      const [streamId, offset, text, status = ""] = chunk;
      const known = entries.get(streamId);
      const entry = known ?? { text: "", ended: false, status: "", asked: false };
      const have = entry.text.length;
      entries.delete(streamId);
      entries.set(streamId, entry);
      forget();
      if (offset > have) {
        const ask = entry.asked ? null : { streamId, have };
        entry.asked = true;
        return ask;
      }
      entry.asked = false;
      const fresh = text.slice(have - offset);
      const ends = status !== "" && !entry.ended;
      if (!fresh && !ends && known) return null;
      entry.text += fresh;
      if (ends) Object.assign(entry, { ended: true, status });
      // A settled message arrives whole in one chunk; only what was seen growing "finishes".
      tell(streamId, { grew: fresh !== "", ended: ends && (have > 0 || entry.text === ""), status });
      return null;
    },

    /** @returns {{text: string, ended: boolean, status: string} | undefined} */
    get: (streamId) => entries.get(streamId),

    /** Call `reader` after every change of one streamId; returns the function that stops it. */
    subscribe(streamId, reader) {
      if (!readers.has(streamId)) readers.set(streamId, new Set());
      readers.get(streamId).add(reader);
      return () => {
        readers.get(streamId)?.delete(reader);
        if (readers.get(streamId)?.size === 0) readers.delete(streamId);
      };
    },

    /** Call `watcher({streamId, grew, ended, status})` after every change of any streamId. */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },

    /** Forget every text; who shows one is told. */
    clear() {
      const streamIds = [...entries.keys()];
      entries.clear();
      for (const streamId of streamIds) tell(streamId, { grew: false, ended: false, status: "" });
    },
  };
}

export const chunks = createChunkStore();
