# What the runtime is told of a server, for the scripts that start or build one (sourced).

# The network, files, and the environment variables that lib/host/process.ts names. No programs, no
# foreign code.
raftkv_variables=(
  RAFTKV_ID RAFTKV_CONFIG RAFTKV_DATA RAFTKV_LOG RAFTKV_LOG_LEVEL
  RAFTKV_SERVERS RAFTKV_TIMEOUT RAFTKV_OUTPUT
  RAFTKV_USER RAFTKV_PASSWORD RAFTKV_PASSWORD_FILE
  RAFTKV_JOIN RAFTKV_HOSTNAME RAFTKV_CLIENT_PORT RAFTKV_LOG_PORT RAFTKV_ADMIN_PORT
  RAFTKV_FORWARD_PORT RAFTKV_CLIENT_LISTEN RAFTKV_LOG_LISTEN
  RAFTKV_CLUSTER_SECRET RAFTKV_CLUSTER_SECRET_FILE RAFTKV_ADMIN_TOKEN
  RAFTKV_TLS_CA RAFTKV_TLS_CERT RAFTKV_TLS_KEY RAFTKV_TLS_SERVER_NAME RAFTKV_INSECURE
)
raftkv_permissions=(
  --allow-net
  --allow-read
  --allow-write
  "--allow-env=$(IFS=, && echo "${raftkv_variables[*]}")"
  --no-prompt
)

# What `raftkv-run` may do, which runs a command while it holds a lock: the network and programs. All that it
# is told are flags; a program's own environment and files it has no use for.
raftkv_run_permissions=(--allow-net --allow-run --no-prompt)

# How the engine runs a server. Its own heap is some 10 MiB, so that the engine would collect each time
# as much again was allocated outside of it, in log entries; and its nursery would grow to 32 MiB, for
# objects that die at once in a small one just as well. The middle compiler leaves 5 to 10 MiB of holes
# behind in the memory of the compiling threads; hot code reaches the last compiler without it as well. It
# does after 500 calls instead of 3,000, and 100 after a call last met something new instead of 500: a server
# that nobody asks anything takes ten turns a second, and would run unoptimized for its first five minutes.
raftkv_v8_flags=(
  --heap-growing-percent=300
  --max-semi-space-size=4
  --no-maglev
  --invocation-count-for-turbofan=500
  --minimum-invocations-after-ic-update=100
)
raftkv_engine=("--v8-flags=$(IFS=, && echo "${raftkv_v8_flags[*]}")")
