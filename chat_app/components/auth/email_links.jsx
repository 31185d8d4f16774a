// @ts-check
// What the link of an email leads to. Its token stands behind the `#`, which reaches no server, no
// log and no other site; it is posted after a click, and then it leaves the URL too. This tab keeps it
// while the user signs in.

import { useEffect, useRef, useState } from "react";
import { Link, useLocation } from "react-router";
import { ActionForm } from "./forms.jsx";
import {
  accountRequest,
  authRequest,
  fieldsOf,
  leaving,
  OFFLINE,
  RequestError,
  request,
  useRequest,
} from "./request.jsx";
import { onPageHide, signedIn, signedOut } from "./session.jsx";

const REMEMBER = "Keep me signed in on this device";
const USED = "Verification"; // the `?error=` code of a link that is used up, or was never valid
const NEEDS_PASSWORD =
  "You asked for this in another browser. Enter the password that you chose there.";
const NEEDS_SESSION = "Sign in as the user who asked for this link. You come back here.";
const NEEDS_OTHER = "This link is for another user: sign out, then sign in as that user.";
const INVITATION_OVER =
  "This invitation was accepted or revoked, or has expired. Ask for a new one.";
const NO_TOKEN = "Open the whole link again.";

const KEPT = "chat-email-link"; // in this tab alone
const HERE = "/confirm";
const BACK = `?callbackUrl=${encodeURIComponent(HERE)}`;

/**
 * @type {Record<string, {lead: string, button: string, signsIn?: boolean, needsSession?: string}>}
 * By purpose.
 */
const TEXTS = {
  sign_in_link: { lead: "You will be signed in as", button: "Sign in", signsIn: true },
  sign_up: { lead: "Your account will be created for", button: "Create account", signsIn: true },
  verify_email: { lead: "Confirm that this is your email:", button: "Confirm" },
  change_email: { lead: "Your email will change to", button: "Use this email" },
  invitation: {
    lead: "This invitation to an organisation is for",
    button: "Join the organisation",
    needsSession: "Sign in with this email, or create an account for it. You come back here.",
  },
  reset_password: { lead: "New password for", button: "Change password" },
};

const tokenInUrl = () => location.hash.slice(1);
/** The token in the URL, else the one that this tab has kept, which it forgets. */
const takeToken = () => {
  const kept = sessionStorage.getItem(KEPT) ?? "";
  sessionStorage.removeItem(KEPT);
  return tokenInUrl() || kept;
};
const removeTokenFromUrl = () => history.replaceState(history.state, "", location.pathname);

// The link of another email, opened in the same tab, changes nothing but what is behind the `#`.
const useReloadOnNewToken = () =>
  useEffect(() => {
    const reload = () => {
      if (tokenInUrl()) location.reload();
    };
    addEventListener("hashchange", reload);
    return () => removeEventListener("hashchange", reload);
  }, []);

/**
 * Shows its second child when the query of the URL has a parameter, else its first.
 *
 * @param {{parameter: string, children: import("react").ReactNode[]}} props
 */
export const IfQuery = ({ parameter, children }) => {
  const { search } = useLocation();
  const [isThere, setIsThere] = useState(false);
  useEffect(() => setIsThere(new URLSearchParams(search).has(parameter)), [search, parameter]);
  return children[isThere ? 1 : 0];
};

/**
 * Shows what the link of an email will do, and does it at a click. Its child is a password field, for
 * a new password, or for a link that was opened in another browser.
 *
 * @param {{
 *   lookup: string,
 *   actions: Record<string, string>,
 *   messages: Record<string, string>,
 *   purpose?: string,
 *   session?: string,
 *   signOut?: string,
 *   problemId?: string,
 *   children?: import("react").ReactNode,
 * }} props `lookup` is the route that tells what a token is for; `actions` are the routes by purpose;
 *   `purpose` is that of a token that doesn't begin with it. `session` and `signOut` are the routes
 *   that say who is signed in, and sign out, for links that need another user.
 */
