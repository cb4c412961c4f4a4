/**
 * The command lines of deploy/, run as they stand there but for paths and ports: what systemd, Docker and
 * the kubelet would start, ask and stop. Names are given the loopback address, as nobody resolves them here.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { freePorts } from "../../bench/free_ports.ts";
import { ask } from "../process/admin_client.ts";
import { eventually } from "../process/patience.ts";
import { needsProgram, testNamed } from "../process/requirements.ts";
import { type Ended, runToEnd, ServerProcess } from "../process/server_process.ts";
import { COMPOSE, COMPOSE_CLUSTER } from "./compose.ts";
import { commandOf, DEPLOY, imageEnvironment, inImage, read, unitOf } from "./deploy_files.ts";
import { clusterText, container, object, type StatefulSet } from "./kubernetes.ts";

const PROGRAM = "/usr/local/bin/raftkv";
const SECRET = "what-head-and-base64-would-have-made-of-it";
const UNIT = "systemd/raftkv@.service";

interface Started {
  readonly id: number;
  readonly adminPort: number;
  readonly process: ServerProcess;
}

/** How one of the three ways starts server `id`; arguments and variables as they stand in its file. */
interface Way {
  readonly clusterText: string;
  readonly command: (id: number) => readonly string[];
  readonly environment: (id: number) => Readonly<Record<string, string>>;
  readonly stopSignal: Deno.Signal;
  readonly stopMs: number;
}

interface ServerEntry extends Record<string, unknown> {
  readonly id: number;
}

class Deployment {
  readonly directory = Deno.makeTempDirSync({ prefix: "raftkv-deploy-" });
  readonly #way: Way;
  readonly #ports: ReadonlyMap<number, number>;
  readonly started: Started[] = [];

  constructor(way: Way) {
    this.#way = way;
    const cluster = JSON.parse(way.clusterText) as { servers: ServerEntry[] };
    const ids = cluster.servers.map(({ id }) => id);
    const free = freePorts(2 * ids.length);
    this.#ports = new Map(ids.map((id, at) => [id, free[2 * at]!]));
    const servers = cluster.servers.map((server, at) => ({
      ...server,
      ...Object.fromEntries(
        Object.keys(server).filter((key) => /^hostname$|Listen$/.test(key)).map((
          key,
        ) => [key, "127.0.0.1"]),
      ),
      clientPort: free[2 * at],
      logPort: free[2 * at + 1],
      // Above the client port by as much as where none is configured.
      ..."adminPort" in server && { adminPort: free[2 * at]! + 100 },
      ..."probePort" in server && { probePort: free[2 * at]! + 200 },
    }));
    Deno.writeTextFileSync(this.configFile, JSON.stringify({ ...cluster, servers }));
  }

  get configFile(): string {
    return `${this.directory}/cluster.json`;
  }

