// The components in a page of their own, with handles for the tests in window.lab.

import { StrictMode } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { MemoryRouter } from "react-router";
import { AnswerDetails } from "./chat/answer_details.jsx";
import { ChatOptions } from "./chat/chat_options.jsx";
import { Clamped } from "./chat/clamped.jsx";
import { Composer, Starter } from "./chat/composer.jsx";
import { ContextMeter } from "./chat/context_meter.jsx";
import { EditButton, EditForm } from "./chat/edit_message.jsx";
import { ModelPicker } from "./chat/model_picker.jsx";
import { MoveDialog } from "./chat/organisations.jsx";
import { Scroller } from "./chat/scroller.jsx";
import { announce, createSpeech } from "./chat/speech.jsx";
import { UndoBranch, VersionPicker } from "./chat/versions.jsx";
import { Blocks } from "./markdown/blocks.jsx";
import { chunks, createChunkStore } from "./markdown/chunk_store.jsx";
import { patchDom } from "./markdown/dom_patch.jsx";
import { renderBlock } from "./markdown/markdown.jsx";
import { ChunkFeed, CopyButton, MessageText } from "./markdown/message_text.jsx";
import { mountMessage } from "./markdown/message_view.jsx";
import { createSlices } from "./markdown/scheduling.jsx";
import { KeepFocus } from "./ui/keep_focus.jsx";
import { Notice } from "./ui/notice.jsx";
import { isLoopback, OfflineBar } from "./ui/offline.jsx";
import { ShownOnce } from "./ui/shown_once.jsx";

const KINDS = {
  AnswerDetails,
  // In a form, as in the composer.
  ChatOptions: (props) => (
    <MemoryRouter>
      <form onSubmit={() => window.submitted.push("composer")}>
        <ChatOptions {...props} />
      </form>
    </MemoryRouter>
  ),
  Clamped,
  Composer,
  ContextMeter,
  CopyButton,
  ChunkFeed,
  Dock,
  EditButton,
  EditForm,
  KeptRows,
  MessageText,
  ModelPicker,
  MoveDialog,
  OfflineBar,
  Scroller,
  // In a section, as on its page.
  ShownOnce: ({ isShown = true, ...props }) => (
    <main>
      <section>
        <button type="button">Sessions</button>
      </section>
      <section>
        <h2>API keys</h2>
        {isShown && <ShownOnce {...props} />}
      </section>
      <KeepFocus />
    </main>
  ),
  Starter,
  UndoBranch,
  VersionPicker,
};

/** Mount a component; `set` gives it further props, `calls` are the events it sent. */
function mount(kind, props, { events = [], strict = false } = {}) {
  const Kind = KINDS[kind];
  const place = document.createElement("div");
  document.body.append(place);
  const root = createRoot(place);
  const calls = [];
  let now = { ...props };
  for (const name of events) now[name] = (...values) => calls.push([name, ...values]);
  const draw = () => {
    const { html, ...rest } = now;
    const made =
      html === undefined ? (
        <Kind {...rest} />
      ) : (
        <Kind {...rest}>
          <Rows ids={html} />
        </Kind>
      );
    flushSync(() => root.render(strict ? <StrictMode>{made}</StrictMode> : made));
  };
  draw();
  return {
    place,
    calls,
    set(more) {
      now = { ...now, ...more };
      draw();
    },
    unmount() {
      flushSync(() => root.unmount());
      place.remove();
    },
  };
}

/** Rows of [id, height, and what else to draw it anew]; one of no height is not shown. */
function Rows({ ids }) {
  return ids.map(([id, height, again = ""]) => (
    <article
      key={id + again}
      id={id}
      data-message={id}
      style={height ? { height } : { display: "none" }}
    >
      <button type="button">{id}</button>
    </article>
  ));
}

/** Rows whose actions change, as in a list of users: [name, actions]; and a pager. */
function KeptRows({ rows, isLast = false, onAct }) {
  return (
    <main>
      <input type="search" aria-label="Search" />
      <ul>
        {rows.map(([name, actions]) => (
          <li key={name}>
            <button type="button">Manage {name}</button>
            <div>
              {actions.map((action) => (
                <details key={action} open>
                  <summary>
                    {action} {name}
                  </summary>
                  <button type="button" onClick={() => onAct(action, name)}>
                    Confirm: {action} {name}
                  </button>
                </details>
              ))}
            </div>
          </li>
        ))}
      </ul>
      <button type="button">Previous page</button>
      <button type="button" disabled={isLast}>
        Next page
      </button>
      <KeepFocus />
    </main>
  );
}

/** A notice above a field, as beside the composer. */
function Dock({ isShown, onDismiss }) {
  return (
    <div>
      {isShown && (
        <Notice>
          <span role="alert">Refused.</span>
          <button type="button" onClick={onDismiss}>
            Dismiss
          </button>
        </Notice>
      )}
      <button type="button">Model</button>
      <textarea aria-label="Message" />
    </div>
  );
}

/** What a text looks like when it comes in one piece. */
function oneShot(text) {
  const root = document.createElement("div");
  new Blocks(root).finish(text);
  return root.innerHTML;
}

/** The same text in pieces, and which of the closed blocks are still the same elements. */
function inPieces(pieces) {
  const root = document.createElement("div");
  const closed = [];
  const blocks = new Blocks(root, (node) => closed.push(node));
  let text = "";
  for (const piece of pieces) {
    text += piece;
    blocks.update(text);
  }
  const early = closed.slice();
  blocks.finish(text);
  return {
    html: root.innerHTML,
    closed: early.length,
    kept: early.filter((n) => root.contains(n)).length,
  };
}

window.lab = {
  announce,
  Blocks,
  createChunkStore,
  createSlices,
  createSpeech,
  chunks,
  inPieces,
  isLoopback,
  patchDom,
  mount,
  mountMessage,
  oneShot,
  renderBlock,
};
