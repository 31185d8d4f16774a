// @ts-check
// What the setup link leads to. Its token stands behind the `#`, which reaches no server and no log;
// this tab keeps it while the user signs in, and it is posted at a click.

import { useEffect, useState } from "react";
import { Link } from "react-router";
import { ActionForm } from "./forms.jsx";
import { accountRequest, leaving, request, useRequest } from "./request.jsx";

const KEPT = "chat-setup"; // in this tab alone

const takeToken = () => {
  const token = location.hash.slice(1);
  if (token) {
    sessionStorage.setItem(KEPT, token);
    history.replaceState(history.state, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT) ?? "";
};

/** @param {{action: string, session: string, path: string, problemId?: string}} props */
export const SetupLink = ({ action, session, path, problemId }) => {
  const back = `?callbackUrl=${encodeURIComponent(path)}`;
  const state = useRequest();
  const [email, setEmail] = useState(/** @type {string | null} */ (null)); // "" when signed out
  const [token, setToken] = useState("");

  const look = () =>
    state.run(async () => {
      const { data } = await request(session, { method: "GET" });
      setEmail(data?.user?.email ?? "");
    });

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page opens
  useEffect(() => {
    setToken(takeToken());
    look();
    // The link of a later start, opened in the same tab, changes nothing but what is behind the `#`.
    const take = () => setToken(takeToken());
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);

  const submit = () => {
    if (email === null) return look();
    return state.run(async () => {
      const { data } = await accountRequest(action, { json: { token } });
      sessionStorage.removeItem(KEPT);
      location.assign(data.url);
      return leaving();
    });
  };

  return (
    <ActionForm className="auth-form" state={state} problemId={problemId} onSubmit={submit}>
      {email === null && state.problem && (
        <button type="submit" className="button wide">
          Try again
        </button>
      )}
      {email !== null && !token && (
        <p className="hint">Open the full link that the server printed when it started.</p>
      )}
      {email && token && (
        <>
          <p className="email-lead">
            You are signed in as <strong>{email}</strong>
          </p>
          <button type="submit" className="button wide">
            Become the admin
          </button>
        </>
      )}
      {email === "" && token && (
        <>
          <p className="hint">Sign in or create your account first. You come back here.</p>
          <Link className="button wide" to={`/signup${back}`}>
            Create account
          </Link>
          <Link className="quiet-button wide" to={`/signin${back}`}>
            Sign in
          </Link>
        </>
      )}
    </ActionForm>
  );
};