  /** A path of the machine or the image, in this test's directory. */
  #here(text: string): string {
    return text.replaceAll("/etc/raftkv/cluster.json", this.configFile)
      .replaceAll(/^\/(data|var\/lib\/raftkv)$/g, `${this.directory}/data`);
  }

  start(id: number): Started {
    const [program, ...args] = this.#way.command(id);
    assertEquals(program, PROGRAM);
    const environment = Object.entries(this.#way.environment(id)).map((
      [name, value],
    ) => [name, this.#here(value)]);
    const one = {
      id,
      // Where it is asked how it is: the probe port, where there is one.
      adminPort: this.#ports.get(id)! + (this.#way.clusterText.includes("probePort") ? 200 : 100),
      process: new ServerProcess({
        args: args.map((argument) => this.#here(argument)),
        directory: this.directory,
        environment: Object.fromEntries(environment),
      }),
    };
    this.started.push(one);
    return one;
  }

  get ids(): number[] {
    return [...this.#ports.keys()];
  }

  async [Symbol.asyncDispose]() {
    for (const { process } of this.started) await process.kill();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Waits until `path` of the server's admin port answers with `status`. */
async function answers({ id, adminPort, process }: Started, path: string, status: number) {
  await eventually(`server ${id} to answer ${path} with ${status}`, async () => {
    assert(!process.hasEnded, `server ${id} ended: ${process.error}`);
    const answer = await ask({ adminPort }, path).catch(() => null);
    return answer?.status === status;
  }, 30_000);
}

/** One server alone is alive and not ready; three are ready; each stops in order when it is told to. */
async function servesAndStops(way: Way, live: string, ready: string): Promise<void> {
  await using deployment = new Deployment(way);
  const { ids } = deployment;
  const first = deployment.start(ids[0]!);
  await answers(first, live, 200);
  await answers(first, ready, 503);
  for (const id of ids.slice(1)) deployment.start(id);
  for (const one of deployment.started) await answers(one, ready, 200);
  // The leader first: a drained node, and the others lead on.
  const leads = async ({ adminPort }: Started) =>
    (await ask({ adminPort }, "/leader")).status === 200;
  const isLeader = await Promise.all(deployment.started.map(leads));
  const leader = deployment.started[isLeader.indexOf(true)];
  assert(leader !== undefined, "one of three that are ready leads");
  const others = deployment.started.filter((one) => one !== leader);
  const { error } = await stopsInOrder(way, leader);
  assert(error.includes("Handing the leadership over"), error);
  for (const one of others) await answers(one, ready, 200);
  for (const one of others) await stopsInOrder(way, one);
  for (const id of ids) Deno.statSync(`${deployment.directory}/data/${id}/identity`);
}

async function stopsInOrder(way: Way, { process }: Started): Promise<Ended> {
  process.signal(way.stopSignal);
  const ended = await process.ended(way.stopMs);
  assertEquals(ended.code, 0, ended.error);
  return ended;
}

function systemdWay(): Way {
  const unit = unitOf(UNIT);
  const one = (key: string) => unit.get(`Service.${key}`)!.join("\n");
  return {
    clusterText: read("../cluster.example.json"),
    command: (id) => one("ExecStart").replaceAll("%i", `${id}`).split(" "),
    environment: () =>
      Object.fromEntries(one("Environment").split(/\s/).map((pair) => pair.split("="))),
    stopSignal: one("KillSignal") as Deno.Signal,
    stopMs: parseInt(one("TimeoutStopSec")) * 1_000,
  };
}

function composeWay(): Way {
  const service = (id: number) => COMPOSE.services[`raftkv-${id}`]!;
  return {
    clusterText: read(COMPOSE_CLUSTER),
    command: () => [...commandOf("ENTRYPOINT"), ...commandOf("CMD")],
    environment: (id) => ({ ...imageEnvironment(), ...service(id).environment }),
    stopSignal: "SIGTERM",
    stopMs: parseInt(service(1).stop_grace_period) * 1_000,
  };
}

function kubernetesWay(): Way {
  const { args, env } = container();
  const { terminationGracePeriodSeconds } = object<StatefulSet>("StatefulSet").spec.template.spec;
  return {
    clusterText: clusterText(),
    command: () => [...commandOf("ENTRYPOINT"), ...args],
    // What comes from elsewhere is the pod's number, and the servers' secret.
    environment: (id) => ({
      ...imageEnvironment(),
      ...Object.fromEntries(
        env.map(({ name, value, valueFrom }) => {
          return [name, value ?? (valueFrom?.secretKeyRef === undefined ? `${id}` : SECRET)];
        }),
      ),
    }),
    stopSignal: "SIGTERM",
    stopMs: terminationGracePeriodSeconds * 1_000,
  };
}

Deno.test("deploy: the unit's command line serves, and stops in order by the unit's signal", async () => {
  await servesAndStops(systemdWay(), "/livez", "/readyz");
});

Deno.test("deploy: the unit restarts after a refused start, and not after a wrong environment", async () => {
  const way = systemdWay();
  await using deployment = new Deployment(way);
  const never = unitOf(UNIT).get("Service.RestartPreventExitStatus")!.map(Number);
  const absent = await deployment.start(9).process.ended();
  assertEquals([absent.code, never.includes(absent.code)], [1, false], absent.error);
  const wrong = new Deployment({ ...way, environment: () => ({ RAFTKV_LOG: "xml" }) });
  await using _ = wrong;
  const { code, error } = await wrong.start(1).process.ended();
  assert(never.includes(code), error);
});

Deno.test("deploy: the compose file's commands serve, and stop in order", async () => {
  await servesAndStops(composeWay(), "/livez", "/readyz");
});

Deno.test("deploy: the pod's command serves, is probed by its probes, and stops in its grace period", async () => {
  const { startupProbe, livenessProbe, readinessProbe } = container();
  assertEquals(startupProbe.httpGet.path, livenessProbe.httpGet.path);
  await servesAndStops(kubernetesWay(), livenessProbe.httpGet.path, readinessProbe.httpGet.path);
});

Deno.test({
  ...testNamed(
    "deploy: the image's health check tells a server that runs from one that does not, or is frozen",
    needsProgram("bash", "-c", "exec 3<>/dev/null"),
  ),
  async fn() {
    await using deployment = new Deployment(composeWay());
    const server = deployment.start(1);
    await answers(server, "/livez", 200);
    assertMatch(inImage("HEALTHCHECK"), /CMD \["\/usr\/local\/bin\/healthy"\]$/);
    const ports = { ADMIN_PORT: `${server.adminPort}` };
    const exitCode = async (env: Record<string, string> = ports) => {
      const child = new Deno.Command(`${DEPLOY}healthy.sh`, {
        env,
        stdout: "null",
        stderr: "null",
      }).spawn();
      // Docker's --timeout, after which it counts as failed.
      const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      const { code } = await child.status;
      clearTimeout(timer);
      return code;
    };
    assertEquals(await exitCode(), 0);
    // The probe port goes first, where there is one.
    const [closed] = freePorts(1);
    assertEquals(await exitCode({ ADMIN_PORT: `${closed}`, PROBE_PORT: ports.ADMIN_PORT }), 0);
    assertEquals(await exitCode({ ...ports, PROBE_PORT: `${closed}` }) === 0, false);
    server.process.signal("SIGSTOP");
    assertEquals(await exitCode() === 0, false);
    await server.process.kill();
    assertEquals(await exitCode() === 0, false);
  },
});

Deno.test("deploy: `raftkv config check` takes the cluster files, and doubts nothing", async () => {
  // The pods have theirs from a Secret.
  const kubernetes: Record<string, string> = { RAFTKV_CLUSTER_SECRET: SECRET };
  for (
    const [text, environment] of [[clusterText(), kubernetes], [read(COMPOSE_CLUSTER), {}]] as const
  ) {
    const directory = Deno.makeTempDirSync({ prefix: "raftkv-deploy-" });
    try {
      Deno.writeTextFileSync(`${directory}/cluster.json`, text);
      const { code, out, error } = await runToEnd({
        args: ["config", "check", "cluster.json"],
        directory,
        environment,
      });
      assertEquals([code, error], [0, ""], out);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  }
});
