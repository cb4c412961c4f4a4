#!/bin/bash
# The image's health check: whether the server's admin port, which ADMIN_PORT names, answers /livez with 200.
# Bash alone, as the image has neither curl nor wget. Docker ends it where nothing comes.
exec 3<>"/dev/tcp/127.0.0.1/${ADMIN_PORT:?}" || exit 1
printf 'GET /livez HTTP/1.0\r\n\r\n' >&3
read -r line <&3 && [[ $line == *" 200 "* ]]
