/**
 * House rules about the folders of lib/: which layers a layer may import, and inside a layer which
 * of its sub-folders may import which of its own files and of each other. Pure.
 */

/** Folders of lib/ (or its root files) and the folders that they may import, besides themselves. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  util: [],
  raft: ["util"],
  kv: ["util"],
  // Of the storage, the words of the handshake alone: cluster id, incarnation.
  wire: ["util", "raft", "kv", "storage/types.ts"],
  storage: ["util", "raft", "kv", "host/ports.ts"],
  node: ["util", "raft", "kv", "wire", "storage", "host/ports.ts"],
  // The engine for scripts: it runs them with nothing but what it is given.
  scripts: ["util", "wire/scripts.ts"],
  net: ["util", "wire", "node", "host/ports.ts"],
  admin: ["util", "wire", "node", "host/ports.ts"],
  host: ["util"],
};

interface SubFolders {
  /** Files of the layer's own that each of its sub-folders may import. */
  readonly shared: readonly string[];
  /**
   * Every sub-folder, with what it may import besides: a sibling (`session`), one file of a sibling
   * (`session/session.ts`), or one more file of the layer (`space.ts`).
   */
  readonly folders: Readonly<Record<string, readonly string[]>>;
}

/** In storage each row may import the rows before it. */
const STORAGE_ROWS = [
  ["files"],
  ["segments"],
  ["reserves"],
  ["wal", "snapshots"],
  ["recovery", "backups"],
  ["inspection"],
  ["founding"],
];

const SUB_FOLDERS: Readonly<Record<string, SubFolders>> = {
  admin: { shared: ["http_response.ts"], folders: { page: [] } },
  host: {
    shared: [
      "ports.ts",
      "descriptors.ts",
      "dialing.ts",
      "listening.ts",
      "resolver.ts",
      "system_errors.ts",
      "tcp_connection.ts",
    ],
    folders: { tls: [] },
  },
  kv: {
    shared: [],
    folders: {
      memory: [],
      // What commands are as bytes and what they come to, not what they do.
      users: ["commands/command.ts", "commands/result.ts"],
      // The same, and the keys that go with a session.
      sessions: [
        "users",
        "commands/command.ts",
        "commands/result.ts",
        "commands/keyspace.ts",
      ],
      // A script is a text: nothing runs it here.
      scripts: ["memory", "commands/command.ts", "commands/result.ts"],
      commands: ["memory", "users", "scripts/operations.ts", "sessions/operations.ts"],
    },
  },
  wire: {
    shared: [
      "codec.ts",
      "backup.ts",
      "command_batch.ts",
      "decimal.ts",
      "clients.ts",
      "members.ts",
      "status.ts",
      "acl.ts",
      "client_access.ts",
      "questions.ts",
      "watching.ts",
      "watch_events.ts",
      "subscribing.ts",
      "tracking.ts",
      "read_keys.ts",
      "scripts.ts",
    ],
    // Forwarded: what is asked about members is written where it is answered, for the Redis protocol.
    folders: { line: [], resp: [], rpc: [], forward: ["resp", "rpc/rpc_types.ts"] },
  },
  storage: {
    shared: ["types.ts", "errors.ts", "advice.ts"],
    folders: Object.fromEntries(
      STORAGE_ROWS.flatMap((row, at) =>
        row.map((name) => [name, STORAGE_ROWS.slice(0, at).flat()])
      ),
    ),
  },
  cli: {
    shared: [
      "client_ports.ts",
      "client_tls.ts",
      "context.ts",
      "exit_codes.ts",
      "usage_error.ts",
      "cluster_file.ts",
      "read_directory.ts",
      "tool.ts",
      "server_id.ts",
      "own_entry.ts",
    ],
    folders: {
      output: [],
      connect: ["output", "completion"],
      commands: ["connect", "output", "run", "completion/shells.ts"],
      transfer: ["output", "connect"],
      status: ["output", "connect"],
      founding: ["output"],
      members: ["output", "connect"],
      join: ["output", "connect"],
      completion: ["commands", "connect", "output", "members", "routes.ts"],
      run: [
        ...["commands", "connect", "output", "transfer", "status", "completion", "founding"],
        "members",
      ],
      // The second executable, which reads no files: of the first one's words those for locks alone.
      wrap: ["texts.ts", "connect/lock_flags.ts", "connect/failures.ts", "output/units.ts"],
    },
  },
  node: {
    shared: ["api.ts", "limits.ts", "node_options.ts"],
    folders: {
      time: [],
      reports: [],
      watches: [],
      pubsub: [],
      session: ["watches", "pubsub"],
      security: ["reports"],
      log: ["session", "reports"],
      scripts: ["session"],
      members: [],
      peers: ["reports", "members"],
      forward: ["session", "peers", "members", "reports"],
      snapshots: ["reports"],
      facts: [
        "session",
        "watches",
        "pubsub",
        "peers",
        "reports",
        "state.ts",
        "replica.ts",
        "version_raise.ts",
      ],
    },
  },
};

/** Why `path` may not import `target`; null where it may. Root files of lib/ may import all. */
export function folderFault(path: string, target: string): string | null {
  const [, layer, folder, ...rest] = path.split("/");
  if (!path.startsWith("lib/") || layer === undefined || folder === undefined) return null;
  if (!target.startsWith("lib/")) return null;
  const isInSubFolder = rest.length > 0;
  if (target.split("/")[1] !== layer) return layerFault(layer, target);
  return isInSubFolder ? subFolderFault(layer, folder, target) : null;
}

function layerFault(layer: string, target: string): string | null {
  const allowed = LAYERS[layer];
  const name = target.slice("lib/".length);
  if (allowed === undefined || allowed.includes(name)) return null;
  const folder = name.includes("/") ? name.split("/")[0]! : "";
  if (allowed.includes(folder)) return null;
  const names = allowed.length === 0 ? "nothing else" : allowed.join(", ");
  return `${layer} must not import ${name}: it may import ${names}`;
}

function subFolderFault(layer: string, folder: string, target: string): string | null {
  const name = target.split("/").slice(2).join("/");
  if (name.startsWith(`${folder}/`)) return null;
  const rules = SUB_FOLDERS[layer];
  const besides = rules?.folders[folder];
  if (rules === undefined || besides === undefined) {
    return `${layer}/${folder} has no row in scripts/tidy_folders.ts: say there what it may import`;
  }
  const allowed = [...rules.shared, ...besides];
  if (allowed.includes(name)) return null;
  if (name.includes("/") && allowed.includes(name.split("/")[0]!)) return null;
  const names = allowed.length === 0 ? "its own files alone" : allowed.join(", ");
  return `${layer}/${folder} must not import ${layer}/${name}: it may import ${names}`;
}
