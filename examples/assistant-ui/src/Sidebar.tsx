import {
  ThreadListItemPrimitive,
  ThreadListPrimitive,
  useAui,
  useAuiState,
} from "@assistant-ui/react";
import { signOut, useSession } from "next-auth/react";
import { useEffect, useRef, useState } from "react";
import { useChanges } from "./changes";

const POLL_MS = 2000;

/** The list of threads, the archive, and who is signed in. */
export function Sidebar() {
  const { data: session } = useSession();
  const [isArchive, setIsArchive] = useState(false);
  const [isOpen, setIsOpen] = useState(false); // on a phone
  const openId = useAuiState((state) => state.threads.mainThreadId);
  // biome-ignore lint/correctness/useExhaustiveDependencies: when another thread is opened
  useEffect(() => setIsOpen(false), [openId]);
  useRefreshedList();
  return (
    <nav className="sidebar" aria-label="Chats" data-open={isOpen}>
      <button
        type="button"
        className="menu"
        aria-expanded={isOpen}
        onClick={() => setIsOpen(!isOpen)}
      >
        Chats
      </button>
      <ThreadListPrimitive.Root className="threads">
        <ThreadListPrimitive.New id={NEW} className="primary" onClick={() => setIsOpen(false)}>
          New chat
        </ThreadListPrimitive.New>
        <button type="button" aria-pressed={isArchive} onClick={() => setIsArchive(!isArchive)}>
          Archived
        </button>
        <ThreadListPrimitive.Items archived={isArchive}>
          {() => <Item isArchived={isArchive} />}
        </ThreadListPrimitive.Items>
        <ListStatus isArchive={isArchive} />
        <ThreadListPrimitive.LoadMore>Load more</ThreadListPrimitive.LoadMore>
      </ThreadListPrimitive.Root>
      <footer>
        <span>{session?.user?.email}</span>
        <button type="button" onClick={() => signOut({ redirect: false })}>
          Sign out
        </button>
      </footer>
    </nav>
  );
}

const NEW = "new-chat";
/** For what takes the focused row away. */
const focusNew = () => document.getElementById(NEW)?.focus();

/** Reads the list again when it has changed elsewhere, and while an answer is written elsewhere. */
function useRefreshedList() {
  const aui = useAui();
  useChanges(() => aui.threads.reload());
  const isAnyRunning = useAuiState(({ threads }) =>
    threads.threadItems.some(({ custom }) => custom?.running),
  );
  useEffect(() => {
    if (!isAnyRunning) return;
    const timer = setInterval(() => aui.threads.reload(), POLL_MS);
    return () => clearInterval(timer);
  }, [aui, isAnyRunning]);
}

/** What the list says when it has no rows. */
function ListStatus({ isArchive }: { isArchive: boolean }) {
  const aui = useAui();
  const { isLoading, loadError, threadIds, archivedThreadIds } = useAuiState(
    (state) => state.threads,
  );
  if (loadError)
    return (
      <div role="alert">
        Your chats can't be loaded.
        <button type="button" onClick={() => aui.threads.reload()}>
          Try again
        </button>
      </div>
    );
  if (isLoading || (isArchive ? archivedThreadIds : threadIds).length) return null;
  return <p>{isArchive ? "No archived chats." : "Your chats will appear here."}</p>;
}

function Item({ isArchived }: { isArchived: boolean }) {
  const [isRenaming, setIsRenaming] = useState(false);
  const title = useAuiState((state) => state.threadListItem.title) ?? "New chat";
  const isRunning = useAuiState(
    ({ threadListItem: { isRunning, custom } }) => isRunning || custom?.running === true,
  );
  const renameButton = useRef<HTMLButtonElement>(null);
  const isDone = useRef(false);
  useEffect(() => {
    if (isDone.current && !isRenaming) renameButton.current?.focus();
    isDone.current = isRenaming;
  }, [isRenaming]);
  if (isRenaming) return <Rename onDone={() => setIsRenaming(false)} />;
  return (
    <ThreadListItemPrimitive.Root className="thread">
      <ThreadListItemPrimitive.Trigger className="title">
        {title}
        {isRunning && <small> answering…</small>}
      </ThreadListItemPrimitive.Trigger>
      <button
        ref={renameButton}
        type="button"
        aria-label={`Rename ${title}`}
        onClick={() => setIsRenaming(true)}
      >
        Rename
      </button>
      {isArchived ? (
        <ThreadListItemPrimitive.Unarchive aria-label={`Unarchive ${title}`} onClick={focusNew}>
          Unarchive
        </ThreadListItemPrimitive.Unarchive>
      ) : (
        <ThreadListItemPrimitive.Archive aria-label={`Archive ${title}`} onClick={focusNew}>
          Archive
        </ThreadListItemPrimitive.Archive>
      )}
      <ThreadListItemPrimitive.Delete aria-label={`Delete ${title}`} onClick={focusNew}>
        Delete
      </ThreadListItemPrimitive.Delete>
    </ThreadListItemPrimitive.Root>
  );
}

function Rename({ onDone }: { onDone: () => void }) {
  const aui = useAui();
  const title = useAuiState((state) => state.threadListItem.title);
  const rename = (form: FormData) => {
    const name = String(form.get("title")).trim();
    if (name) void aui.threadListItem.rename(name);
    onDone();
  };
  return (
    <form className="thread" action={rename} onKeyDown={({ key }) => key === "Escape" && onDone()}>
      {/* biome-ignore lint/a11y/noAutofocus: it takes the place of the button that was pressed */}
      <input name="title" defaultValue={title} aria-label="Title" autoFocus onBlur={onDone} />
    </form>
  );
}
