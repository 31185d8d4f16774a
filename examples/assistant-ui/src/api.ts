import { getSession } from "next-auth/react";

/** The origin of the server; empty when it serves this page itself. */
export const API = document.querySelector<HTMLMetaElement>("meta[name=api]")?.content ?? "";

if (API) {
  // Cookies go to another host only when asked for, and next-auth has no option for it.
  const plain = window.fetch;
  window.fetch = (input, init) => plain(input, { ...init, credentials: "include" });
}

/** `fetch` for the chat: a 401 makes every tab look at its session again. */
export const chatFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (response.status === 401) await getSession();
  return response;
};

/** Call a route of the server and read its JSON. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await chatFetch(API + path, {
    method,
    ...(body !== undefined && {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  const text = await response.text();
  const data = text ? JSON.parse(text) : undefined;
  if (!response.ok) throw new Error(data?.message ?? response.statusText);
  return data;
}
