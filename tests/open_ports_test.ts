/** Which ports are open to the network, and by what they may be. */
import { assertEquals, assertMatch } from "@std/assert";
import { type Config, defaultConfig, type ServerConfig } from "../lib/config.ts";
import { firstUserDoubt, needsUsers, openPorts } from "../lib/open_ports.ts";
import { PORT_NAMES } from "../lib/port_names.ts";

function openIn(
  server: Partial<ServerConfig>,
  config: Partial<Config> = {},
  provesSecret = false,
  hasAdminToken = false,
) {
  const entry = { id: 1, hostname: "127.0.0.1", clientPort: 1, logPort: 2, ...server };
  const given = { provesSecret, hasAdminToken };
  return openPorts({ ...defaultConfig(), servers: [entry], ...config }, 1, given);
}

/** Key and port of each fault. */
function faultsOf(...given: Parameters<typeof openIn>): string[] {
  return openIn(...given).faults.map((fault) =>
    fault.replace(/^servers\[0\]\.(\w+): server 1 would open its (\w+) port .*/, "$1 $2")
  );
}

Deno.test("open ports: loopback is open to nobody else, whatever it is called", () => {
  for (const hostname of ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1"]) {
    assertEquals(openIn({ hostname }), { faults: [], insecure: [] });
  }
});

Deno.test("open ports: the forward port is one for clients, and protected as theirs is", () => {
  const open = { forwardPort: 3, forwardListen: "0.0.0.0" };
  assertEquals(faultsOf(open), ["forwardListen forward"]);
  assertEquals(faultsOf({ forwardListen: "0.0.0.0" }), [], "there is none");
  // Where it listens with the client port, that one is named.
  assertEquals(faultsOf({ forwardPort: 3, clientListen: "0.0.0.0" }), ["clientListen client"]);
  const files = { cert: "c", key: "k", requestCert: false };
  assertEquals(faultsOf(open, { tls: { client: files } }), []);
  assertEquals(openIn(open, { insecure: ["client"] }), { faults: [], insecure: ["client"] });
  const config = (server: Partial<ServerConfig>): Config => ({
    ...defaultConfig(),
    servers: [{ id: 1, hostname: "127.0.0.1", clientPort: 1, logPort: 2, ...server }],
  });
  assertEquals([needsUsers(config(open), 1), needsUsers(config({ forwardPort: 3 }), 1)], [
    true,
    false,
  ]);
  // The first user is made over the client port, which listens on loopback.
  assertEquals(firstUserDoubt(config(open), 1), null);
});

Deno.test("open ports: each that leaves loopback is named by the key that opens it", () => {
  for (const address of ["0.0.0.0", "::", "10.0.0.5", "db1.example", "localhost.example"]) {
    assertEquals(faultsOf({ hostname: address }), ["hostname client", "hostname log"]);
    assertEquals(faultsOf({ clientListen: address }), ["clientListen client"]);
    assertEquals(faultsOf({ logListen: address }), ["logListen log"]);
    assertEquals(faultsOf({ adminListen: address }), ["adminListen admin"]);
    const advertised = { hostname: address, clientListen: "::1", logListen: "127.0.0.1" };
    assertEquals(faultsOf(advertised), [], "what is advertised is not what is opened");
  }
  assertEquals(faultsOf({ adminListen: "0.0.0.0", adminPort: 0 }), [], "there is none");
});

Deno.test("open ports: the probe port may leave loopback, and takes no other port with it", () => {
  for (const probeListen of ["0.0.0.0", "::", "10.0.0.5", "db1.example"]) {
    assertEquals(openIn({ probePort: 4, probeListen }), { faults: [], insecure: [] });
    assertEquals(faultsOf({ probePort: 4, probeListen, adminListen: "::" }), ["adminListen admin"]);
  }
  // Where it listens with the client port, that one is named.
  assertEquals(faultsOf({ probePort: 4, clientListen: "::" }), ["clientListen client"]);
});

Deno.test("open ports: the secret protects the log port, and no other", () => {
  const every = { hostname: "db1", adminListen: "0.0.0.0" };
  assertEquals(faultsOf(every, {}, true), ["hostname client", "adminListen admin"]);
});

