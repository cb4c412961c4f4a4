# What the runtime is told of a server, for the scripts that start or build one (sourced).

# The network, files, and the environment variables that lib/host/process.ts names. No programs, no
# foreign code.
raftkv_permissions=(
  --allow-net
  --allow-read
  --allow-write
  --allow-env=RAFTKV_ID,RAFTKV_CONFIG,RAFTKV_DATA,RAFTKV_LOG,RAFTKV_LOG_LEVEL
  --no-prompt
)

# How the engine runs a server. Its own heap is some 10 MiB, so that the engine would collect each time
# as much again was allocated outside of it, in log entries: four times a second under load, 20 ms each.
raftkv_engine=(
  --v8-flags=--heap-growing-percent=300
)
