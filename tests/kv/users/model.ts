/**
 * Users as the rules' words say, written down a second time and as plainly as can be: no bits, nothing merged,
 * nothing remembered but what was said. It knows nothing of lib/kv/users but the table of commands.
 */
import { commandNamed } from "../../../lib/kv/users/command_numbers.ts";

export type Need = "none" | "read" | "write" | "both";

interface ModelPattern {
  readonly text: string;
  reads: boolean;
  writes: boolean;
}

export class ModelUser {
  isOn = false;
  hasNoPassword = false;
  passwords: string[] = [];
  allKeys = false;
  keys: ModelPattern[] = [];
  /** All that was said of commands since the last +@all, -@all or reset. */
  commands: string[] = [];

  copy(): ModelUser {
    const other = new ModelUser();
    Object.assign(other, this);
    other.passwords = [...this.passwords];
    other.keys = this.keys.map((one) => ({ ...one }));
    other.commands = [...this.commands];
    return other;
  }

  /** Follows a rule, `>password` or `<password`; false where it can't be followed. */
  follow(rule: string): boolean {
    if (rule === "on" || rule === "off") this.isOn = rule === "on";
    else if (rule === "nopass") [this.passwords, this.hasNoPassword] = [[], true];
    else if (rule === "resetpass") [this.passwords, this.hasNoPassword] = [[], false];
    else if (rule === "~*") [this.keys, this.allKeys] = [[], true];
    else if (rule === "resetkeys") [this.keys, this.allKeys] = [[], false];
    else if (rule === "reset") Object.assign(this, new ModelUser());
    else if (rule[0] === "&" || rule === "resetchannels") return true;
    else if (rule[0] === ">") {
      this.passwords = [...this.passwords.filter((one) => one !== rule.slice(1)), rule.slice(1)];
      this.hasNoPassword = false;
    } else if (rule[0] === "<") {
      if (!this.passwords.includes(rule.slice(1))) return false;
      this.passwords = this.passwords.filter((one) => one !== rule.slice(1));
    } else if (rule[0] === "~" || rule[0] === "%") return this.#addKeys(rule);
    else this.commands = rule.endsWith("@all") ? [rule] : [...this.commands, rule];
    return true;
  }

  #addKeys(rule: string): boolean {
    if (this.allKeys) return false;
    const text = rule.slice(rule.indexOf("~") + 1);
    const letters = rule[0] === "~" ? "RW" : rule.slice(1, rule.indexOf("~"));
    const there = this.keys.find((one) => one.text === text) ??
      this.keys[this.keys.push({ text, reads: false, writes: false }) - 1]!;
    if (letters.includes("R")) there.reads = true;
    if (letters.includes("W")) there.writes = true;
    return true;
  }

  get letsIn(): boolean {
    return this.isOn && (this.hasNoPassword || this.passwords.length > 0);
  }

  get administers(): boolean {
    return this.letsIn && this.allowsCommand("acl|setuser");
  }

  /** The last thing said of a command, of its container or of a category of one of them, holds. */
  allowsCommand(name: string): boolean {
    if (["auth", "hello", "quit", "reset"].includes(name)) return true;
    const container = name.includes("|") ? name.split("|")[0]! : name;
    const categories = new Set([name, container].flatMap((one) => commandNamed(one)!.categories));
    for (const rule of this.commands.toReversed()) {
      const target = rule.slice(1);
      const isMeant = target === "@all" || target === name || target === container ||
        (target.startsWith("@") && categories.has(target.slice(1)));
      if (isMeant) return rule[0] === "+";
    }
    return false;
  }

  allowsKey(need: Need, key: string): boolean {
    if (this.allKeys) return true;
    return this.keys.some((one) => {
      const mayRead = one.reads || need === "none" || need === "write";
      const mayWrite = one.writes || need === "none" || need === "read";
      return mayRead && mayWrite && isMatch(one.text, key);
    });
  }
}

/** Redis's patterns, tried out letter by letter. */
export function isMatch(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] === "*") {
    for (let from = 0; from <= text.length; from++) {
      if (isMatch(pattern.slice(1), text.slice(from))) return true;
    }
    return false;
  }
  if (text === "") return false;
  if (pattern[0] === "\\" && pattern.length > 1) {
    return pattern[1] === text[0] && isMatch(pattern.slice(2), text.slice(1));
  }
  if (pattern[0] === "[") {
    const [members, rest] = splitSet(pattern);
    return members(text[0]!) && isMatch(rest, text.slice(1));
  }
  return (pattern[0] === "?" || pattern[0] === text[0]) && isMatch(pattern.slice(1), text.slice(1));
}

function splitSet(pattern: string): [(letter: string) => boolean, string] {
  let rest = pattern.slice(1);
  const isNegated = rest[0] === "^";
  if (isNegated) rest = rest.slice(1);
  const ranges: [string, string][] = [];
  while (rest !== "" && rest[0] !== "]") {
    if (rest[0] === "\\" && rest.length > 1) {
      ranges.push([rest[1]!, rest[1]!]);
      rest = rest.slice(2);
    } else if (rest[1] === "-" && rest.length > 2) {
      ranges.push([rest[0]!, rest[2]!].sort() as [string, string]);
      rest = rest.slice(3);
    } else {
      ranges.push([rest[0]!, rest[0]!]);
      rest = rest.slice(1);
    }
  }
  const isIn = (letter: string) => ranges.some(([low, high]) => letter >= low && letter <= high);
  return [(letter) => isIn(letter) !== isNegated, rest.slice(1)];
}
