/** What an event is, with its name in the trace. */
export const Kind = {
  wake: 1,
  turn: 2,
  completion: 3,
  connect: 10,
  connectFailed: 11,
  accept: 12,
  connected: 13,
  frame: 14,
  answer: 15,
  broken: 16,
  closed: 17,
  inboundGone: 18,
  clientOpen: 30,
  clientOpened: 31,
  toServer: 32,
  toClient: 33,
  serverEnd: 34,
  clientEnd: 35,
  taken: 36,
  clientThink: 40,
  clientTimeout: 41,
  faultBegin: 50,
  faultEnd: 51,
  restart: 52,
  resume: 53,
} as const;
export type Kind = typeof Kind[keyof typeof Kind];

const NAMES = new Map<number, string>(Object.entries(Kind).map(([name, kind]) => [kind, name]));

export function kindName(kind: number): string {
  return NAMES.get(kind) ?? `kind ${kind}`;
}
