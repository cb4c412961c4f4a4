/** The types of Kubernetes' objects, made from its own schemas: an unknown key is an error. */
export type { IStatefulSet } from "npm:kubernetes-models@5.1.0/apps/v1";
export type { INetworkPolicy } from "npm:kubernetes-models@5.1.0/networking.k8s.io/v1";
export type { IPodDisruptionBudget } from "npm:kubernetes-models@5.1.0/policy/v1";
export type { IConfigMap, INamespace, IService } from "npm:kubernetes-models@5.1.0/v1";
