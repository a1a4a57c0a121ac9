// musistudio/llms as a server: `node server.cjs CONFIG UPSTREAM` prints its port.
// CONFIG is its initialConfig as JSON; UPSTREAM takes what would go to Google, whose addresses the
// package has in its code.
"use strict";

const { generateKeyPairSync } = require("node:crypto");
const { mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

const [config, upstream] = process.argv.slice(2);
const { hostname, port } = new URL(upstream);

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const account = { client_email: "oracle@p.iam.gserviceaccount.com", private_key: privateKey };
const folder = mkdtempSync(join(tmpdir(), "plexus-oracle-"));
const file = join(folder, "account.json");
writeFileSync(file, JSON.stringify({ type: "service_account", project_id: "p", ...account }));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.env.GOOGLE_APPLICATION_CREDENTIALS = file;
process.env.GOOGLE_CLOUD_PROJECT = "p";
process.env.GOOGLE_CLOUD_LOCATION = "l";

const isGoogle = (host) => host.endsWith(".googleapis.com");

const fetched = globalThis.fetch;
globalThis.fetch = (url, options) => {
  const to = new URL(url);
  return fetched(isGoogle(to.hostname) ? new URL(to.pathname + to.search, upstream) : url, options);
};
const requested = https.request;
https.request = (url, options, done) => {
  const to = new URL(url);
  if (!isGoogle(to.hostname)) return requested(url, options, done);
  const { agent, ...rest } = options;
  return http.request({ ...rest, hostname, port, path: to.pathname + to.search }, done);
};
// A message of the package on the console would be mistaken for the port.
console.log = console.error;
// As its own programs do: one exchange that fails must not end the others.
process.on("unhandledRejection", (problem) => console.error("unhandled", problem));

const initialConfig = JSON.parse(config);
for (const { transformer } of initialConfig.providers) {
  for (const use of transformer?.use ?? []) {
    if (use[0] === "vertex-openai") Object.assign(use[1], account);
  }
}
const Server = require("@musistudio/llms").default;
const server = new Server({ useJsonFile: false, useEnvFile: false, logger: false, initialConfig });
server.start().then(() => process.stdout.write(`${server.app.server.address().port}\n`));
