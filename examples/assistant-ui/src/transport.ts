import { AssistantChatTransport } from "@assistant-ui/react-ai-sdk";
import type { UIMessage } from "ai";
import { API, request } from "./api";

/** Holds the answer to resume. The server tells which, so that it works on every device, and nothing
 * is left in the browser. */
export function createRunStorage() {
  let current: string | null = null;
  let retries = 0;
  const listeners = new Set<() => void>();
  const set = (id: string | null) => {
    current = id;
    for (const listener of listeners) listener();
  };
  return {
    getStreamId: () => current,
    setStreamId: (id: string) => set(id),
    clear: () => set(null),
    /** Resume once more: the runtime resumes each id once, and the server ignores the query. */
    retry() {
      if (current) set(`${current.split("?")[0]}?retry=${++retries}`);
    },
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** A question that the server did not take, and why. */
export class RefusedQuestion extends Error {}

/** The transport of one thread.
 *
 * @param storage Where the answer to resume is held.
 * @param onSend Called with whether an answer is regenerated.
 */
export function createTransport(
  storage: ReturnType<typeof createRunStorage>,
  onSend: (isRegenerated: boolean) => void,
) {
  let isQuestion = false;
  return new AssistantChatTransport<UIMessage>({
    api: `${API}/api/chat`,
    prepareSendMessagesRequest({ id, body, messages, trigger, messageId }) {
      isQuestion = trigger === "submit-message";
      onSend(!isQuestion);
      // The server has the rest; the message before says where the last one belongs.
      return { body: { ...body, id, messages: messages.slice(-2), trigger, messageId } };
    },
    async fetch(input, init) {
      try {
        return await request(input, init);
      } catch (error) {
        if (init?.method !== "POST" || !isQuestion || init.signal?.aborted) throw error;
        throw new RefusedQuestion((error as Error).message);
      }
    },
    resumable: {
      storage,
      resumeApi: (streamId) => `${API}/api/chat/resume/${streamId}`,
      isFinishEvent: (_chunk, received) => received.includes("data: [DONE]"),
    },
  });
}
