# The permissions of a server, for the scripts that start or build one (sourced): the network, files,
# and the environment variables that lib/host/process.ts names. No programs, no foreign code.
raftkv_permissions=(
  --allow-net
  --allow-read
  --allow-write
  --allow-env=RAFTKV_ID,RAFTKV_CONFIG,RAFTKV_DATA,RAFTKV_LOG,RAFTKV_LOG_LEVEL
  --no-prompt
)
