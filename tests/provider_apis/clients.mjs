// The JavaScript clients of OpenAI and Anthropic, which call the server and print what they got.
//
// The last line of stdout is the results. Each line "revoke" before it asks the test to end the next
// one of the keys that are there for that.

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { url, key, revoked, model, slow } = JSON.parse(process.argv[2]);

// they repeat a request whose connection the server has closed after a body that was too large
const openaiWith = (apiKey) => new OpenAI({ apiKey, baseURL: `${url}/v1` });
const anthropicWith = (apiKey) => new Anthropic({ apiKey, baseURL: url });
const openai = openaiWith(key);
const anthropic = anthropicWith(key);

const parameters = { type: "object", properties: { a: { type: "number" } } };
const description = "Adds two numbers.";
const asked = 'call: add {"a": 1}';
const user = (content) => [{ role: "user", content }];
const hello = user("echo: It is so.");

/** The name, status and code of what a call throws. */
async function failed(call) {
  try {
    await call();
  } catch (error) {
    const code = error.code ?? error.error?.error?.type ?? error.error?.type;
    return [error.constructor.name, error.status, code];
  }
  return "no error";
}

async function readAll(stream) {
  for await (const _ of stream);
}

const results = {};

{
  const chat = openai.chat.completions;
  const whole = await chat.create({ model, messages: hello });
  const stream = chat.stream({ model, messages: hello });
  const final = await stream.finalChatCompletion();
  const tools = [{ type: "function", function: { name: "add", description, parameters } }];
  const call = await chat.stream({ model, messages: user(asked), tools }).finalChatCompletion();
  const message = call.choices[0].message;
  const [one] = message.tool_calls;
  const { choices } = await chat.create({ model, messages: user(asked), tools });
  const [called] = choices[0].message.tool_calls;
  const result = { role: "tool", tool_call_id: one.id, content: "41" };
  const messages = [...user(asked), message, result];
  const answer = await chat.create({ model, messages, tools });
  results.chat = {
    whole: whole.choices[0].message.content,
    streamed: final.choices[0].message.content,
    reason: final.choices[0].finish_reason,
    call: [one.function.name, one.function.arguments, call.choices[0].finish_reason],
    wholeCall: [called.function.name, called.function.arguments, choices[0].finish_reason],
    answer: answer.choices[0].message.content,
  };
}

{
  const whole = await openai.responses.create({ model, input: "echo: It is so." });
  const stream = openai.responses.stream({ model, input: "echo: It is so." });
  const final = await stream.finalResponse();
  const tools = [{ type: "function", name: "add", description, parameters, strict: false }];
  const call = await openai.responses.stream({ model, input: asked, tools }).finalResponse();
  const [one] = call.output.filter((item) => item.type === "function_call");
  const { output, status } = await openai.responses.create({ model, input: asked, tools });
  const [called] = output.filter((item) => item.type === "function_call");
  const result = { type: "function_call_output", call_id: one.call_id, output: "41" };
  const input = [...user(asked), one, result];
  const answer = await openai.responses.create({ model, input, tools });
  results.responses = {
    whole: whole.output_text,
    streamed: final.output_text,
    reason: final.status,
    call: [one.name, one.arguments, call.status],
    wholeCall: [called.name, called.arguments, status],
    answer: answer.output_text,
  };
}

{
  const base = { model, max_tokens: 100 };
  const whole = await anthropic.messages.create({ ...base, messages: hello });
  const final = await anthropic.messages.stream({ ...base, messages: hello }).finalMessage();
  const tools = [{ name: "add", description, input_schema: parameters }];
  const call = await anthropic.messages
    .stream({ ...base, messages: user(asked), tools })
    .finalMessage();
  const [one] = call.content.filter((block) => block.type === "tool_use");
  const { content, stop_reason } = await anthropic.messages.create({
    ...base,
    messages: user(asked),
    tools,
  });
  const [called] = content.filter((block) => block.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: one.id, content: "41" };
  const messages = [
    ...user(asked),
    { role: "assistant", content: call.content },
    ...user([result]),
  ];
  const answer = await anthropic.messages.create({ ...base, messages, tools });
  results.messages = {
    whole: whole.content[0].text,
    streamed: final.content[0].text,
    reason: final.stop_reason,
    call: [one.name, JSON.stringify(one.input), call.stop_reason],
    wholeCall: [called.name, JSON.stringify(called.input), stop_reason],
    answer: answer.content[0].text,
  };
}

results.models = [];
for await (const one of openai.models.list()) results.models.push(one.id);
results.pages = [];
for await (const one of anthropic.models.list({ limit: 2 })) results.pages.push(one.id);

{
  const large = user("x".repeat(30_000));
  const ask = (client, name, messages) => () =>
    client.chat.completions.create({ model: name, messages });
  const say = (client, name, messages) => () =>
    client.messages.create({ model: name, max_tokens: 9, messages });
  const wrong = openaiWith("wrong");
  const wrongAnthropic = anthropicWith("wrong");
  results.wrongKeys = {};
  for (const stream of [false, true]) {
    for (const [name, call] of Object.entries({
      chat: () => wrong.chat.completions.create({ model, messages: hello, stream }),
      responses: () => wrong.responses.create({ model, input: "hi", stream }),
      messages: () =>
        wrongAnthropic.messages.create({ model, max_tokens: 9, messages: hello, stream }),
    })) {
      results.wrongKeys[`${name} ${stream}`] = await failed(call);
    }
  }
  results.errors = {
    openaiModel: await failed(ask(openai, "nowhere", hello)),
    openaiLarge: await failed(ask(openai, model, large)),
    anthropicModel: await failed(say(anthropic, "nowhere", hello)),
    anthropicLarge: await failed(say(anthropic, model, large)),
  };
}

results.revoked = {};
for (const [index, stream] of [true, false].entries()) {
  const [one, other] = [openaiWith(revoked[index]), anthropicWith(revoked[index])];
  const messages = user("hi");
  const calls = Object.entries({
    chat: one.chat.completions.create({ model: slow, messages, stream }),
    responses: one.responses.create({ model: slow, input: "hi", stream }),
    messages: other.messages.create({ model: slow, max_tokens: 2_000, messages, stream }),
  });
  const ended = calls.map(async ([name, call]) => {
    const error = await failed(async () => {
      const answer = await call;
      if (stream) await readAll(answer);
    });
    return [`${name} ${stream}`, error];
  });
  console.log("revoke");
  Object.assign(results.revoked, Object.fromEntries(await Promise.all(ended)));
}

console.log(JSON.stringify(results));
