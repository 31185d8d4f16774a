// @ts-check
// The texts of running answers, kept outside React: a chunk costs its own length, never the text's.

/**
 * @typedef {[streamId: string, offset: number, text: string, status?: string]} Chunk A piece of a
 *   text, with a status at the end. Offsets and lengths count UTF-16 code units, as a JavaScript
 *   string does.
 *
 * @typedef {{text: string, ended: boolean, status: string, resyncing: boolean}} Entry `resyncing`: a resync
 *   was requested.
 *
 * @typedef {{grew: boolean, ended: boolean, status: string}} Change
 *
 * @typedef {ReturnType<typeof createChunkStore>} ChunkStore
 */

/**
 * @param {{keep?: number}} options How many texts that are shown no more are kept.
 */
export function createChunkStore({ keep = 8 } = {}) {
  /** @type {Map<string, Entry>} By stream id, the least recently changed first. */
  const entries = new Map();
  /** @type {Map<string, Set<() => void>>} By stream id. */
  const readers = new Map();
  /** @type {Set<(change: Change & {streamId: string}) => void>} */
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

  /**
   * @param {string} streamId
   * @param {Change} change
   */
  function publish(streamId, change) {
    for (const reader of [...(readers.get(streamId) ?? [])]) reader();
    for (const watcher of [...watchers]) watcher({ streamId, ...change });
  }

  return {
    /**
     * Take a chunk in.
     *
     * @param {Chunk | []} chunk
     * @returns {{streamId: string, have: number} | null} A resync to request: the chunk starts beyond
     *   what is here. Requested once until a chunk fits again.
     */
    receive(chunk) {
      if (!Array.isArray(chunk) || chunk.length < 3) return null;
      const [streamId, offset, text, status = ""] = /** @type {Chunk} */ (chunk);
      const known = entries.get(streamId);
      const entry = known ?? { text: "", ended: false, status: "", resyncing: false };
      const have = entry.text.length;
      entries.delete(streamId);
      entries.set(streamId, entry);
      forget();
      if (offset > have) {
        const ask = entry.resyncing ? null : { streamId, have };
        entry.resyncing = true;
        return ask;
      }
      entry.resyncing = false;
      const fresh = text.slice(have - offset);
      const ends = status !== "" && !entry.ended;
      if (!fresh && !ends && known) return null;
      entry.text += fresh;
      if (ends) Object.assign(entry, { ended: true, status });
      // A stored message arrives whole in one chunk; only a text that was seen growing ends.
      publish(streamId, {
        grew: fresh !== "",
        ended: ends && (have > 0 || entry.text === ""),
        status,
      });
      return null;
    },

    /**
     * @param {string} streamId
     * @returns {Entry | undefined}
     */
    get: (streamId) => entries.get(streamId),

    /**
     * Call `reader` after every change of one stream.
     *
     * @param {string} streamId
     * @param {() => void} reader
     * @returns {() => void} Stops it.
     */
    subscribe(streamId, reader) {
      const all = readers.get(streamId) ?? new Set();
      readers.set(streamId, all.add(reader));
      return () => {
        all.delete(reader);
        if (all.size === 0 && readers.get(streamId) === all) readers.delete(streamId);
      };
    },

    /**
     * Call `watcher` after every change of any stream.
     *
     * @param {(change: Change & {streamId: string}) => void} watcher
     * @returns {() => void} Stops it.
     */
    watch(watcher) {
      watchers.add(watcher);
      return () => {
        watchers.delete(watcher);
      };
    },

    /** Forget every text, and notify the readers. */
    clear() {
      const streamIds = [...entries.keys()];
      entries.clear();
      for (const streamId of streamIds)
        publish(streamId, { grew: false, ended: false, status: "" });
    },
  };
}

export const chunks = createChunkStore();
