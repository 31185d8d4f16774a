import { getSession, signIn } from "next-auth/react";
import { useActionState } from "react";

/** The form for an email address and a password. */
export function SignIn() {
  const [error, submit, isPending] = useActionState(async (_: string, form: FormData) => {
    const answer = await signIn("credentials", {
      email: form.get("email"),
      password: form.get("password"),
      redirect: false,
    });
    if (answer?.error) return "Incorrect email or password.";
    await getSession(); // tells the other tabs
    return "";
  }, "");
  return (
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
  );
}
