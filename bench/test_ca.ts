/**
 * A CA of one's own and certificates of it, by openssl, made when they are needed: for tests and
 * benchmarks. Files that are kept would expire.
 */

export interface CertificateOptions {
  readonly dns?: readonly string[];
  /** 127.0.0.1 and ::1 unless given. */
  readonly addresses?: readonly string[];
  /** From now on; below 0: it has expired. */
  readonly days?: number;
  /** As `openssl genpkey` has it: the algorithm, then options of it; the curve P-256 unless given. */
  readonly key?: readonly string[];
  /** It is a CA's. */
  readonly isCa?: boolean;
}

const P256 = ["ec", "ec_paramgen_curve:P-256"];

/** Names of PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export class TestCa {
  /** The file of its certificate. */
  readonly ca: string;
  readonly #directory: string;
  readonly #name: string;

  /** Makes a CA whose files go into `directory`, which exists. @throws {Error} with what openssl said. */
  constructor(directory: string, name = "ca", above: TestCa | null = null) {
    this.#directory = directory;
    this.#name = name;
    this.ca = `${directory}/${name}.pem`;
    if (above !== null) {
      above.issue(name, { isCa: true });
      return;
    }
    this.#makeKey(name);
    openssl(["req", "-x509", "-new", "-key", this.#path(name, "key"), "-out", this.ca]
      .concat("-subj", `/CN=${name} of a test`, "-days", "2"));
  }

  /** A CA below this one. */
  middle(name: string): TestCa {
    return new TestCa(this.#directory, name, this);
  }

  /** A certificate and its key in `NAME.pem` and `NAME.key`; the same names again replace both. */
  issue(name: string, options: CertificateOptions = {}): CertificateFiles {
    const { dns = [], addresses = ["127.0.0.1", "::1"], days = 1, key: kind, isCa } = options;
    const names = [
      ...dns.map((one, at) => `DNS.${at} = ${one}`),
      ...addresses.map((one, at) => `IP.${at} = ${one}`),
    ];
    const key = this.#makeKey(`${name}.new`, kind);
    const request = this.#path(name, "csr");
    openssl(["req", "-new", "-key", key, "-subj", `/CN=${name}`, "-out", request]);
    const extensions = this.#path(name, "ext");
    Deno.writeTextFileSync(
      extensions,
      "subjectAltName=@names\nextendedKeyUsage=serverAuth,clientAuth\n" +
        `basicConstraints=CA:${isCa ? "TRUE" : "FALSE"}\n[names]\n${names.join("\n")}\n`,
    );
    const made = this.#path(`${name}.new`, "pem");
    openssl(["x509", "-req", "-in", request, "-CA", this.ca, "-days", `${days}`, "-out", made]
      .concat("-CAkey", this.#path(this.#name, "key"), "-CAcreateserial", "-extfile", extensions));
    const files = { cert: this.#path(name, "pem"), key: this.#path(name, "key") };
    Deno.renameSync(key, files.key);
    Deno.renameSync(made, files.cert);
    return files;
  }

  #makeKey(name: string, [algorithm, ...options]: readonly string[] = P256): string {
    const path = this.#path(name, "key");
    openssl(["genpkey", "-algorithm", algorithm!, "-out", path]
      .concat(options.flatMap((one) => ["-pkeyopt", one])));
    return path;
  }

  #path(name: string, ending: string): string {
    return `${this.#directory}/${name}.${ending}`;
  }
}

function openssl(args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("openssl", { args: [...args] }).outputSync();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
