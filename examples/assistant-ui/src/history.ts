import type { AssistantClient, ThreadHistoryAdapter } from "@assistant-ui/react";
import { call } from "./api";

type Row = { id: string; parent_id: string | null; format: string; content: never };
type Tree = { headId: string | null; messages: Row[]; run: { id: string } | null };

const path = (threadId: string) => `/api/threads/${encodeURIComponent(threadId)}/messages`;

/** The messages of a thread. The server stores each as it is sent and answered, so what the client
 * appends here is there already.
 *
 * @param item The thread.
 * @param onRun Called with the id of an answer that is still being written.
 */
export const createHistory = (
  item: AssistantClient["threadListItem"],
  onRun: (id: string) => void,
): ThreadHistoryAdapter => ({
  // The AI SDK's runtime uses `withFormat` alone.
  load: async () => ({ messages: [] }),
  append: async () => {},
  withFormat: (format) => ({
    async load() {
      const { remoteId } = item.getState();
      if (!remoteId) return { messages: [] };
      const query = new URLSearchParams({ format: format.format });
      const { headId, messages, run } = await call<Tree>("GET", `${path(remoteId)}?${query}`);
      if (run) onRun(run.id);
      return { headId, messages: messages.map((row) => format.decode(row)) };
    },
    async append({ parentId, message }) {
      const { remoteId } = await item.initialize();
      await call("POST", path(remoteId), {
        id: format.getId(message),
        parent_id: parentId,
        format: format.format,
        content: format.encode({ parentId, message }),
      });
    },
    async update({ parentId, message }, id) {
      const { remoteId } = await item.initialize();
      await call("PATCH", `${path(remoteId)}/${encodeURIComponent(id)}`, {
        parent_id: parentId,
        format: format.format,
        content: format.encode({ parentId, message }),
      });
    },
  }),
});
