/**
 * What some tests need of the machine. A test that can't run is registered as ignored, with the reason
 * in its name, so that whoever counts tests sees it.
 */

/** Null where it worked, else what it said. */
export function run(program: string, ...args: string[]): string | null {
  try {
    const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim() || "it failed";
  } catch (error) {
    return (error as Error).message;
  }
}

/** The reason of the first need that is not met; null where all are. */
export function unmet(...needs: readonly (string | null)[]): string | null {
  return needs.find((reason) => reason !== null) ?? null;
}

export function needsLinux(): string | null {
  return Deno.build.os === "linux" ? null : "only Linux can do this";
}

export function needsRoot(): string | null {
  return Deno.build.os === "linux" && Deno.uid() === 0 ? null : "only root may do this";
}

export function needsIpv6(): string | null {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return null;
  } catch (error) {
    return `no IPv6 here: ${(error as Error).message}`;
  }
}

/** Whether a program does what it is wanted for, tried with these arguments. */
export function needsProgram(...command: readonly string[]): string | null {
  const [program, ...args] = command;
  const refusal = run(program!, ...args);
  return refusal === null ? null : `${program} is not usable here: ${refusal.split("\n")[0]}`;
}

/** What `Deno.test` wants to know of a test that does not run for `reason`, or runs where that is null. */
export function testNamed(name: string, reason: string | null): Omit<Deno.TestDefinition, "fn"> {
  const shown = reason === null ? name : `${name} (not run: ${reason})`;
  // The reason is in the name: that is what a run prints.
  return { name: shown, ignore: reason !== null };
}
