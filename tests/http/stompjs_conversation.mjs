// A conversation of @stomp/stompjs, unmodified, with a live channel. Usage: URL VERSION JOB
// Tells each step as a line of JSON; waits for a line from standard input where the other side has to act first.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = createRequire(new URL("../../web/package.json", import.meta.url));
globalThis.WebSocket ??= packages("ws").WebSocket;
const { Client, Versions } = await import(pathToFileURL(packages.resolve("@stomp/stompjs")).href);

const [url, version, job] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (step, more = {}) => console.log(JSON.stringify({ step, ...more }));
const beats = { in: 0, out: 0 };

function make(token) {
  return new Client({
    brokerURL: url,
    connectHeaders: { Authorization: `Bearer ${token}` },
    stompVersions: new Versions([version]),
    heartbeatIncoming: 200,
    heartbeatOutgoing: 200,
    reconnectDelay: 0,
    debug: (line) => {
      if (line === "<<< PONG") beats.in += 1;
      if (line === ">>> PING") beats.out += 1;
    },
  });
}

function activate(client) {
  return new Promise((resolve) => {
    client.onConnect = resolve;
    client.activate();
  });
}

function receipt(client, id) {
  return new Promise((resolve) => client.watchForReceipt(id, resolve));
}

const client = make("usr_me:2000");
client.onStompError = (frame) => tell("unexpected error", { headers: frame.headers });
const connected = await activate(client);
tell("connected", { version: client.connectedVersion, server: connected.headers.server });

const events = [];
let whenEnded;
const ended = new Promise((resolve) => (whenEnded = resolve));
const answers = [];
function take(message) {
  const body = JSON.parse(message.body);
  events.push({ ...body, headers: message.headers });
  // Every third is refused, where the version has a way to.
  const how = events.length % 3 === 0 && version !== "1.0" ? "nack" : "ack";
  const id = `${how}-${events.length}`;
  answers.push(receipt(client, id));
  message[how]({ receipt: id });
  if (body.photoId && body.status === "COMPLETED") whenEnded();
}

const placed = receipt(client, "placed");
const subscription = client.subscribe(`/topic/job/${job}`, take, {
  id: version === "1.2" ? "a:b" : "a-b", // it escapes in 1.2 alone,
  after: "1",
  receipt: "placed",
  ack: version === "1.0" ? "client" : "client-individual",
});
tell("subscribed", { headers: (await placed).headers });
await ended;
await Promise.all(answers);
tell("ended", { events, acknowledged: answers.length });

const kept = client.begin("kept");
client.publish({ destination: "/app/progress", body: '{"n":1}', headers: { transaction: kept.id } });
client.publish({ destination: "/app/progress", body: '{"n":2}', headers: { transaction: kept.id } });
const dropped = client.begin();
client.publish({ destination: "/app/progress", body: '{"n":"never"}', headers: { transaction: dropped.id } });
const outside = receipt(client, "outside");
client.publish({ destination: "/app/progress", body: '{"n":0,"é":"☃"}', headers: { receipt: "outside" } });
await outside;
kept.commit();
dropped.abort();

const renewed = receipt(client, "renewed");
client.publish({ destination: "/app/token", body: '{"token":"usr_me:9000"}', headers: { receipt: "renewed" } });
await renewed;
tell("renewed");
await lines.next();

const left = receipt(client, "left");
subscription.unsubscribe({ receipt: "left" });
await left;
const before = events.length;
tell("left");
await lines.next();
const barrier = receipt(client, "barrier");
client.publish({ destination: "/app/progress", binaryBody: new TextEncoder().encode('{"n":3}'), headers: { receipt: "barrier" } });
await barrier;
while (version !== "1.0" && (beats.in < 2 || beats.out < 2)) await new Promise((resolve) => setTimeout(resolve, 20));
tell("after", { more: events.length - before, beats });

const stranger = make("usr_other");
await activate(stranger);
const refused = new Promise((resolve) => (stranger.onStompError = resolve));
const closed = new Promise((resolve) => (stranger.onWebSocketClose = resolve));
stranger.subscribe(`/topic/job/${job}`, () => tell("leaked"), { receipt: "mine" });
const error = await refused;
tell("refused", { headers: error.headers, body: JSON.parse(error.body), closed: (await closed).code });
await stranger.deactivate();

const goodbye = new Promise((resolve) => (client.onDisconnect = resolve));
const end = new Promise((resolve) => (client.onWebSocketClose = resolve));
await client.deactivate();
tell("disconnected", { receipt: (await goodbye).command, clean: (await end).code });
process.exit(0);
