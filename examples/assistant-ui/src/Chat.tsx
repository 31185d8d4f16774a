import { AssistantRuntimeProvider, useAui, useRemoteThreadListRuntime } from "@assistant-ui/react";
import { AssistantChatTransport, useChatRuntime } from "@assistant-ui/react-ai-sdk";
import { useEffect, useState } from "react";
import { API, chatFetch } from "./api";
import { createHistory } from "./history";
import { Sidebar } from "./Sidebar";
import { Thread } from "./Thread";
import { createThreadListAdapter } from "./thread-list";

/** Everything of one user. It must be mounted anew for another one: give it a `key`. */
export function Chat() {
  const [adapter] = useState(createThreadListAdapter);
  const [threadId, setThreadId] = useThreadInUrl();
  const runtime = useRemoteThreadListRuntime({
    runtimeHook: useThreadRuntime,
    adapter,
    threadId,
    onThreadIdChange: setThreadId,
  });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Sidebar />
      <Thread />
    </AssistantRuntimeProvider>
  );
}

/** The runtime of one thread: its messages, and an answer that is being written, are the server's. */
function useThreadRuntime() {
  const aui = useAui();
  const [{ history, transport }] = useState(() => {
    const storage = createRunStorage();
    const transport = new AssistantChatTransport({
      api: `${API}/api/chat`,
      fetch: chatFetch,
      resumable: {
        storage,
        resumeApi: (streamId) => `${API}/api/chat/resume/${streamId}`,
        isFinishEvent: (_chunk, received) => received.includes("data: [DONE]"),
      },
    });
    return { history: createHistory(aui.threadListItem, storage.setStreamId), transport };
  });
  return useChatRuntime({ transport, adapters: { history } });
}

/** Holds the answer to resume. The server tells which, so that it works on every device, and nothing
 * is left in the browser. */
function createRunStorage() {
  let current: string | null = null;
  const listeners = new Set<() => void>();
  const set = (id: string | null) => {
    current = id;
    for (const listener of listeners) listener();
  };
  return {
    getStreamId: () => current,
    setStreamId: (id: string) => set(id),
    clear: () => set(null),
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The open thread, as `?thread=` in the address; it goes with the user. */
function useThreadInUrl() {
  const [threadId, setThreadId] = useState(
    () => new URLSearchParams(location.search).get("thread") ?? undefined,
  );
  useEffect(() => {
    history.replaceState(null, "", threadId ? `?thread=${threadId}` : location.pathname);
  }, [threadId]);
  useEffect(() => () => history.replaceState(null, "", location.pathname), []);
  return [threadId, setThreadId] as const;
}
