import { useSession } from "next-auth/react";
import { Chat } from "./Chat";
import { SignIn } from "./SignIn";

/** Shows the chat of whoever is signed in, and nothing of anyone else.
 *
 * The key is the user's id. When it changes, here or in another tab, React drops the runtime with
 * its threads and messages before the next user's is mounted. */
export function ReloadOnAuth() {
  const { data: session, status } = useSession();
  if (status === "loading") return null;
  if (!session?.user?.id) return <SignIn />;
  return <Chat key={session.user.id} />;
}