Deno.test("open ports: TLS protects the log port, the client port once there are users, and half of the admin port", () => {
  const every = { hostname: "db1", adminListen: "0.0.0.0" };
  const files = { cert: "c", key: "k", ca: "ca", requestCert: true };
  const all = { client: files, log: files, admin: files };
  assertEquals(faultsOf(every, { tls: all }), ["adminListen admin"]);
  assertEquals(faultsOf(every, { tls: all }, false, true), []);
  assertEquals(faultsOf(every, { tls: { log: files } }, false, true), [
    "hostname client",
    "adminListen admin",
  ]);
  const needs = (server: Partial<ServerConfig>, config: Partial<Config> = {}) => {
    const entry = { id: 1, hostname: "127.0.0.1", clientPort: 1, logPort: 2, ...server };
    return needsUsers({ ...defaultConfig(), servers: [entry], ...config }, 1);
  };
  assertEquals([needs(every, { tls: all }), needs({}, { tls: all })], [true, false]);
  assertEquals(needs(every, { tls: all, insecure: ["client"] }), false);
});

Deno.test("open ports: what is said to be insecure is open, and told of where it is", () => {
  const every = { hostname: "db1", adminListen: "0.0.0.0" };
  assertEquals(openIn(every, { insecure: PORT_NAMES }), { faults: [], insecure: [...PORT_NAMES] });
  assertEquals(openIn({}, { insecure: PORT_NAMES }), { faults: [], insecure: [] });
  assertEquals(openIn(every, { insecure: PORT_NAMES }, true).insecure, ["client", "admin"]);
  const some = openIn(every, { insecure: ["client"] });
  assertEquals([some.faults.length, some.insecure], [2, ["client"]]);
  assertMatch(
    some.faults[0]!,
    /a secret \(secretFile\), have it listen on loopback \(logListen\), or/,
  );
});

Deno.test("open ports: a secret that is optional protects nothing, and what to do is said", () => {
  const { faults: [fault, ...more] } = openIn(
    { hostname: "db1", clientListen: "::1" },
    { secretFile: "s", secretOptional: true },
  );
  assertEquals(more, []);
  assertMatch(fault!, /^servers\[0\]\.hostname: server 1 would open its log port on db1, where/);
  assertMatch(fault!, /while it is optional\. Say "insecure": \["log"\] beside secretOptional/);
  assertEquals(/give the servers/.test(fault!), false, "they have one");
  const rollingIn = { secretFile: "s", secretOptional: true, insecure: ["log"] as const };
  assertEquals(faultsOf({ hostname: "db1", clientListen: "::1" }, rollingIn), []);
});

Deno.test("open ports: TLS that is optional protects the log port no more, unless the secret does", () => {
  const log = { cert: "c", key: "k", ca: "ca", requestCert: true, optional: true };
  const open = { hostname: "db1", clientListen: "::1" };
  const { faults: [fault, ...more] } = openIn(open, { tls: { log } });
  assertEquals(more, []);
  assertMatch(
    fault!,
    /TLS protects nothing while it is optional\. Say "insecure": \["log"\] beside tls/,
  );
  assertEquals(openIn(open, { tls: { log }, insecure: ["log"] }), {
    faults: [],
    insecure: ["log"],
  });
  assertEquals(openIn(open, { tls: { log } }, true), { faults: [], insecure: [] });
});

Deno.test("open ports: who needs users and listens on no loopback address is told where the first one is made", () => {
  const files = { cert: "c", key: "k", ca: "ca", requestCert: true };
  const doubt = (server: Partial<ServerConfig>, config: Partial<Config> = {}) => {
    const entry = { id: 1, hostname: "db1", clientPort: 1, logPort: 2, ...server };
    const tls = { client: files, log: files };
    return firstUserDoubt({ ...defaultConfig(), servers: [entry], tls, ...config }, 1);
  };
  assertMatch(doubt({})!, /^Server 1 serves other .* over loopback, .* clientListen 0\.0\.0\.0/);
  assertMatch(doubt({ clientListen: "10.0.0.1" })!, /loopback/);
  for (const clientListen of ["0.0.0.0", "::", "127.0.0.1", "localhost"]) {
    assertEquals(doubt({ clientListen }), null);
  }
  assertEquals(doubt({}, { insecure: ["client"] }), null, "it serves everybody");
});
