// The pages' own scripts without Reflex, with handles for the tests in window.lab.

import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { AccountForm, UrlProblem } from "./auth/account_form.jsx";
import { PasswordField } from "./auth/fields.jsx";
import { SignOutForm } from "./auth/forms.jsx";
import { squared } from "./auth/picture.jsx";
import { SessionWatch, SocketWatch } from "./auth/session.jsx";
import { AnonymousOnly, AuthForm, IdentityProviderForm } from "./auth/sign_in.jsx";
import { Starter } from "./chat/composer.jsx";
import { LoadMore, RovingList, RowMenu, TitleField } from "./chat/thread_list.jsx";
import { KeepFocus } from "./ui/keep_focus.jsx";
import { OwnOrigin } from "./ui/own_origin.jsx";

const calls = [];
const root = createRoot(document.body.appendChild(document.createElement("main")));
const draw = (element) => flushSync(() => root.render(element));
const note =
  (name) =>
  (...values) =>
    calls.push([name, ...values]);

const signIn = (messages) => (
  <AuthForm action="/api/auth/callback/credentials" messages={messages} problemId="problem">
    <input name="email" aria-label="E-mail" />
    <PasswordField autoComplete="current-password" describedBy="problem" />
    <button type="submit">Sign in</button>
  </AuthForm>
);

const signOut = (given) => (
  <SignOutForm action="/api/auth/signout" {...given}>
    <button type="submit">Sign out</button>
  </SignOutForm>
);

const accountForm = (given) => (
  <SessionWatch route="/api/auth/session">
    my words
    <AccountForm action="/api/account" method="PATCH" onDone={note("done")} {...given}>
      <input name="name" aria-label="Name" />
      <PasswordField autoComplete="new-password" />
      <button type="submit">Save</button>
    </AccountForm>
  </SessionWatch>
);

const section = (hasForm) => (
  <main>
    <section>
      <h2>Passkeys</h2>
      {hasForm && (
        <AccountForm action="/api/account">
          <button type="submit">Remove</button>
        </AccountForm>
      )}
    </section>
    <KeepFocus />
  </main>
);

// The row as the page has it: the field takes the link's place and gives it back.
const row = (title, renaming) => (
  <ul>
    <li>
      {renaming ? (
        <TitleField title={title} onSave={note("save")} onCancel={note("cancel")} />
      ) : (
        <a href="#row">{title}</a>
      )}
    </li>
  </ul>
);

// A list whose rows have the menu of a device without a mouse.
const menus = (titles) => (
  <RovingList>
    {titles.map((title) => (
      <li key={title}>
        <a href="#row">{title}</a>
        <RowMenu
          label={`Options for ${title}`}
          onRename={() => note("rename")(title)}
          onDelete={() => note("delete")(title)}
        >
          <i>…</i>
          <i />
          <i />
        </RowMenu>
      </li>
    ))}
  </RovingList>
);

const list = (length, height) => (
  <>
    <div style={{ height }} />
    <LoadMore label="Show more" length={length} onReach={note("reach")} />
  </>
);

window.lab = {
  calls,
  showSignIn: (messages) => draw(signIn(messages)),
  showProvider: (messages) =>
    draw(
      <>
        {signIn(messages)}
        <IdentityProviderForm action="/api/auth/signin/acme" messages={messages}>
          <button type="submit">Continue with Acme</button>
        </IdentityProviderForm>
      </>,
    ),
  showAnonymousOnly: (messages) =>
    draw(<AnonymousOnly route="/api/auth/session">{signIn(messages)}</AnonymousOnly>),
  showAccountForm: (given) => draw(accountForm(given)),
  showSection: (hasForm) => draw(section(hasForm)),
  showUrlProblem: (messages) => draw(<UrlProblem messages={messages} />),
  showSignOut: (words, given) =>
    draw(
      <SessionWatch route="/api/auth/session">
        {words}
        {signOut(given)}
      </SessionWatch>,
    ),
  showSocket: (isConnected) => draw(<SocketWatch isConnected={isConnected} route="/api/socket" />),
  showWatch: (words) => draw(<SessionWatch route="/api/auth/session">{words}</SessionWatch>),
  showRow: (title, renaming) => draw(row(title, renaming)),
  showMenus: (titles) => draw(menus(titles)),
  squared: async (base64, type) => {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const made = await squared(new Blob([bytes], { type }));
    return [made.type, btoa(String.fromCharCode(...new Uint8Array(await made.arrayBuffer())))];
  },
  showList: (length, height) => draw(list(length, height)),
  showOwnOrigin: (origins) => draw(<OwnOrigin origins={origins}>my page</OwnOrigin>),
  showStarter: (text) =>
    draw(
      <Starter text={text} onSend={note("send")}>
        {text}
      </Starter>,
    ),
};
