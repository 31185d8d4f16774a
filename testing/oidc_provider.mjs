// panva's oidc-provider as an issuer of the tests. Its one argument says, in JSON: port, clientId,
// clientSecret, redirectUris, and whether the id token holds more than the subject (claimsInIdToken).
// Two people have the same address; only the first has proved it.
import Provider from "oidc-provider";

const { port, clientId, clientSecret, redirectUris, claimsInIdToken } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const people = {
  ada: { email: "ada@example.org", email_verified: true, name: "Ada Lovelace", groups: ["staff"] },
  eve: { email: "ada@example.org", email_verified: false, name: "Eve", groups: ["guests"] },
};
const nameless = (id) => ({ email: `${id}@example.org`, email_verified: true, name: id });

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: redirectUris,
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
  conformIdTokenClaims: !claimsInIdToken,
  cookies: { keys: ["a key of the tests"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...(people[id] ?? nameless(id)) }),
  }),
  pkce: { required: () => true },
});

provider.listen(port, "127.0.0.1", () => console.log("listening"));
