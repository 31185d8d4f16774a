import {
  ThreadListItemPrimitive,
  ThreadListPrimitive,
  useAui,
  useAuiState,
} from "@assistant-ui/react";
import { signOut, useSession } from "next-auth/react";
import { useState } from "react";

/** The list of threads, the archive, and who is signed in. */
export function Sidebar() {
  const { data: session } = useSession();
  const [isArchive, setIsArchive] = useState(false);
  return (
    <nav className="sidebar" aria-label="Chats">
      <ThreadListPrimitive.Root className="threads">
        <ThreadListPrimitive.New className="primary">New chat</ThreadListPrimitive.New>
        <button type="button" aria-pressed={isArchive} onClick={() => setIsArchive(!isArchive)}>
          Archived
        </button>
        <ThreadListPrimitive.Items archived={isArchive}>
          {() => <Item isArchived={isArchive} />}
        </ThreadListPrimitive.Items>
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

function Item({ isArchived }: { isArchived: boolean }) {
  const [isRenaming, setIsRenaming] = useState(false);
  if (isRenaming) return <Rename onDone={() => setIsRenaming(false)} />;
  return (
    <ThreadListItemPrimitive.Root className="thread">
      <ThreadListItemPrimitive.Trigger className="title">
        <ThreadListItemPrimitive.Title fallback="New chat" />
      </ThreadListItemPrimitive.Trigger>
      <button type="button" onClick={() => setIsRenaming(true)}>
        Rename
      </button>
      {isArchived ? (
        <ThreadListItemPrimitive.Unarchive>Unarchive</ThreadListItemPrimitive.Unarchive>
      ) : (
        <ThreadListItemPrimitive.Archive>Archive</ThreadListItemPrimitive.Archive>
      )}
      <ThreadListItemPrimitive.Delete>Delete</ThreadListItemPrimitive.Delete>
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
