// Going to a provider. The browser is sent on by script and not by the form itself: a provider may
// send it on to yet another host, which a page's policy for forms would have to know.
import { useEffect, useRef, useState } from "react";
import { localPath, post, setOut } from "./session.jsx";

// The box that the page has for all its ways in.
const remembers = () => document.querySelector("input[name=remember]")?.checked;

export const ProviderForm = ({ action, sentences, children }) => {
  const form = useRef(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const [callback, setCallback] = useState("/");

  useEffect(() => {
    setCallback(localPath(new URLSearchParams(location.search).get("callbackUrl")));
    // Who comes back with the back button may want another one.
    const awake = () => setSending(false);
    addEventListener("pageshow", awake);
    return () => removeEventListener("pageshow", awake);
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    setProblem("");
    setSending(true);
    form.current.elements.remember.value = remembers() ? "1" : "";
    try {
      const { url, problem: refused } = await post(form.current, sentences);
      if (url) return setOut(url);
      setProblem(refused);
    } catch {
      setProblem(sentences.Offline ?? sentences.Default);
    }
    setSending(false);
  };

  return (
    <form ref={form} method="post" action={action} onSubmit={submit} aria-busy={sending}>
      <input type="hidden" name="callbackUrl" value={callback} />
      <input type="hidden" name="remember" value="" />
      <p className="problem" role="alert">
        {problem}
      </p>
      <fieldset className="plain" disabled={sending}>
        {children}
      </fieldset>
    </form>
  );
};
