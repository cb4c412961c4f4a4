/** A real Prometheus over a cluster's admin ports, with the rules of deploy/ on short intervals. */
import { assertEquals } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import type { Cluster, Server } from "./harness.ts";
import { eventually } from "./patience.ts";

const RULES = new URL("../../deploy/prometheus-alerts.yml", import.meta.url);

/** The rules with every wait and window short, and not a word else changed. */
function shortRules(): string {
  return Deno.readTextFileSync(RULES)
    .replaceAll(/for: (?:\d+[smh])/g, "for: 3s")
    .replaceAll("[5m]", "[10s]");
}

export class Prometheus {
  readonly #process: Deno.ChildProcess;
  readonly #url: string;
  /** All alerts that fired since the last `reset()`. */
  readonly #fired = new Set<string>();
  #watch: ReturnType<typeof setInterval> | undefined;

  private constructor(process: Deno.ChildProcess, url: string) {
    this.#process = process;
    this.#url = url;
  }

  /** Scrapes every second; resolves once it has seen all servers. */
  static async start(cluster: Cluster): Promise<Prometheus> {
    const directory = `${cluster.directory}/prometheus`;
    Deno.mkdirSync(directory);
    Deno.writeTextFileSync(`${directory}/rules.yml`, shortRules());
    const targets = cluster.servers.map(({ adminPort }) => `127.0.0.1:${adminPort}`);
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["rules.yml"],
      scrape_configs: [{ job_name: "raftkv", static_configs: [{ targets }] }],
    };
    Deno.writeTextFileSync(`${directory}/prometheus.yml`, JSON.stringify(config));
    const [port] = freePorts(1);
    const child = new Deno.Command("prometheus", {
      args: [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=error",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const prometheus = new Prometheus(child, `http://127.0.0.1:${port}`);
    await eventually("Prometheus to scrape all servers", async () => {
      const up = await prometheus.query('sum(up{job="raftkv"})').catch(() => []);
      return up[0]?.value === cluster.servers.length;
    }, 60_000);
    prometheus.#watch = setInterval(() => prometheus.#look(), 250);
    return prometheus;
  }

  async query(expression: string): Promise<{ labels: Record<string, string>; value: number }[]> {
    const response = await fetch(`${this.#url}/api/v1/query`, {
      method: "POST",
      body: new URLSearchParams({ query: expression }),
    });
    const { status, error, data } = await response.json();
    if (status !== "success") throw new Error(`${expression}: ${error}`);
    return data.result.map((one: { metric: Record<string, string>; value: [number, string] }) => {
      return { labels: one.metric, value: Number(one.value[1]) };
    });
  }

  /** The alerts that fire now, each with the server that it names, or the job. */
  async firing(): Promise<string[]> {
    const found = await this.query('ALERTS{alertstate="firing"}');
    return found.map(({ labels }) => `${labels.alertname}`).sort();
  }

  /** Waits until this alert fires, for this server, and says so; no other has fired until it is over. */
  async raises(alert: string, about: Server, sentence: RegExp): Promise<void> {
    await eventually(`${alert} to fire`, async () => (await this.firing()).includes(alert), 90_000);
    const response = await fetch(`${this.#url}/api/v1/alerts`);
    const { data } = await response.json();
    const [found] = data.alerts.filter((one: { state: string }) => one.state === "firing");
    assertEquals(found.labels.instance, `127.0.0.1:${about.adminPort}`);
    if (!sentence.test(found.annotations.summary)) {
      throw new Error(`${alert} says: ${found.annotations.summary}`);
    }
  }

  /** Waits until nothing fires; says what did since this was called last. */
  async calms(): Promise<string[]> {
    await eventually("all alerts to end", async () => (await this.firing()).length === 0, 90_000);
    const fired = [...this.#fired].sort();
    this.#fired.clear();
    return fired;
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    this.#process.kill("SIGTERM");
    await this.#process.status;
  }

  #look(): void {
    this.firing().then((names) => names.forEach((name) => this.#fired.add(name)), () => {});
  }
}
