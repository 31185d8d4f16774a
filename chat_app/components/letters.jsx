// What a letter's link leads to. The token stands behind the `#`, which reaches no server, no log
// and no other site; it is posted after a click, and then it leaves the address too.
import { useEffect, useRef, useState } from "react";
import { arrive, post } from "./session.jsx";

const inAddress = () => location.hash.slice(1);
const dropFromAddress = () => history.replaceState(history.state, "", location.pathname);

// The link of another letter, opened in the same tab, changes nothing but what is behind the `#`.
const useNewLetters = () =>
  useEffect(() => {
    const open = () => inAddress() && location.reload();
    addEventListener("hashchange", open);
    return () => removeEventListener("hashchange", open);
  }, []);

/** Its second child when the query of the address has a word, else its first. */
export const WhenInAddress = ({ word, children }) => {
  const [is, setIs] = useState(false);
  useEffect(() => setIs(new URLSearchParams(location.search).has(word)), [word]);
  return children[is ? 1 : 0];
};

/** The field of a form that holds the token from the address. */
export const LetterToken = ({ purpose }) => {
  const field = useRef(null);
  const [token, setToken] = useState("");
  useNewLetters();
  useEffect(() => {
    setToken(`${purpose}.${inAddress()}`);
    const { form } = field.current;
    form.addEventListener("submit", dropFromAddress);
    return () => form.removeEventListener("submit", dropFromAddress);
  }, [purpose]);
  return <input ref={field} type="hidden" name="token" value={token} readOnly />;
};

const ask = async (address, token) => {
  const answer = await fetch(address, {
    method: "POST",
    credentials: "include",
    headers: { Accept: "application/json" },
    body: new URLSearchParams({ token }),
  });
  return { ok: answer.ok, said: await answer.json() };
};

/** Says what a letter's link will do, and does it at a click. Its child is a password field. */
export const Letter = ({ look, actions, words, sentences, problemId, children }) => {
  const [token, setToken] = useState("");
  const [seen, setSeen] = useState(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const purpose = token.split(".", 1)[0];
  useNewLetters();

  useEffect(() => {
    const found = inAddress();
    setToken(found);
    ask(look, found).then(
      ({ ok, said }) => (ok ? setSeen(said) : setProblem(said.message || sentences.Default)),
      () => setProblem(sentences.Offline),
    );
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    const form = event.currentTarget;
    setSending(true);
    setProblem("");
    dropFromAddress();
    try {
      const { url, problem: refused } = await post(form, sentences);
      if (url) return purpose in words.enters ? arrive(url) : location.assign(url);
      setProblem(refused);
    } catch {
      setProblem(sentences.Offline);
    }
    setSending(false);
  };

  const needs = seen?.needs;
  return (
    <form
      method="post"
      action={actions[purpose]}
      className="auth-form"
      onSubmit={submit}
      data-sending={sending || undefined}
      aria-busy={sending || !(seen || problem)}
    >
      <p id={problemId} className="problem" role="alert">
        {problem}
      </p>
      {seen && (
        <fieldset className="plain" disabled={sending}>
          <input type="hidden" name="token" value={token} />
          {seen.callbackUrl && <input type="hidden" name="callbackUrl" value={seen.callbackUrl} />}
          <p className="letter-says">
            {words.says[purpose]} <strong>{seen.email}</strong>
          </p>
          {needs === "session" && <p className="hint">{words.session}</p>}
          {needs === "password" && (
            <>
              <p className="hint">{words.password}</p>
              {children}
            </>
          )}
          {needs !== "session" && (
            <>
              {purpose in words.enters && (
                <label className="check">
                  <input type="checkbox" name="remember" value="1" />
                  <span>{words.remember}</span>
                </label>
              )}
              <button type="submit" className="button wide">
                {words.button[purpose]}
              </button>
            </>
          )}
        </fieldset>
      )}
    </form>
  );
};
