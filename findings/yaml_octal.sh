#!/usr/bin/env bash
# Guess: a Kubernetes manifest that is read and written again by a YAML library, nothing changed, means the
# same to Kubernetes.
#
# What is so, with yaml 2.9.1 (npm): it reads YAML 1.2, where 0440 is the decimal number 440, and writes 440.
# kubectl reads as YAML 1.1 does: 0440 is octal, 288. So a secret that was mounted with mode 0440 is mounted
# with 0670 afterwards, and its group may write it. Nothing warns.
# js-yaml 3.15.2 reads 288. What helps: decimal numbers in manifests, or `parse(text, { version: "1.1" })`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need kubectl "Debian: kubernetes-client"
need node "Node.js"
packages yaml@2.9.1 js-yaml@3.15.2

mkdir "$work/before" "$work/after" "$work/older"
cat >"$work/before/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: one
spec:
  containers:
    - name: one
      image: one
  volumes:
    - name: key
      secret:
        secretName: key
        defaultMode: 0440
YAML
# again FOLDER LIBRARY READ WRITE: writes FOLDER/pod.yaml by a library of npm.
again() {
  (cd "$work" && node -e '
    const fs = require("node:fs");
    const [folder, name, read, write] = process.argv.slice(1);
    const library = require(name);
    const text = library[write](library[read](fs.readFileSync("before/pod.yaml", "utf8")));
    fs.writeFileSync(`${folder}/pod.yaml`, text);
  ' "$@")
}
again after yaml parse stringify
again older js-yaml safeLoad safeDump

# mode FOLDER: what kubectl makes of the manifest, without a server.
mode() {
  echo 'resources: [pod.yaml]' >"$work/$1/kustomization.yaml"
  local decimal
  decimal=$(kubectl kustomize "$work/$1" | sed -nE 's/^ *defaultMode: //p')
  printf '%s, which is mode 0%o\n' "$decimal" "$decimal"
}

kubectl version --client 2>/dev/null | sed -n 1p
seen "defaultMode: 0440, to kubectl" "$(mode before)" "288, which is mode 0440"
seen "read and written by yaml 2.9.1" "$(mode after)" "440, which is mode 0670"
seen "read and written by js-yaml 3.15.2" "$(mode older)" "288, which is mode 0440"
