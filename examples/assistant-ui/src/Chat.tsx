import {
  AssistantRuntimeProvider,
  useAui,
  useAuiState,
  useRemoteThreadListRuntime,
} from "@assistant-ui/react";
import { useChatRuntime } from "@assistant-ui/react-ai-sdk";
import { useEffect, useRef, useState } from "react";
import { call } from "./api";
import { announce, useChanges } from "./changes";
import { createHistory, readTree } from "./history";
import { Notice, reported } from "./Notice";
import { Sidebar } from "./Sidebar";
import { Thread } from "./Thread";
import { createThreadListAdapter } from "./thread-list";
import { createRunStorage, createTransport } from "./transport";

const RETRY_MS = 2000;

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
      <header>
        <h1>Chat</h1>
      </header>
      <Sidebar />
      <main>
        <Notice />
        <Thread />
      </main>
    </AssistantRuntimeProvider>
  );
}

/** The runtime of one thread: its messages, and an answer that is being written, are the server's. */
function useThreadRuntime() {
  const aui = useAui();
  const isRegenerated = useRef(false);
  const [{ history, storage, transport }] = useState(() => {
    const storage = createRunStorage();
    const history = createHistory(aui.threadListItem, storage.setStreamId);
    const transport = createTransport(storage, (isAgain) => {
      isRegenerated.current = isAgain;
    });
    return { history, storage, transport };
  });
  const [isCut, setIsCut] = useState(false);
  const runtime = useChatRuntime({
    transport,
    adapters: { history },
    onError: (error) => setIsCut(error instanceof TypeError),
    onFinish({ isError }) {
      announce();
      void aui.threads.reload();
      if (isError) return;
      setIsCut(false);
      // The runtime forgets the other versions of an answer that was loaded.
      if (isRegenerated.current) show(true);
    },
    unstable_onBranchChange({ headId }) {
      const { remoteId } = aui.threadListItem.getState();
      if (!remoteId || !headId) return;
      const path = `/api/threads/${encodeURIComponent(remoteId)}`;
      reported(call("PATCH", path, { head: headId })).catch(() => {});
    },
  });

  // The answer goes on without this page; when the network is back, it is read from its beginning.
  useEffect(() => {
    if (!isCut) return;
    const timer = setInterval(storage.retry, RETRY_MS);
    return () => clearInterval(timer);
  }, [isCut, storage]);

  const isOpen = useAuiState(
    ({ threads, threadListItem }) => threads.mainThreadId === threadListItem.id,
  );
  const read = async (isAll: boolean) => {
    const { remoteId } = aui.threadListItem.getState();
    const look = () => {
      const { isLoading, isRunning, messages } = runtime.thread.getState();
      return {
        isBusy: isLoading || isRunning || (isCut && !isAll),
        ids: messages.map(({ id }) => id),
      };
    };
    const before = look();
    if (!remoteId || !isOpen || (before.isBusy && !isAll)) return;
    const { run, ...tree } = await readTree(remoteId);
    const { isBusy, ids } = look();
    if (isBusy || ids.at(-1) !== (isAll ? tree.headId : before.ids.at(-1))) return;
    if (isAll || !ids.includes(String(tree.headId))) runtime.thread.importExternalState(tree);
    if (run) storage.setStreamId(run.id);
  };
  /** Show what another tab or device has added, or all that the server has. A change that comes in
   * between is not undone, and what fails is tried again at the next change. */
  const show = (isAll = false) => void read(isAll).catch(() => {});
  useChanges(() => show());
  // biome-ignore lint/correctness/useExhaustiveDependencies: when the thread is opened again
  useEffect(() => show(), [isOpen]);
  return runtime;
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
