#!/bin/bash
# The image's health check: whether the server answers /livez with 200, on its probe port (PROBE_PORT), else
# on its admin port (ADMIN_PORT). The latter answers this where it has neither TLS nor a token: with them,
# give the server a probePort. Bash alone, as the image has neither curl nor wget. Docker ends it where
# nothing comes.
exec 3<>"/dev/tcp/127.0.0.1/${PROBE_PORT:-${ADMIN_PORT:?}}" || exit 1
printf 'GET /livez HTTP/1.0\r\n\r\n' >&3
read -r line <&3 && [[ $line == *" 200 "* ]]
