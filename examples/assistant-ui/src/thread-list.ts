import type { RemoteThreadListAdapter } from "@assistant-ui/react";
import { createAssistantStream } from "assistant-stream";
import { call } from "./api";

type Row = {
  id: string;
  title: string;
  status: "regular" | "archived";
  lastMessageAt: string;
  custom: Record<string, unknown>;
};
type Page = { threads: Row[]; nextCursor: string | null };

const toMetadata = ({ id, title, status, lastMessageAt, custom }: Row) => ({
  remoteId: id,
  status,
  title: title || undefined,
  lastMessageAt: new Date(lastMessageAt),
  custom,
});

const path = (id: string) => `/api/threads/${encodeURIComponent(id)}`;

/** The thread list of the signed-in user. A new user needs a new adapter. */
export const createThreadListAdapter = (): RemoteThreadListAdapter => ({
  async list({ after } = {}) {
    const query = new URLSearchParams({ status: "all", limit: "30", ...(after && { after }) });
    const { threads, nextCursor } = await call<Page>("GET", `/api/threads?${query}`);
    return { threads: threads.map(toMetadata), nextCursor: nextCursor ?? undefined };
  },
  async initialize(localId, { custom } = {}) {
    const { id } = await call<{ id: string }>("POST", "/api/threads", { localId });
    if (custom) await call("PATCH", path(id), { custom });
    return { remoteId: id };
  },
  async fetch(remoteId) {
    return toMetadata(await call<Row>("GET", path(remoteId)));
  },
  rename: (remoteId, title) => call("PATCH", path(remoteId), { title }),
  updateCustom: (remoteId, custom) => call("PATCH", path(remoteId), { custom: custom ?? null }),
  archive: (remoteId) => call("PATCH", path(remoteId), { status: "archived" }),
  unarchive: (remoteId) => call("PATCH", path(remoteId), { status: "regular" }),
  delete: (remoteId) => call("DELETE", path(remoteId)),
  async generateTitle(remoteId, messages) {
    return createAssistantStream(async (controller) => {
      const url = `${path(remoteId)}/title`;
      const { title } = await call<{ title: string }>("POST", url, { messages });
      controller.appendText(title);
    });
  },
});
