// Chats of several versions of the AI SDK, told what to do by lines of JSON on stdin.
//
// A line is {id, do, …}; its answer on stdout is {id, value} or {id, error}. Commands run beside
// each other, so that a test can watch a chat while it streams.

import * as ai5 from "ai5";
import * as ai5Strict from "ai5-strict";
import * as ai6 from "ai6";
import * as ai6Strict from "ai6-strict";
import * as ai7 from "ai7";

// the strict ones reject a chunk with a key that they do not know
const VERSIONS = { 5: ai5, "5-strict": ai5Strict, 6: ai6, "6-strict": ai6Strict, 7: ai7 };

/** What `useChat` keeps, with a way to wait for a change. */
class ChatState {
  #status = "ready";
  error = undefined;
  #messages;
  #watchers = new Set();

  constructor(messages) {
    this.#messages = messages;
  }

  get status() {
    return this.#status;
  }

  set status(status) {
    this.#status = status;
    this.#notify();
  }

  get messages() {
    return this.#messages;
  }

  set messages(messages) {
    this.#messages = messages;
    this.#notify();
  }

  #notify() {
    for (const watcher of this.#watchers) watcher();
  }

  pushMessage = (message) => {
    this.messages = [...this.#messages, message];
  };

  popMessage = () => {
    this.messages = this.#messages.slice(0, -1);
  };

  replaceMessage = (index, message) => {
    this.messages = this.#messages.with(index, message);
  };

  snapshot = (value) => structuredClone(value);

  /** Wait until a text is in the messages. */
  seen(text) {
    return this.#until(() => JSON.stringify(this.#messages).includes(text));
  }

  /** Wait until a stream arrives. */
  streaming() {
    return this.#until(() => this.#status === "streaming");
  }

  #until(holds) {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

/** A chat of one version of the client. */
function open({ version, messages = [], ...options }) {
  const ai = VERSIONS[version];
  class Chat extends ai.AbstractChat {
    finish = undefined;
    constructor(given) {
      super({
        ...given,
        onFinish: ({ message, messages, ...how }) => Object.assign(this, { finish: how }),
      });
      this.watch = given.state;
    }
  }
  const { chatId, ...transport } = options;
  return new Chat({
    ...(chatId && { id: chatId }),
    state: new ChatState(messages),
    transport: new ai.DefaultChatTransport(transport),
  });
}

const view = ({ id, messages, status, error, finish }) => ({
  id,
  messages,
  status,
  error: error?.message,
  finish,
});

/** What a new chat makes of the body of a response. */
async function read(version, body) {
  const headers = { "content-type": "text/event-stream" };
  const chat = open({
    version,
    api: "http://chat.example/api/chat",
    fetch: async () => new Response(body, { headers }),
  });
  await chat.sendMessage({ text: "hi" });
  return { ...view(chat), read: await readMessage(VERSIONS[version], body) };
}

/** The message that a body holds, each of whose chunks is checked by the schema of the client. */
async function readMessage(ai, body) {
  const schema = await (typeof ai.uiMessageChunkSchema === "function"
    ? ai.uiMessageChunkSchema()
    : ai.uiMessageChunkSchema);
  const chunks = [];
  for (const block of body.split("\n\n")) {
    if (!block.startsWith("data: {")) continue;
    const checked = await schema.validate(JSON.parse(block.slice(6)));
    if (!checked.success) throw checked.error;
    chunks.push(checked.value);
  }
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message;
  // an error ends the message, as it ends the chat's
  for await (message of ai.readUIMessageStream({ stream, onError: () => {} }));
  return message;
}

const chats = new Map();

const COMMANDS = {
  open: ({ chat, options }) => void chats.set(chat, open(options)),
  send: async ({ chat, text }) => {
    await chats.get(chat).sendMessage({ text });
    return view(chats.get(chat));
  },
  edit: async ({ chat, text, messageId }) => {
    await chats.get(chat).sendMessage({ text, messageId });
    return view(chats.get(chat));
  },
  regenerate: async ({ chat, messageId }) => {
    await chats.get(chat).regenerate({ messageId });
    return view(chats.get(chat));
  },
  resume: async ({ chat }) => {
    await chats.get(chat).resumeStream();
    return view(chats.get(chat));
  },
  disconnect: async ({ chat }) => void (await chats.get(chat).stop()),
  seen: async ({ chat, text }) => {
    await chats.get(chat).watch.seen(text);
    return view(chats.get(chat));
  },
  streaming: async ({ chat }) => void (await chats.get(chat).watch.streaming()),
  read: async ({ version, bodies }) => {
    const views = [];
    for (const body of bodies) views.push(await read(version, body));
    return views;
  },
  validate: async ({ version, messages }) => VERSIONS[version].validateUIMessages({ messages }),
};

async function answer(line) {
  const { id, do: command, ...given } = JSON.parse(line);
  try {
    return { id, value: await COMMANDS[command](given) };
  } catch (error) {
    return { id, error: String(error?.stack ?? error) };
  }
}

const decoder = new TextDecoder();
let rest = "";
for await (const bytes of Bun.stdin.stream()) {
  const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    answer(line).then((said) => process.stdout.write(`${JSON.stringify(said)}\n`));
  }
}
