/**
 * A program that serves disks as files and keeps a log of each write and each flush, in their order:
 * `logged_disks.ts DIRECTORY LOG IMAGE...`. It mounts itself on DIRECTORY by FUSE and shows IMAGE number
 * n as the file `disk-<n>`; a loop device on that file makes a block device of it. What the loop driver
 * writes comes here as WRITE, what it flushes as FSYNC. See write_log.ts for the log's form.
 *
 * It speaks the protocol of /dev/fuse itself (linux/fuse.h), the few operations that a loop device
 * needs, by the C library through Deno's foreign functions: no FUSE library and no compiler are wanted.
 * One request after another, each call blocking: whatever was answered is in the log.
 */
import { FLUSH, RECORD_HEAD_BYTES, WRITE, writeRecordHead } from "./write_log.ts";

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  __errno_location: { parameters: [], result: "pointer" },
}).symbols;

const enum Opcode {
  lookup = 1,
  forget = 2,
  getattr = 3,
  setattr = 4,
  open = 14,
  read = 15,
  write = 16,
  statfs = 17,
  release = 18,
  fsync = 20,
  flush = 25,
  init = 26,
  opendir = 27,
  readdir = 28,
  releasedir = 29,
  interrupt = 36,
  destroy = 38,
  batchForget = 42,
}

const ENOENT = 2;
const EINTR = 4;
const EIO = 5;
const ENOSYS = 38;
const O_RDWR = 2;
const MS_NOSUID_NODEV = 6;

const IN_HEAD_BYTES = 40;
const OUT_HEAD_BYTES = 16;
const WRITE_IN_BYTES = 40;
const WRITE_BYTES_MAX = 1_048_576;
const PAGES_MAX = 256;
/** FUSE_ASYNC_READ, FUSE_BIG_WRITES, FUSE_MAX_PAGES. */
const INIT_FLAGS = 1 << 0 | 1 << 5 | 1 << 22;
const ROOT = 1;
/** Nothing here changes but by these requests: names and sizes may be kept for ever. */
const VALID_SECONDS = 86_400n;
const DIRECTORY_MODE = 0o40700;
const FILE_MODE = 0o100600;

const [directory, logPath, ...images] = Deno.args;
const disks = images.map((path) => Deno.openSync(path, { read: true, write: true }));
const sizes = disks.map((disk) => disk.statSync().size);
const log = Deno.openSync(logPath!, { write: true, create: true, truncate: true });

const request = new Uint8Array(IN_HEAD_BYTES + WRITE_IN_BYTES + WRITE_BYTES_MAX + 4096);
const input = new DataView(request.buffer);
const reply = new Uint8Array(OUT_HEAD_BYTES + WRITE_BYTES_MAX);
const out = new DataView(reply.buffer);
const logHead = new Uint8Array(RECORD_HEAD_BYTES);

function text(value: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(`${value}\0`));
}

function errno(): number {
  return new Deno.UnsafePointerView(libc.__errno_location()!).getInt32();
}

function mountFuse(): number {
  const device = libc.open(text("/dev/fuse"), O_RDWR);
  if (device < 0) throw new Error(`/dev/fuse can't be opened: error ${errno()}`);
  const options = text(`fd=${device},rootmode=40000,user_id=0,group_id=0,allow_other`);
  const refused = libc.mount(
    text("raftkv-power"),
    text(directory!),
    text("fuse.raftkv-power"),
    BigInt(MS_NOSUID_NODEV),
    options,
  );
  if (refused !== 0) throw new Error(`FUSE can't be mounted on ${directory}: error ${errno()}`);
  return device;
}

/** Writes an attribute block at `at`: of the root, or of the disk with this node id. */
function attributes(at: number, node: bigint): void {
  reply.fill(0, at, at + 88);
  const isRoot = node === BigInt(ROOT);
  const size = isRoot ? 4096 : sizes[Number(node) - ROOT - 1]!;
  out.setBigUint64(at, node, true);
  out.setBigUint64(at + 8, BigInt(size), true);
  out.setBigUint64(at + 16, BigInt(size / 512), true);
  out.setUint32(at + 60, isRoot ? DIRECTORY_MODE : FILE_MODE, true);
  out.setUint32(at + 64, 1, true);
  out.setUint32(at + 80, 4096, true);
}

