// The pages' own scripts without Reflex, with handles for the tests in window.lab.

import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { AccountForm, AddressProblem } from "./account_form.jsx";
import { EndOfList } from "./end_of_list.jsx";
import { PasswordField } from "./password_field.jsx";
import { ProviderForm } from "./provider_buttons.jsx";
import { RovingList } from "./roving.jsx";
import { AuthForm, SessionWatch, SignOutForm } from "./session.jsx";
import { Starter } from "./starters.jsx";
import { TitleField } from "./title_field.jsx";

const calls = [];
const root = createRoot(document.body.appendChild(document.createElement("main")));
const draw = (element) => flushSync(() => root.render(element));
const note =
  (name) =>
  (...values) =>
    calls.push([name, ...values]);

const signIn = (sentences) => (
  <AuthForm action="/api/auth/callback/credentials" sentences={sentences} problemId="problem">
    <input name="email" aria-label="E-mail" />
    <PasswordField fieldId="password" autoComplete="current-password" describedBy="problem" />
    <button type="submit">Sign in</button>
  </AuthForm>
);

const signOut = (given) => (
  <SignOutForm action="/api/auth/signout" offline="Nobody answers." stillIn="Still here." {...given}>
    <button type="submit">Sign out</button>
  </SignOutForm>
);

const accountForm = (given) => (
  <SessionWatch route="/api/auth/session">
    my words
    <AccountForm
      action="/api/account"
      method="PATCH"
      sentences={{ Default: "That did not work.", Offline: "Nobody answers." }}
      confirmPage="/settings/confirm"
      onDone={note("done")}
      {...given}
    >
      <input name="name" aria-label="Name" />
      <PasswordField fieldId="password" autoComplete="new-password" />
      <button type="submit">Save</button>
    </AccountForm>
  </SessionWatch>
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

const list = (length, height) => (
  <>
    <div style={{ height }} />
    <EndOfList label="Show more" length={length} onReach={note("reach")} />
  </>
);

window.lab = {
  calls,
  showSignIn: (sentences) => draw(signIn(sentences)),
  showProvider: (sentences) =>
    draw(
      <>
        {signIn(sentences)}
        <ProviderForm action="/api/auth/signin/acme" sentences={sentences}>
          <button type="submit">Continue with Acme</button>
        </ProviderForm>
      </>,
    ),
  showAccountForm: (given) => draw(accountForm(given)),
  showAddressProblem: (sentences) => draw(<AddressProblem sentences={sentences} />),
  showSignOut: (words, given) =>
    draw(
      <SessionWatch route="/api/auth/session">
        {words}
        {signOut(given)}
      </SessionWatch>,
    ),
  showWatch: (words) => draw(<SessionWatch route="/api/auth/session">{words}</SessionWatch>),
  showRow: (title, renaming) => draw(row(title, renaming)),
  showList: (length, height) => draw(list(length, height)),
  showStarter: (text) => draw(<Starter text={text} onSend={note("send")}>{text}</Starter>),
};
