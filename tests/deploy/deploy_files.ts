/** The files of deploy/, parsed as the programs parse them that read them. */
import { parse, parseAllDocuments } from "yaml";
import { DockerfileParser } from "../packages/dockerfile.ts";
import { assertEquals } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";

export const DEPLOY = new URL("../../deploy/", import.meta.url).pathname;

export function read(name: string): string {
  return Deno.readTextFileSync(`${DEPLOY}${name}`);
}

/** One document of YAML; fails where YAML 1.1 (Kubernetes, older tools) and 1.2 read it differently. */
export function yamlOf(text: string): unknown {
  const options = { merge: true, strict: true, prettyErrors: true } as const;
  const newer = parse(text, { ...options, version: "1.2" });
  assertEquals(parse(text, { ...options, version: "1.1" }), newer, "YAML 1.1 and 1.2 differ");
  return newer;
}

/** All documents of a file, each as text would be parsed alone. */
export function yamlDocuments(name: string): unknown[] {
  const text = read(name);
  for (const document of parseAllDocuments(text)) {
    assertEquals([...document.errors, ...document.warnings], [], name);
  }
  return text.split(/^---$/m).map(yamlOf);
}

/** A unit file's `section.key`, with all values in their order, as systemd gathers them. */
export function unitOf(name: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let section = "";
  for (const line of read(name).split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const head = /^\[(\w+)\]$/.exec(line)?.[1];
    if (head !== undefined) {
      section = head;
      continue;
    }
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    assert(key !== undefined && value !== undefined, `${name}: ${line}`);
    const values = found.get(`${section}.${key}`) ?? [];
    found.set(`${section}.${key}`, [...values, value]);
  }
  return found;
}

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The Dockerfile's stages, each a list of instructions that begins with its FROM. */
export function dockerStages(name = "Dockerfile"): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const instruction of DockerfileParser.parse(read(name)).getInstructions()) {
    const found = {
      name: instruction.getInstruction(),
      text: instruction.getArgumentsContent() ?? "",
    };
    if (found.name === "FROM") stages.push([]);
    stages.at(-1)!.push(found);
  }
  return stages;
}

/** The one instruction of this name in the image, the last stage. */
export function inImage(name: string): string {
  const found = dockerStages().at(-1)!.filter((instruction) => instruction.name === name);
  assertEquals(found.length, 1, `one ${name} in the image`);
  return found[0]!.text;
}

/** The environment that the image sets. */
export function imageEnvironment(): Record<string, string> {
  const pairs = inImage("ENV").replaceAll(/\\\n/g, " ").trim().split(/\s+/);
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2) as [string, string]));
}

/** Entry point and arguments in JSON form. */
export function commandOf(name: string): string[] {
  return JSON.parse(inImage(name)) as string[];
}
