import type { RemoteThreadListAdapter } from "@assistant-ui/react";
import { createAssistantStream } from "assistant-stream";
import { call } from "./api";
import { reported } from "./Notice";

type Row = {
  id: string;
  title: string;
  status: "regular" | "archived";
  lastMessageAt: string;
  running: boolean;
  custom: Record<string, unknown>;
};
type Page = { threads: Row[]; nextCursor: string | null };

/** `running` says whether an answer is being written, in this tab or elsewhere. */
const toMetadata = ({ id, title, status, lastMessageAt, running, custom }: Row) => ({
  remoteId: id,
  status,
  title: title || undefined,
  lastMessageAt: new Date(lastMessageAt),
  custom: { ...custom, running },
});

const path = (id: string) => `/api/threads/${encodeURIComponent(id)}`;
const change = (id: string, fields: object) => reported(call<void>("PATCH", path(id), fields));

/** The thread list of the signed-in user. A new user needs a new adapter. */
export const createThreadListAdapter = (): RemoteThreadListAdapter => ({
  async list({ after } = {}) {
    const query = new URLSearchParams({ status: "all", limit: "30", ...(after && { after }) });
    const { threads, nextCursor } = await call<Page>("GET", `/api/threads?${query}`);
    return { threads: threads.map(toMetadata), nextCursor: nextCursor ?? undefined };
  },
  async initialize(localId, { custom } = {}) {
    const { id } = await call<{ id: string }>("POST", "/api/threads", { localId });
    if (custom) await change(id, { custom });
    return { remoteId: id };
  },
  async fetch(remoteId) {
    return toMetadata(await call<Row>("GET", path(remoteId)));
  },
  rename: (remoteId, title) => change(remoteId, { title }),
  updateCustom: (remoteId, { running: _, ...custom } = {}) => change(remoteId, { custom }),
  archive: (remoteId) => change(remoteId, { status: "archived" }),
  unarchive: (remoteId) => change(remoteId, { status: "regular" }),
  delete: (remoteId) => reported(call<void>("DELETE", path(remoteId))),
  async generateTitle(remoteId, messages) {
    return createAssistantStream(async (controller) => {
      const url = `${path(remoteId)}/title`;
      const { title } = await call<{ title: string }>("POST", url, { messages });
      controller.appendText(title);
    });
  },
});