/** Handles the request in `request`; returns the length of the reply's body, or an error below 0. */
function handle(opcode: number, node: bigint, length: number): number {
  const body = OUT_HEAD_BYTES;
  reply.fill(0, body, body + 128);
  switch (opcode) {
    case Opcode.init:
      out.setUint32(body, 7, true);
      out.setUint32(body + 4, 31, true);
      out.setUint32(body + 8, input.getUint32(IN_HEAD_BYTES + 8, true), true);
      out.setUint32(body + 12, INIT_FLAGS, true);
      out.setUint16(body + 16, 16, true);
      out.setUint16(body + 18, 12, true);
      out.setUint32(body + 20, WRITE_BYTES_MAX, true);
      out.setUint32(body + 24, 1, true);
      out.setUint16(body + 28, PAGES_MAX, true);
      return 64;
    case Opcode.lookup: {
      const name = new TextDecoder().decode(request.subarray(IN_HEAD_BYTES, length - 1));
      const number = Number(/^disk-(\d+)$/.exec(name)?.[1] ?? 0);
      if (number < 1 || number > disks.length) return -ENOENT;
      const found = BigInt(ROOT + number);
      out.setBigUint64(body, found, true);
      out.setBigUint64(body + 16, VALID_SECONDS, true);
      out.setBigUint64(body + 24, VALID_SECONDS, true);
      attributes(body + 40, found);
      return 128;
    }
    case Opcode.getattr:
    case Opcode.setattr:
      out.setBigUint64(body, VALID_SECONDS, true);
      attributes(body + 16, node);
      return 104;
    case Opcode.open:
    case Opcode.opendir:
      return 16;
    case Opcode.read:
      return read(Number(node) - ROOT - 1);
    case Opcode.write:
      return write(Number(node) - ROOT - 1);
    case Opcode.fsync:
      appendToLog(FLUSH, Number(node) - ROOT - 1, 0, 0, 0);
      return 0;
    case Opcode.statfs:
      return 80;
    case Opcode.readdir:
    case Opcode.release:
    case Opcode.releasedir:
    case Opcode.flush:
    case Opcode.destroy:
      return 0;
    default:
      return -ENOSYS;
  }
}

function read(disk: number): number {
  const offset = Number(input.getBigUint64(IN_HEAD_BYTES + 8, true));
  const size = Math.min(input.getUint32(IN_HEAD_BYTES + 16, true), sizes[disk]! - offset);
  if (size <= 0) return 0;
  const file = disks[disk]!;
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let total = 0; total < size;) {
    const count = file.readSync(
      reply.subarray(OUT_HEAD_BYTES + total, OUT_HEAD_BYTES + size),
    );
    if (count === null) return -EIO;
    total += count;
  }
  return size;
}

function write(disk: number): number {
  const offset = Number(input.getBigUint64(IN_HEAD_BYTES + 8, true));
  const size = input.getUint32(IN_HEAD_BYTES + 16, true);
  const from = IN_HEAD_BYTES + WRITE_IN_BYTES;
  appendToLog(WRITE, disk, offset, from, size);
  const file = disks[disk]!;
  file.seekSync(offset, Deno.SeekMode.Start);
  writeAll(file, request.subarray(from, from + size));
  out.setUint32(OUT_HEAD_BYTES, size, true);
  return 8;
}

function appendToLog(kind: number, disk: number, offset: number, from: number, size: number): void {
  writeRecordHead(logHead, { kind, disk, offset, bytes: size });
  writeAll(log, logHead);
  if (size > 0) writeAll(log, request.subarray(from, from + size));
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

function isWithoutReply(opcode: number): boolean {
  return opcode === Opcode.forget || opcode === Opcode.batchForget || opcode === Opcode.interrupt;
}

function serve(device: number): void {
  for (;;) {
    const length = Number(libc.read(device, request, BigInt(request.length)));
    if (length < 0) {
      const error = errno();
      if (error === EINTR || error === ENOENT) continue;
      // It was unmounted.
      return;
    }
    const opcode = input.getUint32(4, true);
    if (isWithoutReply(opcode)) continue;
    const result = handle(opcode, input.getBigUint64(16, true), length);
    const bytes = OUT_HEAD_BYTES + Math.max(0, result);
    out.setUint32(0, bytes, true);
    out.setInt32(4, Math.min(0, result), true);
    out.setBigUint64(8, input.getBigUint64(8, true), true);
    libc.write(device, reply, BigInt(bytes));
  }
}

const device = mountFuse();
console.log("ready");
serve(device);
