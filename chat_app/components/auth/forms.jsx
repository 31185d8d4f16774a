// @ts-check
// The form element around every request, its alert, and the form that signs out.

import { useEffect, useRef, useState } from "react";
import { authRequest, callbackUrl, fieldsOf, localPath, OFFLINE, useRequest } from "./request.jsx";
import { signedOut } from "./session.jsx";

/**
 * The alert of a form; it is always there, so that a screen reader notices a change.
 *
 * @param {{
 *   id?: string,
 *   className?: string,
 *   children?: import("react").ReactNode,
 *   ref?: import("react").Ref<HTMLParagraphElement>,
 * }} props
 */
export const Problem = ({ id, className = "problem", children, ref }) => (
  <p ref={ref} id={id || undefined} className={className} role="alert">
    {children}
  </p>
);

const SLOW_MS = 3000;

/**
 * That a request takes long, as a sign-in does after many failed ones from the same network.
 *
 * @param {{busy: boolean}} props
 */
const Slow = ({ busy }) => {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = busy ? setTimeout(() => setSlow(true), SLOW_MS) : undefined;
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [busy]);
  return (
    <p className="slow" aria-live="polite">
      {slow && "This is taking longer than usual. Please wait."}
    </p>
  );
};

/**
 * The form element of all requests: the problem above, the fields, and what was done below. Its
 * fields are disabled while a request runs.
 *
 * @param {Omit<import("react").ComponentProps<"form">, "onSubmit" | "hidden"> & {
 *   state: import("./request.jsx").RequestState,
 *   onSubmit: (form: HTMLFormElement) => void,
 *   problemId?: string,
 *   hidden?: import("react").ReactNode,
 *   done?: string,
 * }} props `hidden` are fields that stay enabled; `done` is the message after a success, "" until then.
 */
export const ActionForm = ({ state, onSubmit, problemId, hidden, done, children, ...props }) => {
  const fields = useRef(/** @type {HTMLFieldSetElement | null} */ (null));
  const problem = useRef(/** @type {HTMLParagraphElement | null} */ (null));
  const focused = useRef(/** @type {HTMLElement | null} */ (null)); // when it was sent

  // A disabled field has lost the focus, and it may be gone.
  useEffect(() => {
    if (state.busy) return;
    const had = focused.current;
    focused.current = null;
    if (!had || document.activeElement !== document.body) return;
    if (had.isConnected) had.focus();
    else if (problem.current?.textContent) {
      problem.current.tabIndex = -1;
      problem.current.focus();
    }
  }, [state.busy]);

  /** @param {import("react").SyntheticEvent<HTMLFormElement>} event */
  const submit = (event) => {
    event.preventDefault();
    const { activeElement } = document;
    const isField = activeElement instanceof HTMLElement && fields.current?.contains(activeElement);
    focused.current = isField ? activeElement : null;
    onSubmit(event.currentTarget);
  };
  return (
    <form
      data-sending={state.busy || undefined}
      aria-busy={state.busy}
      {...props}
      onSubmit={submit}
    >
      {hidden}
      <Problem ref={problem} id={problemId}>
        {state.problem}
      </Problem>
      <fieldset ref={fields} role="none" className="plain" disabled={state.busy}>
        {children}
      </fieldset>
      <Slow busy={state.busy} />
      {done !== undefined && (
        <p className="done" role="status">
          {done}
        </p>
      )}
    </form>
  );
};

/** A hidden field with the page that the URL of this one names, to go to after a success. */
export const CallbackUrl = () => {
  const [url, setUrl] = useState("/");
  useEffect(() => setUrl(localPath(callbackUrl())), []);
  return <input type="hidden" name="callbackUrl" value={url} />;
};

const STILL_SIGNED_IN = "You're still signed in.";

/**
 * A native form post that signs out, so it works without this script too.
 *
 * @param {{action: string, comesBack?: boolean, children?: import("react").ReactNode}} props
 *   `comesBack`: whether the next sign-in goes to the `callbackUrl` of this page.
 */
export const SignOutForm = ({ action, comesBack, children }) => {
  const { problem, run } = useRequest();
  const [next, setNext] = useState("/signin");

  useEffect(() => {
    const back = callbackUrl();
    if (comesBack && back) setNext(`/signin?callbackUrl=${encodeURIComponent(localPath(back))}`);
  }, [comesBack]);

  /** @param {import("react").SyntheticEvent<HTMLFormElement>} event */
  const submit = (event) => {
    event.preventDefault();
    const fields = fieldsOf(event.currentTarget);
    const page = document.documentElement.dataset;
    run(async () => {
      // Nothing of the user is on screen while the server answers.
      page.leaving = "";
      try {
        const url = await authRequest(action, fields, { Default: OFFLINE });
        signedOut();
        location.assign(url);
      } catch (error) {
        delete page.leaving;
        throw error;
      }
    });
  };

  return (
    <form method="post" action={action} onSubmit={submit}>
      <input type="hidden" name="callbackUrl" value={next} />
      <Problem>{problem && `${problem} ${STILL_SIGNED_IN}`}</Problem>
      {children}
    </form>
  );
};
