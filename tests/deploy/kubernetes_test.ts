/** deploy/kubernetes.yaml: against Kubernetes' own types, the cluster file, and each other. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { CHECK_NAMES } from "../../lib/admin/probes.ts";
import { catchUpBytesMax } from "../../lib/node/limits.ts";
import { imageEnvironment, inImage, read } from "./deploy_files.ts";
import {
  container,
  kubernetesCluster,
  type KubernetesObject,
  object,
  OBJECTS,
  type Service,
  type StatefulSet,
} from "./kubernetes.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;
const LABELS = { "app.kubernetes.io/name": "raftkv" };
const UNITS: Readonly<Record<string, number>> = { Mi: 2 ** 20, Gi: 2 ** 30 };

function bytesOf(quantity: string): number {
  const [, digits, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  assert(unit !== undefined, quantity);
  return Number(digits) * UNITS[unit]!;
}

/** What the compiler says of the objects as literals of Kubernetes' types. */
function typeErrors(objects: readonly KubernetesObject[]): string {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-types-" });
  try {
    const constants = objects.map((one, at) =>
      `export const object${at}: I${one.kind} = ${JSON.stringify(one)};`
    );
    const kinds = [...new Set(objects.map(({ kind }) => `I${kind}`))];
    const types = `import type { ${kinds.join(", ")} } from ` +
      `"${PROJECT}tests/packages/kubernetes.ts";`;
    Deno.writeTextFileSync(`${directory}/objects.ts`, [types, ...constants].join("\n"));
    const locked = [`--config=${PROJECT}deno.json`, `--lock=${PROJECT}tests/deno.lock`, "--frozen"];
    const { success, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", ...locked, `${directory}/objects.ts`],
      env: { NO_COLOR: "1" },
    }).outputSync();
    return success ? "" : new TextDecoder().decode(stderr);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("deploy: kubernetes.yaml has Kubernetes' types, without a key that it does not know", () => {
  assertEquals(typeErrors(OBJECTS), "");
  const misspelt = JSON.parse(
    JSON.stringify(object("StatefulSet")).replace('"livenessProbe"', '"livenesProbe"'),
  ) as KubernetesObject;
  assertStringIncludes(typeErrors([misspelt]), `'"livenesProbe"' does not exist`);
});

Deno.test("deploy: pods, Services, budget and policy mean the same pods in one namespace", () => {
  const set = object<StatefulSet>("StatefulSet").spec;
  assertEquals(set.selector.matchLabels, LABELS);
  assertEquals(set.template.metadata.labels, LABELS);
  const headless = object<Service>("Service", set.serviceName).spec;
  assertEquals([headless.clusterIP, headless.publishNotReadyAddresses], ["None", true]);
  assertEquals(headless.selector, LABELS);
  const clients = object<Service>("Service", "raftkv-client").spec;
  assertEquals([clients.selector, clients.publishNotReadyAddresses], [LABELS, undefined]);
  const budget = object<KubernetesObject & { spec: unknown }>("PodDisruptionBudget").spec;
  assertEquals(budget, {
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: "IfHealthyBudget",
    selector: { matchLabels: LABELS },
  });
  const namespace = object("Namespace").metadata.name;
  for (const { kind, metadata } of OBJECTS) {
    if (kind !== "Namespace") assertEquals(metadata.namespace, namespace, kind);
  }
  assertEquals(set.podManagementPolicy, "Parallel", "the first start needs all servers at once");
});

Deno.test("deploy: the ConfigMap's hostnames are the pods' names, its ports theirs", () => {
  const { servers, path } = kubernetesCluster();
  const { metadata, spec } = object<StatefulSet>("StatefulSet");
  assertEquals(servers.length, spec.replicas);
  const ports = Object.fromEntries(
    container().ports.map(({ name, containerPort }) => [name, containerPort]),
  );
  for (const [at, server] of servers.entries()) {
    const ordinal = spec.ordinals.start + at;
    assertEquals(server, {
      id: ordinal,
      hostname: `${metadata.name}-${ordinal}.${spec.serviceName}.${metadata.namespace}` +
        ".svc.cluster.local",
      clientPort: ports["client"],
      logPort: ports["log"],
      adminPort: ports["admin"],
      clientListen: "0.0.0.0",
      logListen: "0.0.0.0",
      adminListen: "0.0.0.0",
      // Where the client port is: probes come to the pod's address.
      probePort: ports["probe"],
    });
  }
  assertEquals(ports, { client: 9000, log: 9001, admin: 9100, probe: 9101 });
  assertEquals(inImage("EXPOSE").split(" ").map(Number), Object.values(ports));
  assertEquals(spec.template.metadata.annotations["prometheus.io/port"], `${ports["admin"]}`);
  for (const service of ["raftkv", "raftkv-client"]) {
    for (const { name, port, targetPort } of object<Service>("Service", service).spec.ports) {
      assertEquals([targetPort, port], [name, ports[name]]);
    }
  }
  assertEquals(path, imageEnvironment()["RAFTKV_DATA"]);
});

Deno.test("deploy: the pod runs as the image's user, finds its id, its file and its data, and is probed", () => {
  const { spec } = object<StatefulSet>("StatefulSet");
  const { securityContext, volumes, terminationGracePeriodSeconds } = spec.template.spec;
  const [user, group] = inImage("USER").split(":").map(Number);
  assertEquals(securityContext, {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: group,
    fsGroup: group,
    fsGroupChangePolicy: "OnRootMismatch",
    seccompProfile: { type: "RuntimeDefault" },
  });
  assert(terminationGracePeriodSeconds >= 4, "an orderly stop takes 2 s");
  const { env, volumeMounts, startupProbe, livenessProbe, readinessProbe, ...rest } = container();
  const [id, config, data, secret] = env;
  assertEquals(secret!.name, "RAFTKV_CLUSTER_SECRET");
  const { name, key } = secret!.valueFrom!.secretKeyRef!;
  // What the head of the file has made by hand.
  assertMatch(
    read("kubernetes.yaml"),
    new RegExp(`create secret generic ${name} --from-literal=${key}=`),
  );
  assertEquals(
    id!.valueFrom?.fieldRef?.fieldPath,
    "metadata.labels['apps.kubernetes.io/pod-index']",
  );
  const { RAFTKV_CONFIG, RAFTKV_DATA } = imageEnvironment();
  assertEquals([config!.value, data!.value], [RAFTKV_CONFIG, RAFTKV_DATA]);
  assertEquals(volumeMounts.map(({ name, mountPath }) => [name, mountPath]), [
    [spec.volumeClaimTemplates[0]!.metadata.name, RAFTKV_DATA],
    [volumes[0]!.name, RAFTKV_CONFIG!.replace(/\/cluster\.json$/, "")],
  ]);
  assertEquals(volumes[0]!.configMap.name, object("ConfigMap").metadata.name);
  assertEquals(rest.args, ["serve"]);
  const paths = Object.keys(CHECK_NAMES).map((name) => `/${name}`);
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
    assert(paths.includes(httpGet.path), httpGet.path);
    assertEquals(httpGet.port, "probe");
  }
  assertEquals(livenessProbe.httpGet.path, "/livez", "no restart for want of a leader");
  assertEquals(readinessProbe.httpGet.path, "/readyz");
  assertMatch(rest.image, /:\d+\.\d+\.\d+$/);
});

Deno.test("deploy: memory and volume of a pod hold what its cluster file allows", () => {
  const { storage, limits } = kubernetesCluster();
  assert(storage.dataBytesMax > 0, "a limit of memory needs a quota");
  const needed = storage.dataBytesMax + limits.clientBytesMax + limits.uncommittedBytesMax +
    storage.logMemoryBytes + 100 * UNITS["Mi"]!;
  const memory = bytesOf(container().resources.limits["memory"]!);
  assert(needed <= memory, `${needed} of ${memory}`);
  // docs/operating.md, "Sizing": S with 50 % for small keys, and as much written during a snapshot.
  const snapshot = 1.5 * storage.dataBytesMax;
  const log = Math.max(storage.snapshotLogBytesMin, snapshot);
  const disk = 4.125 * snapshot + 3 * log + 2 * storage.segmentBytesMax + 2 * storage.reserveBytes +
    catchUpBytesMax(storage, storage.dataBytesMax);
  const [claim] = object<StatefulSet>("StatefulSet").spec.volumeClaimTemplates;
  const volume = bytesOf(claim!.spec.resources.requests.storage);
  assert(disk <= volume, `${disk} of ${volume}`);
});
