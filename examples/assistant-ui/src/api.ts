import { getSession } from "next-auth/react";
import { announce } from "./changes";

/** The origin of the server; empty when it serves this page itself. */
export const API = document.querySelector<HTMLMetaElement>("meta[name=api]")?.content ?? "";

if (API) {
  // Cookies go to another host only when asked for, and next-auth has no option for it.
  const plain = window.fetch;
  window.fetch = (input, init) => plain(input, { ...init, credentials: "include" });
}

/** `fetch` that tells the other tabs of a change, and throws a sentence for what is no success.
 *
 * After a 401 every tab looks at its session again.
 */
export const request: typeof fetch = async (input, init) => {
  const response = await fetch(input, init).catch((error) => {
    if (!(error instanceof TypeError)) throw error;
    // The AI SDK knows a lost connection by the word "network".
    throw new TypeError("The server can't be reached. Check your network connection.");
  });
  if (response.status === 401) await getSession();
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    const sentence = problem?.detail ?? `The server answered ${response.status}.`;
    throw Object.assign(new Error(sentence), { code: problem?.code });
  }
  if (init?.method && init.method !== "GET") announce();
  return response;
};

/** Call a route of the server and read its JSON. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await request(API + path, {
    method,
    ...(body !== undefined && {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  const text = await response.text();
  return text && JSON.parse(text);
}
