/** deploy/kubernetes.yaml: its objects, as far as tests look at them. */
import { assertEquals } from "@std/assert";
import { type Config, parseConfig } from "../../lib/config.ts";
import { yamlDocuments } from "./deploy_files.ts";

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

export interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
    };
  }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly resources: { readonly limits: Readonly<Record<string, string>> };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface StatefulSet extends KubernetesObject {
  readonly spec: {
    readonly serviceName: string;
    readonly replicas: number;
    readonly ordinals: { readonly start: number };
    readonly podManagementPolicy: string;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations: Readonly<Record<string, string>>;
      };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: Readonly<Record<string, unknown>>;
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly configMap: { readonly name: string };
        }[];
      };
    };
    readonly volumeClaimTemplates: readonly {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
    }[];
  };
}

export interface Service extends KubernetesObject {
  readonly spec: {
    readonly clusterIP?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly {
      readonly name: string;
      readonly port: number;
      readonly targetPort: string;
    }[];
  };
}

export const OBJECTS = yamlDocuments("kubernetes.yaml") as KubernetesObject[];

/** The one object of this kind and name. */
export function object<T extends KubernetesObject>(kind: string, name = "raftkv"): T {
  const found = OBJECTS.filter((one) => one.kind === kind && one.metadata.name === name);
  assertEquals(found.length, 1, `one ${kind} ${name}`);
  return found[0] as T;
}

export function container(): Container {
  const { containers } = object<StatefulSet>("StatefulSet").spec.template.spec;
  assertEquals(containers.length, 1);
  return containers[0]!;
}

export function clusterText(): string {
  const { data } = object<KubernetesObject & { data: Record<string, string> }>("ConfigMap");
  return data["cluster.json"]!;
}

export function kubernetesCluster(): Config {
  return parseConfig(clusterText(), "cluster.json of the ConfigMap");
}
