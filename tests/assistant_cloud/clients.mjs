// AssistantCloud's own clients, versions 0.2 and 0.1, told what to do by lines of JSON on stdin.
//
// A line is {id, do, …}; its answer on stdout is {id, value} or {id, error}.

import { validateUIMessages } from "ai";
import * as cloud02 from "assistant-cloud";
import { MessagePersistence } from "./node_modules/@assistant-ui/cloud-ai-sdk/dist/chat/MessagePersistence.js";
import { generateThreadTitle as titleOf01 } from "./node_modules/@assistant-ui/cloud-ai-sdk/dist/threads/generateThreadTitle.js";
import * as cloud01 from "./node_modules/@assistant-ui/cloud-ai-sdk/node_modules/assistant-cloud/dist/index.js";
import {
  auiV0DecodeSafely,
  auiV0Encode,
} from "./node_modules/@assistant-ui/core/dist/react/runtimes/cloud/auiV0.js";

const VERSIONS = { 0.1: cloud01, 0.2: cloud02 };
const clients = new Map();

/** The token of a signed-in page: null once it is signed out. */
async function authToken({ url, headers }) {
  const response = await fetch(`${url}/api/cloud/token`, { method: "POST", headers });
  return response.ok ? (await response.json()).token : null;
}

function open({ version, url, headers, mode = {} }) {
  const tokens = { asked: 0 };
  const given = mode.apiKey || mode.anonymous ? mode : { authToken: () => ask() };
  const ask = () => {
    tokens.asked += 1;
    return authToken({ url, headers });
  };
  const { AssistantCloud, CloudMessagePersistence } = VERSIONS[version];
  const cloud = new AssistantCloud({ baseUrl: `${url}/`, ...given });
  return { version, cloud, tokens, persistence: new CloudMessagePersistence(cloud) };
}

const COMMANDS = {
  open: ({ client, ...options }) => void clients.set(client, open(options)),
  call: async ({ client, path, args }) => {
    const names = path.split(".");
    const method = names.pop();
    const target = names.reduce((one, name) => one[name], clients.get(client).cloud);
    return (await target[method](...args)) ?? null;
  },
  asked: ({ client }) => clients.get(client).tokens.asked,
  persist: ({ client, method, args }) => clients.get(client).persistence[method](...args),
  decode: async ({ client, thread }) => {
    const { messages } = await clients.get(client).cloud.threads.messages.list(thread, {
      format: "aui/v0",
    });
    return messages.map(auiV0DecodeSafely).reverse();
  },
  /** What a client makes of stored messages of `aui/v0`, and what it would store of them again. */
  decodeAll: ({ messages }) =>
    messages.map((stored) => {
      const { message } = auiV0DecodeSafely(stored);
      return { message, encoded: auiV0Encode(message) };
    }),
  validateAll: ({ messages }) => validateUIMessages({ messages }),
  /** What `useCloudChat` does with the messages of a chat, and what it loads afterwards. */
  keep: async ({ client, thread, messages }) => {
    const errors = [];
    const { cloud } = clients.get(client);
    const kept = new MessagePersistence(cloud, (error) => errors.push(String(error)));
    await kept.persist(thread, messages, { current: true });
    const fresh = new MessagePersistence(cloud, (error) => errors.push(String(error)));
    return { errors, messages: await fresh.loadMessages(thread) };
  },
  title: async ({ client, thread, messages }) => {
    const { version, cloud } = clients.get(client);
    if (version === "0.1") return titleOf01(cloud, thread);
    return cloud02.generateThreadTitle(cloud, { threadId: thread, messages });
  },
};

async function answer(line) {
  const { id, do: command, ...given } = JSON.parse(line);
  try {
    return { id, value: (await COMMANDS[command](given)) ?? null };
  } catch (error) {
    if (given.fails) {
      const { message, status, code } = error;
      return { id, value: { failed: { message, status, code } } };
    }
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