export const EmailLink = ({ lookup, actions, messages, purpose: given, ...props }) => {
  const { session, signOut, problemId, children } = props;
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const [token, setToken] = useState("");
  const [found, setFound] = useState(
    /** @type {{email: string, needs?: string, callbackUrl?: string} | null} */ (null),
  );
  const state = useRequest();
  const [signedInAs, setSignedInAs] = useState("");
  const purpose = token.split(".", 1)[0];
  const isInvitation = purpose === "invitation";
  const texts = TEXTS[purpose];
  useReloadOnNewToken();

  /** @param {string} inUrl */
  const look = (inUrl) =>
    state.run(async () => {
      const body = new URLSearchParams({ token: inUrl });
      const { data } = await request(lookup, { body }).catch((error) => {
        const isOver = error instanceof RequestError && error.code === "invalid_token";
        throw isOver && inUrl.startsWith("invitation.") ? new RequestError(INVITATION_OVER) : error;
      });
      if (data.needs === "session" && session) {
        sessionStorage.setItem(KEPT, inUrl);
        setSignedInAs((await request(session, { method: "GET" })).data?.user?.email ?? "");
      }
      setFound(data);
    });

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the page opens
  useEffect(() => {
    const taken = given ? `${given}.${tokenInUrl()}` : takeToken();
    setToken(taken);
    if (taken) look(taken);
    else state.setProblem(NO_TOKEN);
  }, []);

  // The back button must not bring back a password.
  useEffect(() => onPageHide(() => form.current?.reset()), []);

  const leave = () =>
    state.run(async () => {
      const url = await authRequest(signOut ?? "", new URLSearchParams({ callbackUrl: HERE }), {});
      signedOut();
      location.assign(url);
      return leaving();
    });

  /** @param {HTMLFormElement} submitted */
  const submit = (submitted) => {
    if (!found) return look(token);
    if (found.needs === "session") return leave();
    const fields = fieldsOf(submitted);
    removeTokenFromUrl();
    return state.run(async () => {
      if (isInvitation) {
        const { data } = await accountRequest(actions[purpose], {
          json: { token: token.slice(purpose.length + 1) },
        });
        location.assign(`/?joined=${encodeURIComponent(data.id)}`);
        return leaving();
      }
      const url = await authRequest(actions[purpose], fields, messages).catch((error) => {
        if (error instanceof RequestError && error.code === USED) setFound(null);
        throw error;
      });
      if (texts.signsIn) signedIn(url);
      else location.assign(url);
      return leaving();
    });
  };

  /** Signing in first, as the user of the link. */
  const otherUser = () => {
    if (!signedInAs)
      return (
        <>
          <p className="hint">{texts.needsSession ?? NEEDS_SESSION}</p>
          <Link className="button wide" to={`/signin${BACK}`}>
            Sign in
          </Link>
          {isInvitation && (
            <Link className="quiet-button wide" to={`/signup${BACK}`}>
              Create account
            </Link>
          )}
        </>
      );
    return (
      <>
        <p className="hint">
          You are signed in as <strong>{signedInAs}</strong>. {NEEDS_OTHER}
        </p>
        <button type="submit" className="button wide">
          Sign out
        </button>
      </>
    );
  };

  const shown = (
    <ActionForm
      ref={form}
      method="post"
      action={actions[purpose]}
      className="auth-form"
      state={state}
      problemId={problemId}
      onSubmit={submit}
    >
      {!found && state.problem === OFFLINE && (
        <button type="submit" className="button wide">
          Try again
        </button>
      )}
      {found && (
        <>
          <input type="hidden" name="token" value={token} />
          {found.callbackUrl && (
            <input type="hidden" name="callbackUrl" value={found.callbackUrl} />
          )}
          <p className="email-lead">
            {texts.lead} <strong>{found.email}</strong>
          </p>
          {found.needs === "session" && otherUser()}
          {found.needs === "password" && (
            <>
              {purpose === "sign_up" && <p className="hint">{NEEDS_PASSWORD}</p>}
              {children}
            </>
          )}
          {found.needs !== "session" && (
            <>
              {texts.signsIn && (
                <label className="check">
                  <input type="checkbox" name="remember" value="1" />
                  <span>{REMEMBER}</span>
                </label>
              )}
              <button type="submit" className="button wide">
                {texts.button}
              </button>
            </>
          )}
        </>
      )}
    </ActionForm>
  );
  if (given || (isInvitation && found?.needs === "session" && !signedInAs)) return shown;
  return (
    <>
      {shown}
      <p className="otherwise">
        {isInvitation ? (
          <Link to="/">Go to your chats</Link>
        ) : (
          <>
            Link expired? <Link to="/signin">Start over</Link>
          </>
        )}
      </p>
    </>
  );
};
