/**
 * Process tests that say nothing more of the executable than of the sources. Everything else in
 * tests/process runs on both in CI, what is new too. A file is named here where each of its tests is
 * about one of these, and where the executable's own part in it (start, permissions, files, sockets,
 * signals, the terminal, the embedded page) is shown by a file that does run.
 */

/** What commands come to: the same pure code decides it, and its bytes are compared on the sources. */
const STORE = "what commands come to";
/** What other programs make of bytes that the sources and the executable send alike. */
const OTHERS = "what other programs make of the same bytes";
/** What several servers agree on: pure code, too; that servers of the executable do, the rest shows. */
const AGREEMENT = "what servers agree on";
/** What the command line says of servers that don't serve: healthy ones are asked on both. */
const SENTENCES = "what the command line says of faults";
/** No server takes part, or nothing but what a page of the docs says. */
const NO_SERVER = "no server";

/** The files, by their paths in tests/process, and what they are about. */
export const SAME_ANYWHERE: Readonly<Record<string, string>> = {
  "acl_redis_test.ts": STORE,
  "cli_faults_test.ts": SENTENCES,
  "client_kill_test.ts": OTHERS,
  "client_page_test.ts": OTHERS,
  "clients/cut_test.ts": OTHERS,
  "clients/kill_test.ts": OTHERS,
  "clients/locks_test.ts": OTHERS,
  "clients/scripts_test.ts": OTHERS,
  "clients/users_test.ts": OTHERS,
  "cluster_file_test.ts": AGREEMENT,
  "cluster_version_test.ts": AGREEMENT,
  "dropped_packets_test.ts": AGREEMENT,
  "genpass_redis_test.ts": STORE,
  "haproxy_test.ts": OTHERS,
  "harness_test.ts": NO_SERVER,
  "history_test.ts": AGREEMENT,
  "known_of_others_test.ts": AGREEMENT,
  "lock_rounds_test.ts": AGREEMENT,
  "members_test.ts": AGREEMENT,
  "newcomers_test.ts": AGREEMENT,
  "npm_package_test.ts": OTHERS,
  "operating_page_test.ts": NO_SERVER,
  "prometheus_test.ts": OTHERS,
  "ranges_test.ts": STORE,
  "redis_clients_test.ts": OTHERS,
  "redis_compat_test.ts": STORE,
  "redis_faults_test.ts": STORE,
  "redis_tools_test.ts": OTHERS,
  "rounds_test.ts": AGREEMENT,
  "sessions_test.ts": STORE,
  "users_redis_test.ts": STORE,
  "wall_clocks_test.ts": STORE,
  "watches_test.ts": STORE,
};
