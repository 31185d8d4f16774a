import { getSession, signIn } from "next-auth/react";
import { useActionState } from "react";

const ERRORS: Record<string, string> = {
  CredentialsSignin: "Incorrect email or password.",
  RateLimited: "Too many attempts. Try again later.",
};

/** The form for an email address and a password. */
export function SignIn() {
  const [error, submit, isPending] = useActionState(async (_: string, form: FormData) => {
    // Without a network, next-auth would leave the page.
    if (!navigator.onLine) return "You are offline.";
    const answer = await signIn("credentials", {
      email: form.get("email"),
      password: form.get("password"),
      redirect: false,
    });
    if (answer?.error) return ERRORS[answer.error] ?? "Signing in failed. Try again later.";
    const session = await getSession(); // tells the other tabs
    // A second factor is asked for on the server's own page, which leads back here.
    if (!session && answer?.url) location.href = answer.url;
    return "";
  }, "");
  return (
    <main>
      <form className="sign-in" action={submit}>
        <h1>Sign in</h1>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {error && <p role="alert">{error}</p>}
        <button type="submit" className="primary" disabled={isPending}>
          Sign in
        </button>
      </form>
    </main>
  );
}
