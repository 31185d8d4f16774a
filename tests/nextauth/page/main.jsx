// A page of somebody else's program: Auth.js's own client, unmodified, and nothing of ours.
// What it saw stays in the tab's storage, so that it outlives the reloads that the client makes.

import {
  getCsrfToken,
  getProviders,
  SessionProvider,
  signIn,
  signOut,
  useSession,
} from "next-auth/react";
import { createRoot } from "react-dom/client";

// Where the server is another host of the same site, its cookie must be asked for.
const API = document.querySelector("meta[name=api]")?.content ?? "";
if (API) {
  const plain = window.fetch;
  window.fetch = (url, options) => plain(url, { credentials: "include", ...options });
}

const KEY = "statuses";
const seen = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
const see = (status) => {
  if (seen().at(-1) !== status) sessionStorage.setItem(KEY, JSON.stringify([...seen(), status]));
};

window.lab = { getCsrfToken, getProviders, seen, signIn, signOut };

function Who({ required }) {
  const { data, status, update } = useSession({ required });
  see(status);
  window.lab.update = update;
  return (
    <main data-status={status}>
      <p id="who">{data?.user?.email ?? "nobody"}</p>
    </main>
  );
}

createRoot(document.getElementById("root")).render(
  <SessionProvider basePath={`${API}/api/auth`}>
    <Who required={location.pathname === "/required"} />
  </SessionProvider>,
);
