import type { AssistantClient, ThreadHistoryAdapter } from "@assistant-ui/react";
import type { UIMessage } from "ai";
import { call } from "./api";
import { reported } from "./Notice";

type Row = { id: string; parent_id: string | null; format: string; content: Omit<UIMessage, "id"> };
type Tree = { headId: string | null; messages: Row[]; run: { id: string } | null };

/** The messages of a thread, of all branches, and the answer that is being written. */
export async function readTree(threadId: string) {
  const path = `/api/threads/${encodeURIComponent(threadId)}/messages?format=ai-sdk/v6`;
  const { headId, messages, run } = await call<Tree>("GET", path);
  const items = messages.map((row) => ({
    parentId: row.parent_id,
    message: { id: row.id, ...row.content },
  }));
  return { headId, messages: items, run };
}

/** The history of a thread. The server stores each message as it is sent and answered, so there is
 * nothing to append: a question that it has refused must not be there.
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
  withFormat: () => ({
    async load() {
      const { remoteId } = item.getState();
      if (!remoteId) return { messages: [] };
      const { run, ...tree } = await reported(readTree(remoteId));
      if (run) onRun(run.id);
      return tree as never; // its format is the only one
    },
    append: async () => {},
  }),
});
