/**
 * What is sent to this server and to a real redis-server, to compare the replies byte by byte. A line
 * is one case, on a connection of its own over an empty store: commands parted by " | ", arguments by
 * spaces; `""` is an empty argument, `\s` a space, `\r`, `\n`, `\0`, `\xHH` and `\\` single bytes, and
 * `x*1000` a thousand of that. BLANK sends its argument as it is, and expects no reply.
 */
export interface CaseGroup {
  readonly about: string;
  readonly cases: string;
  /** Why the replies are meant to differ; they then have to. */
  readonly differs?: string;
}

export const CASES: readonly CaseGroup[] = [
  {
    about: "connection",
    cases: `
PING
ping
PiNg hello
PING ""
PING a b
PING \\xff\\x00\\r\\n
ECHO hello
ECHO ""
ECHO
ECHO a b
SELECT 0
SELECT abc
SELECT -1
SELECT 99
SELECT
AUTH secret
AUTH a b c
AUTH
QUIT
QUIT | PING
RESET
RESET now
HELLO abc
HELLO 4
HELLO 1
HELLO 2 FOO
HELLO 2 SETNAME
HELLO 2 SETNAME a\\sb
HELLO 3 SETNAME a\\nb
CLIENT
CLIENT GETNAME
CLIENT GETNAME x
CLIENT SETNAME me | CLIENT GETNAME
CLIENT SETNAME me | CLIENT SETNAME "" | CLIENT GETNAME
CLIENT SETNAME a\\sb
CLIENT SETNAME a\\nb
CLIENT SETNAME
CLIENT setname x | client getname
CLIENT ID extra
CLIENT FOO
CLIENT FOO bar
CLIENT INFO x
CLIENT HELP x
CLIENT LIST x
CLIENT LIST TYPE
CLIENT LIST TYPE nosuch
CLIENT LIST TYPE master
CLIENT LIST TYPE replica
CLIENT LIST TYPE slave
CLIENT LIST type pubsub
CLIENT LIST TYPE normal x
CLIENT LIST ID
CLIENT LIST ID abc
CLIENT LIST ID 999999999
CLIENT LIST ID 999999999 x
CLIENT KILL
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID
CLIENT KILL ID abc
CLIENT KILL ID 0
CLIENT KILL ID -1
CLIENT KILL ID 999999999
CLIENT KILL ID 999999999 SKIPME
CLIENT KILL ID 999999999 SKIPME maybe
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL ADDR 1.2.3.4:5 LADDR 1.2.3.4:6 SKIPME no
CLIENT KILL LADDR 1.2.3.4:5
CLIENT KILL TYPE master
CLIENT KILL TYPE replica
CLIENT KILL TYPE constructor
CLIENT KILL TYPE pubsub
CLIENT KILL USER nosuch
CLIENT KILL FOO bar
CLIENT KILL USER default ADDR 1.2.3.4:5
CLIENT KILL ID 999999999 FOO
CLIENT NO-EVICT
CLIENT NO-EVICT on
CLIENT NO-EVICT OFF
CLIENT NO-EVICT maybe
CLIENT SETNAME me | RESET | CLIENT GETNAME
FOO
FOO bar
FOO bar baz
foo\\r\\nbar x
"" a
GETX
x*200 y*200 z*200
FOO a*60 b*60 c*60 d*60
FOO a\\r\\nb
CONFIG GET save
CONFIG GET
CONFIG GET nosuchthing
CONFIG FOO
CONFIG
COMMAND COUNT x
COMMAND FOO
COMMAND INFO nosuch
COMMAND DOCS nosuch
TIME x
DBSIZE x
WAIT a 1
WAIT 1 a
WAIT 1 -1
WAIT 1
READONLY x
CLUSTER FOO
CLUSTER
`,
  },
  {
    about: "empty lines between requests",
    cases: `
PING | BLANK \\r\\n | PING
BLANK \\r\\n | PING
BLANK \\n | PING
BLANK \\n\\r\\n\\r\\n | PING | BLANK \\n\\n | PING hi
PING | BLANK \\s\\s\\r\\n | PING
PING | BLANK \\s\\x09\\x0b\\x0c\\n | PING
MULTI | BLANK \\r\\n | PING | BLANK \\r\\n | EXEC
SET k v | BLANK \\r\\n | GET k
`,
  },
  {
    about: "get and set",
    cases: `
GET k
GET
GET a b
SET k v | GET k
set K v | get k | get K
SET k "" | GET k | STRLEN k
SET k
SET
SET k \\x00\\xff\\r\\n | GET k
SET k a*1000 | GET k | STRLEN k
SET k a*20000 | STRLEN k | GET k
SET k\\swith\\sspaces v | GET k\\swith\\sspaces
SET \\x00\\x01\\x02 v | GET \\x00\\x01\\x02
SET k*300 v | GET k*300
SET k v EX 100 | GET k | TTL k
SET k v PX 100000 | TTL k
SET k v ex 100 | TTL k
SET k v EXAT 4102444800 | EXPIRETIME k | PEXPIRETIME k
SET k v PXAT 4102444800123 | PEXPIRETIME k | EXPIRETIME k
SET k v PXAT 4102444800500 | EXPIRETIME k
SET k v EXAT 1 | GET k
SET k v PXAT 1 | GET k | EXISTS k
SET k v EX 0
SET k v EX -1
SET k v PX 0
SET k v PX -5
SET k v EXAT 0
SET k v PXAT -1
SET k v EX abc
SET k v EX 1.5
SET k v EX
SET k v PX
SET k v EX 9223372036854775807
SET k v PX 9223372036854775807
SET k v EX 9223372036854775808
SET k v EX -9223372036854775808
SET k v EX -9223372036854776
SET k v PX -9223372036854775808
SET k v EXAT -9223372036854776
SET k v PXAT -9223372036854775808
SET k v EX 9223372036854776
SET k v EXAT 9223372036854776
SET k v EX 8998403160718 | GET k
SET k v PX 8998403161718783 | GET k
SET k v PXAT 9007199254740991 | PEXPIRETIME k | GET k
SET k v EXAT 9007199254740 | EXPIRETIME k
SET k v EX 10 PX 10000
SET k v EX 10 EXAT 10000
SET k v EX 10 EX 20 | TTL k
SET k v KEEPTTL
SET k v EX 100 | SET k w KEEPTTL | TTL k | GET k
SET k v EX 100 | SET k w | TTL k
SET k v KEEPTTL EX 10
SET k v EX 10 KEEPTTL
SET k v KEEPTTL KEEPTTL
SET k v NX
SET k v NX | SET k w NX | GET k
SET k v XX
SET k v XX | GET k
SET k v | SET k w XX | GET k
SET k v NX XX
SET k v XX NX
SET k v NX NX
SET k v XX XX
SET k v nx
SET k v GET
SET k v | SET k w GET | GET k
SET k v | SET k w NX GET | GET k
SET k v NX GET | GET k
SET k v XX GET | GET k
SET k v | SET k w XX GET | GET k
SET k v GET GET
SET k v | SET k w GET EX 100 | TTL k
SET k v | SET k w GET KEEPTTL | TTL k
SET k v EX 100 | SET k w GET | TTL k
SET k v EX 100 | SET k w NX | TTL k | GET k
SET k v EX 100 NX | TTL k
SET k v XX EX 100 | TTL k
SET k v FOO
SET k v EX 10 FOO
SET k v PERSIST
SET k v 10
SETNX k v | SETNX k w | GET k
SETNX k
SETNX k v w
SETEX k 100 v | TTL k | GET k
SETEX k 0 v
SETEX k -1 v
SETEX k abc v
SETEX k 9223372036854775807 v
SETEX k 100
PSETEX k 100000 v | TTL k
PSETEX k 0 v
PSETEX k -1 v
PSETEX k abc v
PSETEX k 9223372036854775807 v
GETSET k v
GETSET k v | GETSET k w | GET k
SET k v EX 100 | GETSET k w | TTL k
GETSET k
GETDEL k
SET k v | GETDEL k | GET k | GETDEL k
GETDEL
GETDEL a b
GETEX k
GETEX k EX 100
SET k v | GETEX k | TTL k
SET k v | GETEX k EX 100 | TTL k
SET k v | GETEX k PX 100000 | TTL k
SET k v | GETEX k EXAT 4102444800 | EXPIRETIME k
SET k v | GETEX k PXAT 4102444800123 | PEXPIRETIME k
SET k v | GETEX k EXAT 1 | GET k
SET k v | GETEX k PXAT 1 | EXISTS k
SET k v EX 100 | GETEX k | TTL k
SET k v EX 100 | GETEX k PERSIST | TTL k
SET k v | GETEX k PERSIST | TTL k
SET k v | GETEX k PERSIST EX 10
SET k v | GETEX k EX 10 PERSIST
SET k v | GETEX k EX 10 PX 10
SET k v | GETEX k KEEPTTL
SET k v | GETEX k NX
SET k v | GETEX k GET
SET k v | GETEX k FOO
SET k v | GETEX k EX
SET k v | GETEX k EX abc
SET k v | GETEX k EX 0 | GET k
SET k v | GETEX k PX -1
SET k v | GETEX k EXAT -1
GETEX
`,
  },
  {
    about: "parts of values",
    cases: `
STRLEN k
SET k hello | STRLEN k
STRLEN
STRLEN a b
APPEND k hello | APPEND k \\sworld | GET k
APPEND k "" | GET k | EXISTS k
SET k v EX 100 | APPEND k w | TTL k | GET k
APPEND k
APPEND k a b
GETRANGE k 0 -1
SET k hello | GETRANGE k 0 -1
SET k hello | GETRANGE k 0 0
SET k hello | GETRANGE k 1 3
SET k hello | GETRANGE k -3 -1
SET k hello | GETRANGE k -3 -2
SET k hello | GETRANGE k 3 1
SET k hello | GETRANGE k -1 -3
SET k hello | GETRANGE k 10 20
SET k hello | GETRANGE k 0 100
SET k hello | GETRANGE k -100 100
SET k hello | GETRANGE k -100 -90
SET k hello | GETRANGE k -100 2
SET k hello | GETRANGE k 4 4
SET k hello | GETRANGE k 5 5
SET k hello | GETRANGE k 0 9223372036854775807
SET k hello | GETRANGE k -9223372036854775808 -1
SET k hello | GETRANGE k 0 9223372036854775808
SET k hello | GETRANGE k a 1
SET k hello | GETRANGE k 1 a
SET k hello | GETRANGE k 1
SET k "" | GETRANGE k 0 -1
GETRANGE k a b
SETRANGE k 0 hello | GET k
SETRANGE k 5 hello | GET k
SETRANGE k 0 "" | EXISTS k
SETRANGE k 5 "" | EXISTS k
SET k hello | SETRANGE k 0 J | GET k
SET k hello | SETRANGE k 1 ipp | GET k
SET k hello | SETRANGE k 3 loworld | GET k
SET k hello | SETRANGE k 10 x | GET k
SET k hello | SETRANGE k 2 "" | GET k
SET k hello | SETRANGE k -1 x
SET k hello | SETRANGE k abc x
SET k hello | SETRANGE k 536870912 x
SET k hello | SETRANGE k 9223372036854775807 x
SET k hello | SETRANGE k 536870912 ""
SET k v EX 100 | SETRANGE k 0 w | TTL k
SETRANGE k 0
`,
  },
  {
    about: "numbers",
    cases: `
INCR k | INCR k | GET k
DECR k | DECR k | GET k
INCR
INCR a b
SET k 10 | INCR k
SET k -1 | INCR k | GET k
SET k abc | INCR k | GET k
SET k "" | INCR k
SET k 1.5 | INCR k
SET k \\s1 | INCR k
SET k 1\\s | INCR k
SET k +1 | INCR k
SET k 01 | INCR k
SET k -0 | INCR k
SET k 0 | DECR k
SET k 0x10 | INCR k
SET k 1e3 | INCR k
SET k 9223372036854775807 | INCR k | GET k
SET k 9223372036854775806 | INCR k | INCR k
SET k 9223372036854775808 | INCR k
SET k -9223372036854775808 | DECR k | GET k
SET k -9223372036854775808 | INCR k
SET k -9223372036854775809 | DECR k
SET k 99999999999999999999 | INCR k
SET k 9007199254740993 | INCR k
SET k 4294967295 | INCR k
SET k 4294967296 | DECR k
SET k -4294967296 | DECR k
SET k 99999999 | INCR k
INCRBY k 5 | INCRBY k -3 | GET k
INCRBY k 0 | GET k
INCRBY k 9223372036854775807 | INCRBY k 1
INCRBY k -9223372036854775808 | INCRBY k -1
INCRBY k 9223372036854775808
INCRBY k abc
INCRBY k 1.5
INCRBY k ""
INCRBY k +1
INCRBY k
INCRBY k 1 2
DECRBY k 5 | DECRBY k -3 | GET k
DECRBY k 9223372036854775807 | DECRBY k 1 | DECRBY k 1
DECRBY k -9223372036854775808
DECRBY k -9223372036854775807
DECRBY k abc
DECRBY k
SET k 5 EX 100 | INCR k | TTL k
SET k 5 EX 100 | DECRBY k 2 | TTL k | GET k
SET k abc | INCRBY k abc
SET k abc | DECRBY k 2
INCRBYFLOAT k 10.5 | GET k
SET k 10.50 | INCRBYFLOAT k 0.1
SET k 10.5 | INCRBYFLOAT k -10.5
SET k 5.0e3 | INCRBYFLOAT k 2.0e2
SET k 3 | INCRBYFLOAT k 1.5
SET k 1 | INCRBYFLOAT k 1 | GET k
SET k 0 | INCRBYFLOAT k 0.25
SET k 1.25 | INCRBYFLOAT k 1.25
SET k -1 | INCRBYFLOAT k 0.5
SET k -0.5 | INCRBYFLOAT k 0.5
SET k 100 | INCRBYFLOAT k 1e2
SET k abc | INCRBYFLOAT k 1
SET k "" | INCRBYFLOAT k 1
SET k 1 | INCRBYFLOAT k abc
SET k 1 | INCRBYFLOAT k ""
SET k 1 | INCRBYFLOAT k \\s1
SET k 1 | INCRBYFLOAT k 1\\s
SET k 1 | INCRBYFLOAT k nan
SET k 1 | INCRBYFLOAT k inf
SET k 1 | INCRBYFLOAT k -inf
SET k inf | INCRBYFLOAT k abc
SET k inf | INCRBYFLOAT k 1
SET k abc | INCRBYFLOAT k inf
SET k 1 | INCRBYFLOAT k +1
SET k 1 | INCRBYFLOAT k .5
SET k 1 | INCRBYFLOAT k 5.
SET k 1 | INCRBYFLOAT k .
SET k 1 | INCRBYFLOAT k 1e
SET k 1 | INCRBYFLOAT k e5
SET k 1 | INCRBYFLOAT k --1
SET k 1.0 | INCRBYFLOAT k 0
SET k 1 EX 100 | INCRBYFLOAT k 1.5 | TTL k
INCRBYFLOAT k
INCRBYFLOAT k 1 2
INCRBYFLOAT k 0.5 | INCR k
INCRBYFLOAT k 1.5 | INCRBYFLOAT k 0.5 | INCR k
`,
  },
  {
    about: "many keys",
    cases: `
MGET a
MGET a b c
MSET a 1 b 2 | MGET a b c
MSET a 1 b 2 | MGET a a b
MGET
MSET
MSET a
MSET a 1 b
MSET a 1 a 2 | GET a
MSET a 1 b 2 | DBSIZE
SET a v EX 100 | MSET a w | TTL a
MSETNX a 1 b 2 | MGET a b
SET a v | MSETNX a 1 b 2 | MGET a b
SET b v | MSETNX a 1 b 2 | MGET a b
MSETNX a 1 a 2 | GET a
MSETNX a
MSETNX a 1 b
MSETNX
DEL k
SET k v | DEL k | GET k
MSET a 1 b 2 c 3 | DEL a b x | DBSIZE
SET a 1 | DEL a a
DEL
UNLINK k
MSET a 1 b 2 | UNLINK a b c
UNLINK
EXISTS k
SET k v | EXISTS k
SET k v | EXISTS k k k
MSET a 1 b 2 | EXISTS a b c
EXISTS
TOUCH k
MSET a 1 b 2 | TOUCH a b c
TOUCH
TYPE k
SET k v | TYPE k
TYPE
TYPE a b
DBSIZE
MSET a 1 b 2 | DBSIZE | DEL a | DBSIZE
FLUSHALL
MSET a 1 b 2 | FLUSHALL | DBSIZE | GET a
FLUSHALL ASYNC
FLUSHALL SYNC
FLUSHALL FOO
FLUSHALL SYNC ASYNC
SET a 1 | FLUSHDB | DBSIZE
FLUSHDB ASYNC
FLUSHDB FOO
RANDOMKEY
SET k v | RANDOMKEY
RANDOMKEY x
KEYS *
SET k v | KEYS *
SET key v | KEYS k?y
SET key v | KEYS k[a-f]y
SET key v | KEYS k[^a-f]y
SET key v | KEYS k[e]y
SET key v | KEYS K*
SET key v | KEYS *y
SET key v | KEYS *e*
SET key v | KEYS k
SET key v | KEYS ""
SET k*y v | KEYS k\\\\*y
SET kxy v | KEYS k\\\\*y
SET key v | KEYS k[
SET key v | KEYS k[e
SET key v | KEYS [a-z][a-z][a-z]
SET key v | KEYS [z-a]ey
SET key v | KEYS ????
SET key v | KEYS ***
SET key v | KEYS k**y
SET key v | KEYS k[\\\\e]y
KEYS
KEYS a b
SCAN 0
SET k v | SCAN 0
SET k v | SCAN 0 COUNT 100
SET k v | SCAN 0 MATCH k*
SET k v | SCAN 0 MATCH x*
SET k v | SCAN 0 MATCH ""
SET k v | SCAN 0 TYPE string
SET k v | SCAN 0 TYPE list
SET k v | SCAN 0 TYPE STRING
SET k v | SCAN 0 match * count 10 type string
SCAN
SCAN abc
SCAN 0 COUNT 0
SCAN 0 COUNT -1
SCAN 0 COUNT abc
SCAN 0 COUNT
SCAN 0 MATCH
SCAN 0 FOO
SCAN 0 FOO bar
SCAN ""
SCAN 1a
SCAN \\s0
SCAN 0\\s
SCAN 18446744073709551615
SCAN 18446744073709551616
SCAN 99999999999999999999
SCAN 184467440737095516150
SCAN 4294967296
SCAN +0
SCAN +5
SCAN -0
SCAN -1
SCAN -18446744073709551615
SCAN -18446744073709551616
SCAN +18446744073709551616
SCAN +
SCAN -
SCAN --1
SCAN +-1
SCAN -a
SCAN 00000000000000000000000000000005
SCAN 0x10
SCAN 1.0
SCAN 5\\0a
SCAN \\0
SCAN -5\\0
SCAN \\t0
SCAN 0\\n
SET k v | SCAN -0 | SCAN +0 | SCAN 000 | SCAN 0\\0x
`,
  },
  {
    about: "expiry",
    cases: `
EXPIRE k 10
SET k v | EXPIRE k 100 | TTL k
SET k v | EXPIRE k 0 | GET k
SET k v | EXPIRE k -1 | EXISTS k
SET k v | EXPIRE k abc
SET k v | EXPIRE k 1.5
SET k v | EXPIRE k ""
SET k v | EXPIRE k 9223372036854775807
SET k v | EXPIRE k -9223372036854775808
SET k v | EXPIRE k -9223372036854775807 | GET k
SET k v | EXPIRE k -9223372036854777 | GET k
SET k v | EXPIRE k -9223372036854776 | GET k
SET k v | EXPIRE k -9223372036854775 | GET k
SET k v | EXPIRE k -9007199254741 | GET k
SET k v | EXPIRE k -9223372036854775809 | GET k
SET k v | EXPIRE k 9223372036854775808 | GET k
SET k v EX 100 | EXPIRE k -9223372036854776 LT | TTL k
EXPIRE k -9223372036854776
EXPIRE k 9223372036854775807
SET k v | EXPIRE k 9223372036854776
SET k v | EXPIRE k
SET k v | EXPIRE k 10 FOO
SET k v | EXPIRE k 10 NX XX
SET k v | EXPIRE k 10 NX GT
SET k v | EXPIRE k 10 NX LT
SET k v | EXPIRE k 10 GT LT
SET k v | EXPIRE k 100 XX GT
SET k v | EXPIRE k abc FOO
SET k v | EXPIRE k 100 NX | TTL k
SET k v | EXPIRE k 100 XX | TTL k
SET k v | EXPIRE k 100 GT | TTL k
SET k v | EXPIRE k 100 LT | TTL k
SET k v EX 100 | EXPIRE k 200 NX | TTL k
SET k v EX 100 | EXPIRE k 200 XX | TTL k
SET k v EX 100 | EXPIRE k 200 GT | TTL k
SET k v EX 100 | EXPIRE k 200 LT | TTL k
SET k v EX 100 | EXPIRE k 50 GT | TTL k
SET k v EX 100 | EXPIRE k 50 LT | TTL k
SET k v EX 100 | EXPIRE k 50 XX LT | TTL k
SET k v EX 100 | EXPIRE k 50 nx | TTL k
SET k v EX 100 | EXPIRE k 50 XX XX | TTL k
SET k v EX 100 | EXPIRE k -1 GT | EXISTS k
SET k v EX 100 | EXPIRE k -1 LT | EXISTS k
SET k v | EXPIRE k -1 NX | EXISTS k
SET k v | EXPIRE k -1 XX | EXISTS k
EXPIRE k 10 FOO
EXPIRE k abc
PEXPIRE k 10
SET k v | PEXPIRE k 100000 | TTL k
SET k v | PEXPIRE k 0 | EXISTS k
SET k v | PEXPIRE k -1 | EXISTS k
SET k v | PEXPIRE k abc
SET k v | PEXPIRE k -9223372036854775808 | GET k
SET k v | PEXPIRE k -9223372036854775807 | GET k
SET k v | PEXPIRE k -9007199254740993 | GET k
SET k v | PEXPIRE k 9223372036854775807
SET k v | PEXPIRE k 100000 GT
SET k v | PEXPIRE k
EXPIREAT k 4102444800
SET k v | EXPIREAT k 4102444800 | EXPIRETIME k | PEXPIRETIME k
SET k v | EXPIREAT k 1 | EXISTS k
SET k v | EXPIREAT k 0 | EXISTS k
SET k v | EXPIREAT k -1 | EXISTS k
SET k v | EXPIREAT k abc
SET k v | EXPIREAT k -9223372036854776 | GET k
SET k v | EXPIREAT k -9223372036854775 | GET k
SET k v | EXPIREAT k -9223372036854775808 | GET k
SET k v | EXPIREAT k 9223372036854776 | GET k
EXPIREAT k -9223372036854776
SET k v | EXPIREAT k 9223372036854775807
SET k v | EXPIREAT k 4102444800 GT | TTL k
SET k v EXAT 4102444800 | EXPIREAT k 4102444801 GT | EXPIRETIME k
SET k v EXAT 4102444800 | EXPIREAT k 4102444800 GT
SET k v EXAT 4102444800 | EXPIREAT k 4102444799 LT | EXPIRETIME k
SET k v EXAT 4102444800 | EXPIREAT k 4102444800 LT
PEXPIREAT k 4102444800123
SET k v | PEXPIREAT k 4102444800123 | PEXPIRETIME k | EXPIRETIME k
SET k v | PEXPIREAT k 1 | EXISTS k
SET k v | PEXPIREAT k abc
SET k v | PEXPIREAT k -9223372036854775808 | EXISTS k
TTL k
SET k v | TTL k
TTL
TTL a b
PTTL k
SET k v | PTTL k
PTTL
EXPIRETIME k
SET k v | EXPIRETIME k
EXPIRETIME
PEXPIRETIME k
SET k v | PEXPIRETIME k
PEXPIRETIME a b
PERSIST k
SET k v | PERSIST k
SET k v EX 100 | PERSIST k | TTL k | PERSIST k
PERSIST
PERSIST a b
SET k v PXAT 1 | INCR k | TTL k
SET k v PXAT 1 | SETNX k w | GET k
SET k v PXAT 1 | DEL k
SET k v PXAT 1 | EXISTS k k
SET k v PXAT 1 | APPEND k w | GET k
SET k v PXAT 1 | GETSET k w
SET k v PXAT 1 | PERSIST k
SET k v PXAT 1 | KEYS *
SET k v PXAT 1 | SCAN 0
SET k v PXAT 1 | RANDOMKEY
SET k v PXAT 1 | TYPE k
SET k v PXAT 1 | MGET k
`,
  },
  {
    about: "transactions",
    cases: `
MULTI
MULTI | EXEC
MULTI x
EXEC
EXEC x
DISCARD
MULTI | DISCARD
MULTI | MULTI | EXEC
MULTI | SET k v | GET k | EXEC
MULTI | SET k v | DISCARD | GET k
MULTI | INCR k | INCR k | INCR k | EXEC | GET k
MULTI | SET k abc | INCR k | SET j ok | EXEC | GET j
MULTI | FOO | EXEC
MULTI | SET k v | FOO | EXEC | GET k
MULTI | GET | EXEC
MULTI | SET k v | GET | SET j w | EXEC | MGET k j
MULTI | FOO | DISCARD | EXEC
MULTI | FOO | EXEC | EXEC
MULTI | FOO | EXEC | MULTI | SET k v | EXEC
MULTI | SET k v EX abc | EXEC
MULTI | SET k v FOO | SET j v | EXEC | MGET k j
MULTI | INCRBY k abc | EXEC
MULTI | PING | PING hi | ECHO x | EXEC
MULTI | MGET a b | MSET a 1 b 2 | MGET a b | EXEC
MULTI | MSETNX a 1 b 2 | MSETNX b 3 c 4 | EXEC
MULTI | MSET a | EXEC
MULTI | DEL a b | SET a 1 | DEL a b | EXEC
MULTI | EXISTS a a | SET a 1 | EXISTS a a | EXISTS a | EXEC
MULTI | GETSET k v | GETDEL k | GET k | EXEC
MULTI | APPEND k hello | SETRANGE k 0 J | GETRANGE k 0 2 | STRLEN k | EXEC
MULTI | SET k v EX 100 | TTL k | PERSIST k | TTL k | EXEC
MULTI | EXPIRE k 10 | SET k v | EXPIRE k 100 | TTL k | EXEC
MULTI | INCRBYFLOAT k 1.5 | INCRBYFLOAT k 1.5 | EXEC
MULTI | INCRBYFLOAT k abc | EXEC
MULTI | SET k v NX | SET k w NX | SET j x XX | EXEC
MULTI | SET k v GET | SET k w GET | EXEC
MULTI | TYPE k | SET k v | TYPE k | EXEC
MULTI | DBSIZE | SET k v | DBSIZE | EXEC
MULTI | KEYS * | SET k v | KEYS * | EXEC
MULTI | SCAN 0 | SET k v | SCAN 0 | EXEC
MULTI | RANDOMKEY | SET k v | RANDOMKEY | EXEC
MULTI | FLUSHALL | SET k v | FLUSHALL | DBSIZE | EXEC
MULTI | SELECT 0 | EXEC
MULTI | UNWATCH | EXEC
MULTI | CLIENT GETNAME | EXEC
MULTI | CLIENT SETNAME x | EXEC | CLIENT GETNAME
MULTI | CONFIG GET save | EXEC
MULTI | COMMAND FOO | EXEC
MULTI | WATCH k | EXEC
MULTI | WATCH k | SET k v | EXEC
MULTI | WATCH | EXEC
MULTI | RESET | EXEC
MULTI | SET k v | RESET | GET k | EXEC
MULTI | QUIT
MULTI | EXEC x | SET k v | EXEC
MULTI | DISCARD x | EXEC
WATCH
WATCH k
UNWATCH
UNWATCH x
WATCH k | MULTI | SET k v | EXEC | GET k
WATCH k | SET k v | MULTI | SET k w | EXEC | GET k
SET k v | WATCH k | MULTI | SET k w | EXEC | GET k
SET k v | WATCH k | GET k | MULTI | SET k w | EXEC | GET k
SET k v | WATCH k | SET k w | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | DEL k | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | EXPIRE k 100 | MULTI | SET k x | EXEC | GET k
SET k v EX 100 | WATCH k | PERSIST k | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | INCR k | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | SET k w NX | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k j | SET j w | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | WATCH j | SET j w | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | SET k w | UNWATCH | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | SET k w | MULTI | DISCARD | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | SET k w | MULTI | EXEC | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | MULTI | UNWATCH | SET k w | EXEC | GET k
SET k v | WATCH k | SET k w | MULTI | UNWATCH | EXEC
SET k v | WATCH k | SET k w | RESET | MULTI | SET k x | EXEC | GET k
SET k v | WATCH k | FLUSHALL | MULTI | SET k x | EXEC | GET k
WATCH k | FLUSHALL | MULTI | SET k x | EXEC | GET k
WATCH k k k | MULTI | SET k x | EXEC
WATCH k | SET j v | MULTI | SET k x | EXEC
SET k v | WATCH k | APPEND k "" | MULTI | SET k x | EXEC
`,
  },
  {
    about: "an expiry that is refused is refused before the key is looked up",
    differs: "the key's state is known only once the command is applied",
    cases: `
GETEX k EX 0
GETEX k PXAT -1
`,
  },
  {
    about: "deadlines beyond 2^53 ms are refused",
    differs:
      "times are whole numbers up to 2^53 - 1, the year 287396; a time to live has to end by then",
    cases: `
SET k v PXAT 9223372036854775807
SET k v EX 9007199254741
SET k v EX 9007199254740
SET k v PX 9007199254740991
SET k v PX 8998403161718784
SET k v PXAT 9007199254740992
SET k v PXAT 9007199254740993
SET k v EXAT 9007199254741
SET k v | GETEX k PX 8998403161718784
SET k v | GETEX k PXAT 9007199254740992
PSETEX k 8998403161718784 v
SETEX k 9007199254740 v
SET k v | EXPIRE k 9007199254740
SET k v | EXPIRE k 8998403161719
SET k v | PEXPIRE k 8998403161718784
SET k v | PEXPIRE k 9007199254740991
SET k v | EXPIREAT k 9007199254741
SET k v | PEXPIREAT k 9007199254740992
SET k v | PEXPIREAT k 9223372036854775807
SET k v | EXPIREAT k 9223372036854775
SETEX k 9007199254741 v
`,
  },
  {
    about: "keys are neither empty nor longer than configured",
    differs: "an empty key can't be told from none; limits.redisKeyBytesMax bounds the others",
    cases: `
SET "" v
GET ""
MSET a 1 "" 2
EXISTS a ""
WATCH ""
SET k*1025 v
GET k*70000
`,
  },
  {
    about: "values are no longer than configured",
    differs: "limits.valueBytesMax, 1 MiB unless set, where Redis takes 512 MiB",
    cases: `
SET k v*1048577
SET k v*1048576 | APPEND k x
SETRANGE k 1048576 x
MSET a v*600000 b v*600000
`,
  },
  {
    about: "one database",
    differs: "SELECT 0 is the only one, as in Redis Cluster",
    cases: `
SELECT 1
SELECT 15
`,
  },
  {
    about: "no user default",
    differs: "while there are no users there is nobody to authenticate as",
    cases: `
AUTH default secret
HELLO 3 AUTH default secret
ACL USERS
ACL LIST
ACL GETUSER default
`,
  },
  {
    about: "users",
    cases: `
ACL WHOAMI
ACL WHOAMI x
ACL whoami | HELLO 3 | ACL WHOAMI
ACL GETUSER nobody
HELLO 3 | ACL GETUSER nobody
ACL GETUSER
ACL DELUSER
ACL DELUSER nobody nobody
ACL SETUSER
ACL SETUSER a\\sb on
ACL SETUSER x foo
ACL SETUSER x on +nosuch
ACL SETUSER x on -@nosuch
ACL SETUSER x on ~a\\sb
ACL SETUSER x on allkeys ~a
ACL SETUSER x on %X~a
ACL CAT
ACL CAT nosuch
ACL CAT a b
ACL GENPASS 0
ACL GENPASS -5
ACL GENPASS 5000
ACL GENPASS x
ACL GENPASS 1 2
ACL DRYRUN
ACL DRYRUN nobody get k
ACL NOSUCH
ACL
ACL USERS x
ACL LIST x
MULTI | ACL WHOAMI | EXEC
MULTI | ACL NOSUCH | EXEC
`,
  },
  {
    about: "decimal sums are exact",
    differs: "Redis adds in the processor's 80-bit numbers and shows what that leaves over",
    cases: `
SET k 10000000000.1 | INCRBYFLOAT k 0.1
SET k 3.0e3000 | INCRBYFLOAT k 1
SET k 1 | INCRBYFLOAT k 0x10
SET k 123456789012345678901 | INCRBYFLOAT k 1
`,
  },
  {
    about: "a key that was absent and is absent again has not changed",
    differs: "a transaction depends on the state that was seen, and that is the same",
    cases: `
WATCH k | SET k v | DEL k | MULTI | SET k x | EXEC
`,
  },
  {
    about: "what the server tells of itself is not part of a transaction",
    differs: "a transaction is applied on all servers, each of which would tell of itself",
    cases: `
MULTI | INFO | EXEC
MULTI | TIME | EXEC
MULTI | HELLO 3 | EXEC
MULTI | WAIT 0 0 | EXEC
`,
  },
  {
    about: "inline commands",
    differs: "not an array: that is the protocol of lines, or an error",
    cases: `
PING | INLINE
`,
  },
  {
    about: "conditions on the value that is there",
    differs: "redis-server 7.0 has none; docs/redis.md says who brought them",
    cases: `
SET k v | SET k w IFEQ v | GET k
SET k v | SET k w IFEQ x GET | GET k
SET k v | SET k w IFNE v | GET k
SET k v | SET k w IFDEQ 9dc7e5eb3d8f4a2c
SET k v | DELIFEQ k v | EXISTS k
SET k v | DELEX k IFEQ v
SET k v | DELEX k
SET k v | DIGEST k
DIGEST k
MSETEX 2 a 1 b 2 NX EX 100 | TTL b
MSETEX 0 a 1
`,
  },
  {
    about: "CLUSTER is always there, and other commands are not",
    differs: "this is a cluster of one shard; docs/redis.md lists the commands",
    cases: `
CLUSTER MYID
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER KEYSLOT k
READONLY
READWRITE
LPUSH k a
HSET k f v
SADD k a
ZADD k 1 a
OBJECT ENCODING k
RENAME a b
COPY a b
CONFIG SET save x
COMMAND COUNT
CONFIG GET databases
CLIENT SETINFO LIB-NAME x
`,
  },
  {
    about: "version 3",
    cases: `
HELLO 3 SETNAME me | CLIENT GETNAME | GET k
HELLO 3 | GET k | SET k v | GET k
HELLO 3 | MGET a b | SET k v NX | SET k v NX
HELLO 3 | SET k v GET
HELLO 3 | CONFIG GET save
HELLO 3 | CONFIG GET nosuch
HELLO 3 | WATCH k | SET k v | MULTI | GET k | EXEC
HELLO 3 | MULTI | GET k | MGET a b | EXEC
HELLO 3 | RANDOMKEY
HELLO 3 | GETDEL k | GETEX k | GETSET k v
HELLO 3 | HELLO 2 | GET k
HELLO 3 | RESET | GET k
HELLO 3 | CLIENT GETNAME
HELLO 3 | SCAN 0 | KEYS * | TTL k | INCR k
HELLO 3 | COMMAND INFO nosuch
HELLO 3 | COMMAND DOCS nosuch
HELLO 3 | INCRBYFLOAT k 1.5
`,
  },
];
