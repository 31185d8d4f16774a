// oauth2-mock-server as an issuer that can be told to lie. Its one argument says the port, in JSON.
// POST /lie {"lie": "<name below>"} chooses what the next id tokens look like; GET /told counts them.
import crypto from "node:crypto";
import { OAuth2Server } from "oauth2-mock-server";

const { port } = JSON.parse(process.argv[2]);
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256", { kid: "true" });
await server.start(port, "127.0.0.1");
server.issuer.url = `http://127.0.0.1:${port}`;

const right = server.issuer.keys.toJSON(true)[0];
const own = crypto.createPrivateKey({ key: right, format: "jwk" });
const foreign = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const publicPem = crypto.createPublicKey(own).export({ type: "spki", format: "pem" });
const foreignCurve = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const publicOf = (key) => crypto.createPublicKey(key).export({ format: "jwk" });

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const signed = (header, claims, { key = own, hash = "RSA-SHA256" } = {}) => {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${crypto.sign(hash, Buffer.from(text), key).toString("base64url")}`;
};
const macced = (header, claims, key) => {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${crypto.createHmac("sha256", key).update(text).digest("base64url")}`;
};

const header = { alg: "RS256", kid: "true", typ: "JWT" };
const now = () => Math.floor(Date.now() / 1000);
// What the claims become; undefined leaves one out.
const claim = (changes) => (claims) => signed(header, { ...claims, ...changes });

// Name → the id token, made of the claims of a right one and the whole answer it is part of.
const lies = {
  none: (claims) => signed(header, claims),
  "alg none": (claims) => `${encode({ ...header, alg: "none" })}.${encode(claims)}.`,
  "alg None": (claims) => `${encode({ ...header, alg: "None" })}.${encode(claims)}.`,
  "mac with the client's secret": (claims, _, secret) =>
    macced({ ...header, alg: "HS256" }, claims, secret),
  "mac with the public key": (claims) => macced({ ...header, alg: "HS256" }, claims, publicPem),
  "algorithm that is not allowed": (claims) =>
    signed({ ...header, alg: "RS512" }, claims, { hash: "RSA-SHA512" }),
  "foreign key under the right id": (claims) => signed(header, claims, { key: foreign }),
  "foreign key in the header": (claims) =>
    signed({ alg: "ES256", jwk: publicOf(foreignCurve) }, claims, {
      key: { key: foreignCurve, dsaEncoding: "ieee-p1363" },
    }),
  "foreign key behind an address": (claims) =>
    signed({ ...header, jku: `http://127.0.0.1:${port}/foreign` }, claims, { key: foreign }),
  "unknown key id": (claims) => signed({ ...header, kid: "other" }, claims, { key: foreign }),
  "changed after signing": (claims) => {
    const [head, , signature] = signed(header, claims).split(".");
    return `${head}.${encode({ ...claims, sub: "somebody-else" })}.${signature}`;
  },
  "unknown critical header": (claims) =>
    signed({ ...header, crit: ["https://example.org/x"], "https://example.org/x": 1 }, claims),
  "other issuer": claim({ iss: "https://evil.example" }),
  "issuer with a slash": (claims) => claim({ iss: `${claims.iss}/` })(claims),
  "no issuer": claim({ iss: undefined }),
  "other audience": claim({ aud: "another-client" }),
  "no audience": claim({ aud: undefined }),
  "unknown audience": claim({ aud: [] }),
  "several audiences and no party": (claims) => claim({ aud: [claims.aud, "another"] })(claims),
  "other party": claim({ azp: "another-client" }),
  expired: (claims) => claim({ iat: now() - 900, exp: now() - 300 })(claims),
  "no expiry": claim({ exp: undefined }),
  "expiry that is a text": claim({ exp: "tomorrow" }),
  "issued tomorrow": (claims) => claim({ iat: now() + 86_400, exp: now() + 90_000 })(claims),
  "not yet valid": (claims) => claim({ nbf: now() + 3600 })(claims),
  "no time of issue": claim({ iat: undefined }),
  "other nonce": claim({ nonce: "of-another-sign-in" }),
  "no nonce": claim({ nonce: undefined }),
  "no subject": claim({ sub: undefined }),
  "empty subject": claim({ sub: "" }),
  "blank subject": claim({ sub: "   " }),
  "subject that is a number": claim({ sub: 7 }),
  "subject that is a list": claim({ sub: ["johndoe"] }),
  "endless subject": claim({ sub: "x".repeat(256) }),
  "subject with a line break": claim({ sub: "john\ndoe" }),
  "more about another user": claim({ email: undefined }),
  "hash of another token": claim({ at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }),
  "an access token in its place": (_, answer) => answer.access_token,
  "too large": claim({ padding: "x".repeat(16_384) }),
  "no id token": () => undefined,
  "a number": () => 7,
  "an object": () => ({ sub: "johndoe" }),
  garbage: () => "a.b.c",
  "five parts": (claims) => `${signed(header, claims)}.a.b`,
  "claims that are a list": () => signed(header, ["johndoe"]),
};
// What the rest of the answer becomes.
const answers = {
  "an error with 200": { statusCode: 200, body: { error: "server_error" } },
  "a list": { statusCode: 200, body: [] },
  "an answer of half a megabyte": { statusCode: 200, body: { id_token: "x".repeat(524_288) } },
  "a broken server": { statusCode: 500, body: { error: "no" } },
};

let lie = "none";
let told = 0;
server.service.addRoute("POST", "/lie", (request, response) => {
  ({ lie } = request.body);
  told = 0;
  response.end();
});
server.service.addRoute("GET", "/told", (_, response) => response.end(String(told)));
server.service.addRoute("GET", "/lies", (_, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify([...Object.keys(lies), ...Object.keys(answers)]));
});
server.service.on("beforeWellKnownOpenIdConfiguration", ({ body }) => {
  // What it promises is not what we take.
  body.id_token_signing_alg_values_supported = ["none", "HS256", "RS512", "ES256", "RS256"];
});
server.service.on("beforeUserinfo", (answer) => {
  answer.body = { sub: "somebody-else", email: "johndoe@example.org", email_verified: true };
});
server.service.on("beforeResponse", (answer, request) => {
  if (answers[lie]) {
    told += 1;
    Object.assign(answer, answers[lie]);
    return;
  }
  const claims = JSON.parse(Buffer.from(answer.body.id_token.split(".")[1], "base64url"));
  const [, basic] = request.headers.authorization.split(" ");
  const secret = decodeURIComponent(Buffer.from(basic, "base64").toString().split(":")[1]);
  answer.body.id_token = lies[lie](
    { ...claims, email: "johndoe@example.org", email_verified: true },
    answer.body,
    secret,
  );
  told += 1;
});
console.log("listening");
