#!/usr/bin/env bash
# Guess: a Lua string is bytes, so wasmoon hands any string to a function of JavaScript and back unchanged,
# perhaps with a letter for each byte.
#
# What is so, in wasmoon 1.16.0 (Lua 5.4 in WebAssembly): strings go through UTF-8 both ways. One that holds
# a zero byte ends there, one byte of 0xff comes back as others, and a letter of Latin-1 becomes two bytes;
# no error is raised. Whoever keeps binary values by scripts loses them.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need node "Node.js"
packages wasmoon@1.16.0

cat >"$work/program.mjs" <<'JS'
import { LuaFactory } from "wasmoon";
const lua = await new LuaFactory().createEngine();
lua.global.set("same", (text) => text);
lua.global.set("latin", "\u00e9");
const survives = (text) => lua.doString(`local s = ${text} return same(s) == s`);
console.log(`ascii ${await survives("'abc'")}`);
console.log(`zero ${await survives("'a\\0b'")} ${await lua.doString("return #same('a\\0b')")}`);
console.log(`high ${await survives("string.char(0xff)")}`);
console.log(`latin ${await lua.doString("return #latin")}`);
JS
said=$(cd "$work" && node program.mjs 2>/dev/null)
echo "wasmoon 1.16.0, Node $(node --version)"
seen "text survives" "$(sed -n 1p <<<"$said")" "ascii true"
seen "a string with a zero byte survives; its length" "$(sed -n 2p <<<"$said")" "zero false 1"
seen "a byte of 0xff survives" "$(sed -n 3p <<<"$said")" "high false"
seen "bytes of one letter of Latin-1" "$(sed -n 4p <<<"$said")" "latin 2"
